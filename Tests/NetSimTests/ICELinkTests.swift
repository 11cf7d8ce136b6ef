import NetSim
import Wire
import XCTest

/// The links do what they say, the same way from the same seed.
final class ICELinkTests: XCTestCase {
    private final class Sink: SimulatedEndpoint {
        var arrivals: [(Int, Instant)] = []
        var deadline: Instant? { nil }
        func advance(to now: Instant) {}
        func receive(_ datagram: [UInt8], from source: SocketAddress, on local: SocketAddress, at now: Instant) {
            arrivals.append((Int(datagram.span.u32(at: 0)), now))
        }
    }

    /// Sends `count` datagrams of 1000 bytes, one every `interval`, and gives their numbers and arrival times.
    private func run(_ up: LinkConditions, count: Int = 1000, interval: Duration = .milliseconds(1), seed: UInt64 = 1) -> [(Int, Instant)] {
        let network = SimulatedNetwork(seed: seed), sink = Sink()
        let a = SocketAddress(IPAddress(10, 0, 0, 1), 1), b = SocketAddress(IPAddress(10, 0, 0, 2), 1)
        network.addAddress(a.ip, up: up)
        network.addAddress(b.ip, down: LinkConditions(delay: .zero))
        network.bind(sink, to: b)
        for i in 0..<count {
            network.schedule(at: .zero + interval * Int64(i)) {
                var bytes: [UInt8] = []
                bytes.append(u32: UInt32(i))
                network.send(bytes + [UInt8](repeating: 0, count: 996), from: a, to: b)
            }
        }
        network.run(for: .seconds(60))
        return sink.arrivals
    }

    func testDelayAndJitterKeepTheOrder() {
        let arrivals = run(LinkConditions(delay: .milliseconds(20), jitter: .milliseconds(50)))
        XCTAssertEqual(arrivals.map(\.0), Array(0..<1000))
        for (i, at) in arrivals { XCTAssertGreaterThanOrEqual(at, .zero + .milliseconds(20 + i)) }
    }

    func testBandwidthAndDropTail() {
        // 8 Mbit/s offered, 1 Mbit/s carried.
        let arrivals = run(LinkConditions(delay: .zero, bandwidth: 1_000_000, queueDelay: .milliseconds(200)), count: 3000)
        XCTAssertEqual(Double(arrivals.filter { $0.1 < .zero + .seconds(3) }.count), 3 * 1_000_000 / (1028 * 8), accuracy: 5)
        for (i, at) in arrivals { XCTAssertLessThanOrEqual(at - (.zero + .milliseconds(i)), .milliseconds(210)) }
    }

    func testLossBurstsReorderingDuplicationAndBlackOut() {
        var conditions = LinkConditions(delay: .milliseconds(5), loss: 0.2)
        XCTAssertEqual(Double(run(conditions).count), 800, accuracy: 50)
        conditions = LinkConditions(delay: .milliseconds(5))
        conditions.burstStart = 0.02
        conditions.burstEnd = 0.2
        let numbers = run(conditions).map(\.0)
        XCTAssertLessThan(numbers.count, 980)
        XCTAssertTrue(zip(numbers, numbers.dropFirst()).contains { $1 - $0 > 4 }, "losses come in bursts")
        conditions = LinkConditions(delay: .milliseconds(5))
        conditions.reordering = 0.1
        let shuffled = run(conditions).map(\.0)
        XCTAssertNotEqual(shuffled, Array(0..<1000))
        XCTAssertEqual(shuffled.sorted(), Array(0..<1000))
        conditions = LinkConditions(delay: .milliseconds(5))
        conditions.duplication = 0.1
        XCTAssertEqual(Double(run(conditions).count), 1100, accuracy: 40)
        conditions.isBlackedOut = true
        XCTAssertEqual(run(conditions).count, 0)
    }

    func testSameSeedSameRun() {
        var conditions = LinkConditions(delay: .milliseconds(5), jitter: .milliseconds(9), loss: 0.1, bandwidth: 9_000_000)
        conditions.reordering = 0.05
        func text(_ seed: UInt64) -> [String] { run(conditions, seed: seed).map { "\($0.0) \($0.1.nanoseconds)" } }
        XCTAssertEqual(text(7), text(7))
        XCTAssertNotEqual(text(7), text(8))
    }
}
