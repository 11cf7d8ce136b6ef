import Usage
import Wire
import XCTest

/// Spec section 8.2, connections of others, and section 18, the kernel's tables instead of capture.
final class ZMQPassiveTests: XCTestCase {
    private func rig(captures: Bool = true) -> ZMQRig {
        var rig = ZMQRig(captures: captures)
        rig.go(to: 0)
        return rig
    }

    private func remote(_ port: UInt16) -> SocketAddress { SocketAddress(IPAddress(192, 0, 2, 9), port) }
    private let home = SocketAddress(IPAddress(192, 0, 2, 1), 5555)
    private let move = ZMTPRecordings.frame(#"{"cmd":"move","operator":"dora","x":0.1,"padding":"\#(String(repeating: "p", count: 100))"}"#)

    func testAPusherIsCountedByItsFrames() {
        var rig = rig(), tap = TCPTap(home, remote(40_000))
        tap.open(&rig, service: "PULL", client: "PUSH")
        XCTAssertEqual(rig.evidence, .none, "greetings are no messages")
        for message in 0..<3 {
            rig.go(to: 1000 + Double(message) * 20)
            tap.send(.client, move, &rig)
        }
        XCTAssertTrue(rig.detector.hasNews)
        XCTAssertEqual(rig.evidence, Evidence(score: 85, reason: "ZMQ: 50.0 Hz", operators: ["dora"], connections: 1))
        XCTAssertEqual(
            rig.changes(),
            [.init(kind: .zmq, isEstablished: true, local: "192.0.2.1:5555", remote: "192.0.2.9:40000", operatorName: "dora")])
        rig.go(to: 2039)
        XCTAssertEqual(rig.evidence.connections, 1)
        rig.go(to: 2041)
        XCTAssertEqual(rig.evidence, .none)
    }

    /// Two messages in a segment, a message in three, a message of two parts: what counts are messages.
    func testFramingDoesNotDependOnSegments() {
        let small = ZMTPRecordings.frame("twist")
        let table: [(String, [UInt8], segment: Int, messages: Int)] = [
            ("two in one", small + small, 1448, 2), ("one in ten", ZMTPRecordings.frame(String(repeating: "m", count: 500)), 50, 1),
            ("cut in the head", small + small, 8, 2), ("parts", [1, 2, 65, 66, 0, 1, 67], 1448, 1),
            ("long", ZMTPRecordings.frame(String(repeating: "m", count: 30_000)), 1448, 1),
            ("commands are none", ZMTPRecordings.ping + small, 1448, 1), ("empty", [0, 0], 1448, 1),
        ]
        for (name, bytes, segment, messages) in table {
            var rig = rig(), tap = TCPTap(home, remote(40_000))
            tap.open(&rig, service: "PULL", client: "PUSH")
            for time in 0..<50 {
                rig.go(to: 1000 + Double(time) * 40)
                tap.send(.client, bytes, segment: segment, &rig)
            }
            XCTAssertEqual(rig.detector.figures(at: rig.now).commandRateHz, 25 * Double(messages), accuracy: 0.5, name)
        }
    }

    func testWithoutTheStartSegmentsCount() {
        var rig = rig(), tap = TCPTap(home, remote(40_000))
        for message in 0..<20 {
            rig.go(to: 1000 + Double(message) * 20)
            tap.send(.client, move, &rig)
            tap.repeatLast(.client, move, &rig)
            tap.packet(.service, flags: .ack, [], &rig)
        }
        XCTAssertEqual(
            rig.evidence, Evidence(score: 85, reason: "ZMQ: 50.0 Hz", operators: ["dora"], connections: 1), "repeats are not new")
    }

    func testAGapInABodyIsPassedOverAndAnotherOneFallsBackToSegments() {
        var rig = rig(), tap = TCPTap(home, remote(40_000))
        tap.open(&rig, service: "PULL", client: "PUSH")
        let long = ZMTPRecordings.frame(String(repeating: "m", count: 4000))
        for message in 0..<40 {
            rig.go(to: 1000 + Double(message) * 50)
            tap.send(.client, Array(long[..<1000]), &rig)
            tap.send(.client, Array(long[1000..<2000]), isLost: true, &rig)
            tap.send(.client, Array(long[2000...]), &rig)
        }
        XCTAssertEqual(rig.detector.figures(at: rig.now).commandRateHz, 20, accuracy: 0.5, "inside a body")
        tap.send(.client, long, isLost: true, &rig)
        for message in 40..<100 {
            rig.go(to: 1000 + Double(message) * 50)
            tap.send(.client, move, &rig)
        }
        XCTAssertEqual(rig.detector.figures(at: rig.now).commandRateHz, 20, accuracy: 0.5, "after it")
    }

    func testRequestsCountAndRepliesDoNot() {
        for (service, client, starts) in [("REP", "REQ", true), ("ROUTER", "DEALER", true), ("REP", "REQ", false)] {
            var rig = rig(), tap = TCPTap(home, remote(40_000))
            if starts { tap.open(&rig, service: service, client: client) }
            for message in 0..<100 {
                rig.go(to: 1000 + Double(message) * 20)
                tap.send(.client, move, &rig)
                tap.send(.service, ZMTPRecordings.frame("ok"), &rig)
            }
            XCTAssertEqual(rig.evidence, Evidence(score: 85, reason: "ZMQ: 50.0 Hz", operators: ["dora"], connections: 1), "\(service)")
        }
    }

    /// The subscription and three other subscribers hear the same publisher; it is one flow with one rate.
    func testTheSamePublisherIsCountedOnce() {
        var rig = ZMQRig()
        rig.isOpen = [.controlCommands]
        rig.go(to: 0)
        var taps = (0..<3).map { TCPTap(.init(IPAddress(127, 0, 0, 1), 5555), .init(IPAddress(127, 0, 0, 1), 40_000 + UInt16($0))) }
        taps.append(TCPTap(home, remote(40_000)))
        for index in taps.indices where index != 1 { taps[index].open(&rig, service: "PUB", client: "SUB") }
        for message in 0..<100 {
            rig.go(to: 1000 + Double(message) * 20)
            rig.publish(.controlCommands, #"{"cmd":"move"}"#)
            for index in taps.indices { taps[index].send(.service, ZMTPRecordings.frame(#"{"cmd":"move"}"#), &rig) }
        }
        XCTAssertEqual(rig.evidence, Evidence(score: 85, reason: "ZMQ: 50.0 Hz", operators: ["unknown"], connections: 1))
        XCTAssertEqual(rig.detector.figures(at: rig.now).megabitsPerSecond, 50 * 17 * 8 / 1e6, accuracy: 0.002)
    }

    func testTwoPushersAreTwoFlowsAndTheirRatesAdd() {
        var rig = rig(), taps = [TCPTap(home, remote(1)), TCPTap(home, remote(2))]
        for message in 0..<100 {
            rig.go(to: 1000 + Double(message) * 100)
            for index in taps.indices { taps[index].send(.client, ZMTPRecordings.frame(#"{"operator":"op\#(index)"}"#), &rig) }
        }
        XCTAssertEqual(rig.evidence, Evidence(score: 85, reason: "ZMQ: 20.0 Hz", operators: ["op0", "op1"], connections: 2))
    }

    func testVideoIsMeasuredFromOutside() {
        var rig = rig(), tap = TCPTap(.init(IPAddress(192, 0, 2, 1), 5557), remote(40_000))
        tap.open(&rig, service: "PUB", client: "SUB")
        for frame in 0..<60 {
            rig.go(to: 1000 + Double(frame) * 1000 / 30)
            tap.send(.service, ZMTPRecordings.frame(String(repeating: "v", count: 20_833)), &rig)
        }
        XCTAssertEqual(rig.detector.figures(at: rig.now).megabitsPerSecond, 5, accuracy: 0.25)
        XCTAssertEqual(rig.evidence.connections, 1)
        XCTAssertNil(rig.evidence.score)
    }

    func testAConnectionThatIsClosedIsForgotten() {
        var rig = rig(), tap = TCPTap(home, remote(40_000))
        tap.open(&rig, service: "PULL", client: "PUSH")
        for message in 0..<10 {
            rig.go(to: 1000 + Double(message) * 20)
            tap.send(.client, move, &rig)
        }
        tap.packet(.client, flags: [.fin, .ack], [], &rig)
        XCTAssertEqual(rig.detector.figures(at: rig.now).commandRateHz, 0)
        rig.go(to: 3000)
        XCTAssertEqual(rig.evidence, .none)
    }

    func testAtMost512ConnectionsTheOldestIdleOneGivesWay() {
        var rig = rig(), tap = TCPTap(home, remote(1))
        for message in 0..<2000 {
            rig.go(to: Double(message) * 10)
            var other = TCPTap(home, remote(1000 + UInt16(message)))
            other.send(.client, move, &rig)
            tap.send(.client, move, &rig)
        }
        XCTAssertEqual(rig.detector.displaced, 2001 - ZMQDetector.connectionLimit)
        XCTAssertEqual(rig.evidence.connections, 101, "those of the last second and the lasting one")
    }

    /// Random packets, of which many make no sense; seed 5.
    func testAnyPackets() {
        var rig = rig(), random = SeededRandom(seed: 5)
        for _ in 0..<50_000 {
            rig.now = rig.now + .microseconds(Int(random.next() % 3000))
            let payload = (0..<Int(random.next() % 40)).map { _ in
                UInt8(truncatingIfNeeded: random.next() % 6 == 0 ? 255 : random.next() % 5)
            }
            let ports = (UInt16(5553 + random.next() % 8), UInt16(5553 + random.next() % 8))
            let packet = Packet(
                random.next() % 10 == 0 ? .udp : .tcp, from: .init(IPAddress(10, 0, 0, UInt8(random.next() % 3)), ports.0),
                to: .init(IPAddress(10, 0, 0, UInt8(random.next() % 3)), ports.1), isOutgoing: random.next() % 2 == 0, payloadOffset: 0,
                payloadLength: payload.count + Int(random.next() % 50),
                tcpFlags: .init(rawValue: UInt8(truncatingIfNeeded: random.next() % 20)),
                tcpSequence: UInt32(truncatingIfNeeded: random.next() % 3 == 0 ? random.next() : random.next() % 300))
            rig.detector.observe(packet, payload: payload.span, at: rig.now)
            rig.detector.advance(to: rig.now)
            if random.next() % 16 == 0 { _ = rig.evidence }
            _ = rig.detector.figures(at: rig.now)
        }
    }

    func testWithoutCaptureTheKernelsCountersTell() {
        var rig = rig(captures: false)
        let client = SocketAddress(IPAddress(127, 0, 0, 1), 40_000), service = SocketAddress(IPAddress(127, 0, 0, 1), 5555)
        func look(_ second: Int, moved: UInt64) {
            rig.go(to: Double(second) * 1000)
            rig.detector.observe(
                sockets: [
                    SocketSample(.tcp, local: service, remote: nil, isListening: true),
                    SocketSample(
                        .tcp, local: service, remote: client, bytesReceived: moved * 125_000, segmentsReceived: moved * 30,
                        roundTrip: .milliseconds(2)),
                    SocketSample(.tcp, local: client, remote: service, bytesSent: moved * 125_000, segmentsSent: moved * 30),
                ], at: rig.now)
        }
        look(1, moved: 7)
        XCTAssertEqual(rig.evidence, .none, "what was before is not known")
        for second in 2..<6 {
            look(second, moved: UInt64(second + 6))
            XCTAssertEqual(rig.evidence, Evidence(score: 85, reason: "ZMQ: 30.0 Hz", operators: ["unknown"], connections: 1))
            let figures = rig.detector.figures(at: rig.now)
            XCTAssertEqual(figures.megabitsPerSecond, 1, accuracy: 1e-6)
            XCTAssertEqual(figures.roundTripMs, 2)
        }
        XCTAssertEqual(rig.news, 0, "each look says the same")
        look(6, moved: 11)
        XCTAssertNil(rig.evidence.score)
        look(8, moved: 11)
        XCTAssertEqual(rig.evidence, .none)
    }

    func testWhileCapturingTheTablesOnlyGiveRoundTrips() {
        var rig = rig(), tap = TCPTap(home, remote(40_000))
        for message in 0..<5 {
            rig.go(to: 1000 + Double(message) * 20)
            tap.send(.client, move, &rig)
        }
        rig.detector.observe(
            sockets: [
                SocketSample(.tcp, local: home, remote: remote(40_000), roundTrip: .milliseconds(7)),
                SocketSample(.tcp, local: home, remote: remote(40_001), bytesReceived: 99, roundTrip: .milliseconds(9)),
            ], at: rig.now)
        XCTAssertEqual(rig.detector.figures(at: rig.now).roundTripMs, 7)
        XCTAssertEqual(rig.evidence.connections, 1)
    }
}
