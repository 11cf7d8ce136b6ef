import Usage
import Wire
import XCTest

/// The points of section 8.4.
final class NetworkDetectorTests: XCTestCase {
    /// A flow that carries so much each second, evenly.
    private struct Flow {
        var port: UInt16
        var transport = Transport.tcp
        var packetsOut = 0
        var packetsIn = 0
        var size = 1000
        var client: UInt16 = 65_000
    }

    private struct Host {
        var detector = NetworkDetector(webrtc: .init(), zmq: .init())
        var now = Instant.zero

        mutating func run(_ flows: [Flow], seconds: Int) {
            for _ in 0..<(seconds * 100) {
                now += .milliseconds(10)
                detector.advance(to: now)
                for (index, flow) in flows.enumerated() {
                    let tick = Int(now.nanoseconds / 10_000_000)
                    send(flow, index, isOutgoing: true, share(flow.packetsOut, tick))
                    send(flow, index, isOutgoing: false, share(flow.packetsIn, tick))
                }
            }
        }

        private func share(_ perSecond: Int, _ tick: Int) -> Int { perSecond * (tick + 1) / 100 - perSecond * tick / 100 }

        private mutating func send(_ flow: Flow, _ index: Int, isOutgoing: Bool, _ count: Int) {
            let local = SocketAddress(IPAddress(192, 168, 1, 10), flow.port)
            let remote = SocketAddress(IPAddress(192, 0, 2, UInt8(index)), flow.client)
            for _ in 0..<count {
                let packet = Packet(
                    flow.transport, from: isOutgoing ? local : remote, to: isOutgoing ? remote : local, isOutgoing: isOutgoing,
                    payloadOffset: 40,
                    payloadLength: flow.size)
                detector.observe(packet, at: now)
            }
        }

        var evidence: Evidence { mutating get { detector.evidence(at: now) } }
    }

    func testWhatEachLineOfTheTableGives() {
        let video = Flow(port: 8080, packetsOut: 250)  // 2 Mbit/s
        let control = Flow(port: 5555, packetsOut: 25, packetsIn: 25, size: 100)  // 40 kbit/s
        let cases: [(String, [Flow], Int, Double?, Int)] = [
            ("video and control", [video, control], 3, 80, 2),  // 30 + 20 + 20 + 15 + 15 + 10, capped
            ("the same on one-way control", [video, Flow(port: 9090, packetsIn: 50, size: 100)], 3, 76, 2),
            ("video alone", [video], 12, nil, 1),  // 30 + 20 + 10
            ("control alone", [control], 12, nil, 1),  // 20 + 15 + 10
            ("slow video", [Flow(port: 8080, packetsOut: 20), control], 3, nil, 2),  // 20 + 15 + 15
            ("slow video for long", [Flow(port: 8080, packetsOut: 20), control], 12, nil, 2),  // 60
            ("few packets", [Flow(port: 8554, packetsOut: 20, size: 10_000), control], 3, 80, 2),
            ("too much video", [Flow(port: 8080, packetsOut: 7000), Flow(port: 5556, packetsOut: 50, size: 100)], 3, nil, 2),
            ("too much control", [video, Flow(port: 5556, packetsOut: 600)], 3, nil, 2),
            (
                "WebRTC ports",
                [Flow(port: 40_000, transport: .udp, packetsOut: 250), Flow(port: 40_001, transport: .udp, packetsIn: 50, size: 100)], 3,
                76, 2
            ),
            (
                "large control packets",
                [Flow(port: 40_000, transport: .udp, packetsOut: 250), Flow(port: 40_001, transport: .udp, packetsIn: 50, size: 301)], 3,
                nil, 1
            ),
            ("a page by QUIC", [Flow(port: 443, transport: .udp, packetsIn: 500, client: 40_000), control], 12, nil, 1),
            ("other ports", [Flow(port: 443, packetsOut: 250), Flow(port: 22, packetsOut: 20, packetsIn: 20, size: 100)], 12, nil, 0),
            ("the video port of ZeroMQ", [Flow(port: 5557, packetsOut: 250), control], 3, 80, 2),
        ]
        for (name, flows, seconds, score, connections) in cases {
            var host = Host()
            host.run(flows, seconds: seconds)
            let evidence = host.evidence
            XCTAssertEqual(evidence.score, score, name)
            XCTAssertEqual(evidence.connections, connections, name)
            XCTAssertEqual(evidence.operators, [])
            if let score { XCTAssertEqual(evidence.reason, "Network: \(Int(score / 0.8))% confidence", name) }
        }
    }

    func testDetectedFromAboveSeventyUntilFifty() {
        let video = Flow(port: 8080, packetsOut: 250), still = Flow(port: 8080, packetsOut: 40, size: 100)
        let control = Flow(port: 5555, packetsOut: 50, size: 100)
        var host = Host()
        host.run([video, control], seconds: 3)
        XCTAssertEqual(host.evidence.score, 76)
        // 20 + 20 + 15 = 55: still detected, and too little to say so.
        host.run([still, control], seconds: 4)
        XCTAssertNil(host.evidence.score)
        // 30 + 20 + 15 + 10 for large slow packets = 75, which is enough; then 10 more after 8 s.
        host.run([still, control], seconds: 4)
        XCTAssertEqual(host.evidence.score ?? 0, 52, "65, as it is still detected")
        var fresh = Host()
        fresh.run([still, control], seconds: 12)
        XCTAssertNil(fresh.evidence.score, "65 from nothing is not detected")
        host.run([], seconds: 2)
        XCTAssertNil(host.evidence.score)
        XCTAssertEqual(host.evidence.connections, 0)
    }

    func testItSleepsWhenNothingFlows() {
        var host = Host()
        XCTAssertNil(host.detector.deadline)
        host.run([Flow(port: 8080, packetsOut: 100)], seconds: 2)
        XCTAssertNotNil(host.detector.deadline)
        XCTAssertTrue(host.detector.hasNews)
        _ = host.evidence
        XCTAssertFalse(host.detector.hasNews)
        XCTAssertEqual(host.detector.megabitsPerSecond, 0.8, accuracy: 0.05)
        host.run([], seconds: 13)
        XCTAssertNil(host.detector.deadline)
        XCTAssertEqual(host.evidence, .none)
    }

    func testAtMost512FlowsAreTracked() {
        var host = Host()
        host.now = .zero + .seconds(1)
        for n in 0..<600 {
            let packet = Packet(
                .tcp, from: SocketAddress(IPAddress(192, 0, 2, 1), UInt16(20_000 + n)), to: SocketAddress(IPAddress(192, 168, 1, 10), 8080),
                isOutgoing: false, payloadOffset: 40, payloadLength: 100)
            host.detector.observe(packet, at: host.now)
        }
        XCTAssertEqual(host.detector.displaced, 88)
    }

    func testSocketsInPlaceOfPackets() {
        var detector = NetworkDetector(webrtc: .init(), zmq: .init()), now = Instant.zero
        func tcp(_ local: String, _ remote: String, out: Int, in received: Int, segments: Int) -> SocketSample {
            SocketSample(
                .tcp, local: SocketAddress(at: local), remote: SocketAddress(at: remote), bytesReceived: UInt64(received),
                bytesSent: UInt64(out),
                segmentsReceived: 0, segmentsSent: UInt64(segments))
        }
        for n in 1..<5 {
            // Readings are not quite even, and nothing is evaluated between them.
            now += .milliseconds(n % 2 == 0 ? 990 : 1010)
            detector.advance(to: now)
            detector.observe(
                sockets: [
                    tcp("192.168.1.10:8080", "192.0.2.1:65000", out: n * 250_000, in: 0, segments: n * 200),
                    tcp("192.168.1.10:5555", "192.0.2.1:65000", out: n * 2500, in: n * 2500, segments: n * 50),
                    // Both ends of one connection, and a download by a client's port among the media ports.
                    tcp("127.0.0.1:9090", "127.0.0.1:65000", out: n * 100, in: 0, segments: n),
                    tcp("127.0.0.1:65000", "127.0.0.1:9090", out: 0, in: n * 100, segments: n),
                    tcp("192.168.1.10:40000", "192.0.2.1:443", out: 0, in: n * 1_000_000, segments: n * 700),
                ], at: now)
            XCTAssertNil(detector.deadline)
        }
        let evidence = detector.evidence(at: now)
        XCTAssertEqual(evidence.score, 80)
        XCTAssertEqual(evidence.connections, 3)
    }
}
