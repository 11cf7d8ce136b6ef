import Usage
import Wire
import XCTest

/// Without capture (section 18 and the end of 8.1).
final class SocketWatchTests: XCTestCase {
    private struct Host {
        var detector = WebRTCDetector(ports: .init(), excluding: [5555])
        var now = Instant.zero
        var received: UInt64 = 0, sent: UInt64 = 0

        mutating func second(_ sockets: [SocketSample], received: UInt64 = 0, sent: UInt64 = 0) {
            // The deadline may pass between two readings.
            let next = now + .seconds(1)
            while let due = detector.deadline, due <= next { detector.advance(to: due) }
            now = next
            (self.received, self.sent) = (self.received + received, self.sent + sent)
            detector.observe(sockets: sockets, datagramsReceived: self.received, datagramsSent: self.sent, at: now)
        }

        var connections: Int { mutating get { detector.evidence(at: now).connections } }
    }

    private func tcp(_ local: String, _ remote: String, bytes: Int = 0, owner: FlowOwner? = nil) -> SocketSample {
        SocketSample(
            .tcp, local: SocketAddress(at: local), remote: SocketAddress(at: remote), owner: owner, bytesReceived: UInt64(bytes),
            roundTrip: .milliseconds(12))
    }

    private func listener(_ local: String) -> SocketSample {
        SocketSample(.tcp, local: SocketAddress(at: local), remote: nil, isListening: true)
    }

    func testATCPConnectionWithItsServiceOnAPortOfTheConfigurationIsActiveAfterFiveSeconds() {
        let cases: [(String, String, String, Bool)] = [
            ("to a relay", "192.168.1.10:45000", "192.0.2.7:3478", true),
            ("to a media port", "192.168.1.10:45000", "192.0.2.7:12000", true),
            ("from somebody", "192.168.1.10:12000", "192.0.2.7:45000", true), ("a page", "192.168.1.10:45000", "192.0.2.7:443", false),
            ("its client", "192.168.1.10:8080", "192.0.2.7:45000", false), ("ZeroMQ", "192.168.1.10:5555", "192.0.2.7:45000", false),
            ("a server without its listener", "192.168.1.10:5000", "192.0.2.7:45000", false),
        ]
        for (name, local, remote, expected) in cases {
            var host = Host()
            let listeners = [listener("0.0.0.0:12000"), listener("0.0.0.0:8080"), listener("0.0.0.0:5555")]
            for n in 0..<5 { host.second(listeners + [tcp(local, remote, bytes: n * 1000)]) }
            XCTAssertEqual(host.connections, 0, "\(name) is too young")
            host.second(listeners + [tcp(local, remote, bytes: 9000)])
            XCTAssertEqual(host.connections, expected ? 1 : 0, name)
            XCTAssertEqual(host.detector.evidence(at: host.now).operators, expected ? ["operator_192.0.2.7"] : [], name)
        }
    }

    func testItIsOverWithinTwoPointTwoSecondsOfTheLastByte() {
        var host = Host()
        let sample = { (bytes: Int) in [self.tcp("192.168.1.10:45000", "192.0.2.7:3478", bytes: bytes)] }
        for n in 0..<8 { host.second(sample(n * 1000)) }
        XCTAssertEqual(host.connections, 1)
        XCTAssertEqual(host.detector.figures(at: host.now).roundTripMs, 12)
        XCTAssertEqual(host.detector.figures(at: host.now).megabitsPerSecond, 0.008, accuracy: 1e-6)
        XCTAssertNil(host.detector.figures(at: host.now).lossPct)
        let last = host.now
        host.second(sample(7000))
        XCTAssertEqual(host.connections, 1)
        XCTAssertEqual(host.detector.deadline, last + .milliseconds(1200))
        host.detector.advance(to: last + .milliseconds(1200))
        XCTAssertTrue(host.detector.hasNews)
        XCTAssertEqual(host.detector.evidence(at: last + .milliseconds(1200)), .none)
        host.second(sample(8000))
        XCTAssertEqual(host.connections, 1)
        host.second([])
        XCTAssertEqual(host.connections, 0, "closed")
    }

    func testBothEndsOnThisHostAreOneConnectionNamedAfterTheFarOne() {
        var host = Host()
        let service = FlowOwner(pid: 1, process: "robot", operatorID: "robot"), client = FlowOwner(pid: 2, process: "python3", user: "bob")
        for n in 0..<8 {
            host.second([
                listener("127.0.0.1:12000"), tcp("127.0.0.1:12000", "127.0.0.1:45000", bytes: n * 10, owner: service),
                tcp("127.0.0.1:45000", "127.0.0.1:12000", bytes: n * 20, owner: client),
            ])
        }
        let evidence = host.detector.evidence(at: host.now)
        XCTAssertEqual(evidence.connections, 1)
        XCTAssertEqual(evidence.operators, ["bob"])
        XCTAssertEqual(host.detector.nextChange()?.local, "127.0.0.1:12000")
    }

    func testUDPIsActiveWhileASocketAndTheHostsDatagramsSaySo() {
        func udp(_ local: String, _ remote: String? = nil, owner: FlowOwner?) -> SocketSample {
            SocketSample(.udp, local: SocketAddress(at: local), remote: remote.map { SocketAddress(at: $0) }, owner: owner)
        }
        let python = FlowOwner(pid: 5, process: "python3")
        let cases: [(String, [SocketSample], UInt64, UInt64, Int)] = [
            ("received", [udp("0.0.0.0:40000", owner: python)], 20, 0, 1), ("sent", [udp("0.0.0.0:40000", owner: python)], 0, 20, 1),
            ("too few", [udp("0.0.0.0:40000", owner: python)], 19, 19, 0), ("another port", [udp("0.0.0.0:5353", owner: python)], 90, 0, 0),
            ("connected", [udp("10.0.0.1:700", "192.0.2.7:40000", owner: python)], 90, 0, 1), ("no socket", [], 90, 0, 0),
            ("a resolver", [udp("0.0.0.0:40000", owner: FlowOwner(pid: 1, process: "systemd-resolve"))], 90, 0, 0),
            ("an unknown owner", [udp("0.0.0.0:40000", owner: nil)], 90, 0, 1),
            ("one process", [udp("0.0.0.0:40000", owner: python), udp("0.0.0.0:40001", owner: python)], 90, 0, 1),
            ("ZeroMQ", [udp("0.0.0.0:5555", "192.0.2.7:40000", owner: python)], 90, 0, 0),
        ]
        for (name, sockets, received, sent, expected) in cases {
            var host = Host()
            host.second(sockets, received: 1000, sent: 1000)
            XCTAssertEqual(host.connections, 0, "\(name): what came before is unknown")
            host.second(sockets, received: received, sent: sent)
            XCTAssertEqual(host.connections, expected, name)
            host.second(sockets)
            XCTAssertEqual(host.connections, 0, "\(name): over")
        }
        var named = Host()
        let owner = FlowOwner(pid: 5, process: "python3", operatorID: "ada")
        for _ in 0..<2 { named.second([udp("0.0.0.0:40000", owner: owner), udp("0.0.0.0:40001", owner: nil)], received: 30) }
        XCTAssertEqual(named.detector.evidence(at: named.now).operators, ["ada", "unknown"])
        XCTAssertEqual(named.detector.evidence(at: named.now).score, 90)
    }
}
