import Usage
import Wire
import XCTest

/// What goes through a TURN server, and what goes by TCP.
final class WebRTCRelayTests: XCTestCase {
    private var relayed: Scene {
        var scene = Scene()
        scene.remote = SocketAddress(at: "192.0.2.9:3478")
        return scene
    }

    func testChannelDataIsLookedInto() {
        for padding in 0..<4 {
            var scene = relayed
            for n in 0..<10 { scene.receive(Bytes.channelData(Bytes.rtp(n)) + [UInt8](repeating: 0, count: padding)) }
            XCTAssertTrue(scene.isActive)
        }
        var data = relayed
        for _ in 0..<3 { data.send(Bytes.channelData(Bytes.dataRecord)) }
        XCTAssertTrue(data.isActive)
        var bound = relayed
        bound.send(Bytes.channelData(Bytes.stun(0x0001, id: 4)))
        bound.receive(Bytes.channelData(Bytes.stun(0x0101, id: 4)))
        for n in 0..<3 { bound.receive(Bytes.channelData(Bytes.rtp(n))) }
        XCTAssertTrue(bound.isActive)
    }

    func testChannelDataWhoseLengthDoesNotFitIsNot() {
        for length in [0, 100, 196, 201, 60_000] {
            var scene = relayed
            for n in 0..<40 { scene.receive(Bytes.channelData(Bytes.rtp(n), length: length)) }
            XCTAssertFalse(scene.isActive, "\(length)")
        }
    }

    func testIndicationsAreLookedInto() {
        var scene = relayed
        let peer: [UInt8] = [0, 0x12, 0, 8, 0, 1, 1, 2, 3, 4, 5, 6]
        for n in 0..<10 {
            scene.receive(Bytes.stun(0x0017, id: UInt64(n), attributes: peer + [0, 0x13, 0, 100] + Bytes.rtp(n, size: 100)))
        }
        XCTAssertTrue(scene.isActive)
    }

    // MARK: TCP

    private func connected(port: UInt16, isOutgoing: Bool = true) -> Scene {
        var scene = Scene()
        (scene.local.port, scene.remote.port) = isOutgoing ? (45_000, port) : (port, 45_000)
        scene.segment([], isOutgoing: isOutgoing, flags: .syn)
        scene.segment([], isOutgoing: !isOutgoing, flags: [.syn, .ack])
        return scene
    }

    func testConnectionsWithTheirServiceOnAPortOfTheConfigurationCount() {
        let cases: [(UInt16, Bool, Bool)] = [
            (3478, true, true), (5349, true, true), (12_000, true, true), (12_000, false, true), (443, true, false), (8080, false, false),
        ]
        for (port, isOutgoing, expected) in cases {
            var scene = connected(port: port, isOutgoing: isOutgoing)
            for n in 0..<10 { scene.segment(Bytes.framed(Bytes.rtp(n)), isOutgoing: !isOutgoing) }
            XCTAssertEqual(scene.isActive, expected, "\(port) \(isOutgoing)")
        }
    }

    func testWhoDidNotSeeTheBeginningAsksWhoListens() {
        var scene = Scene()
        scene.local.port = 12_000
        for n in 0..<20 { scene.segment(Bytes.framed(Bytes.rtp(n)), isOutgoing: false) }
        XCTAssertFalse(scene.isActive, "either port may be a client's")
        scene.detector.listening(on: [12_000])
        for n in 20..<30 { scene.segment(Bytes.framed(Bytes.rtp(n)), isOutgoing: false) }
        XCTAssertTrue(scene.isActive)
        var client = Scene()
        client.detector.listening(on: [8080])
        (client.local.port, client.remote.port) = (8080, 50_000)
        for n in 0..<20 { client.segment(Bytes.framed(Bytes.rtp(n)), isOutgoing: false) }
        XCTAssertFalse(client.isActive)
    }

    func testMessagesMayLieAnywhereInTheSegments() {
        let stream = (0..<60).flatMap { Bytes.framed(Bytes.rtp($0, size: 40)) }
        let cases: [(size: Int, expected: Bool)] = [
            (42, true), (63, true), (84, true), (105, true),
            // A third of a message: its header stands in the first of three segments. Then a header is cut in two each time.
            (14, true), (7, false),
        ]
        for (size, expected) in cases {
            var scene = connected(port: 3478)
            for start in stride(from: 0, to: stream.count, by: size) {
                scene.segment(Array(stream[start..<min(start + size, stream.count)]), isOutgoing: false, after: .milliseconds(1))
            }
            XCTAssertEqual(scene.isActive, expected, "\(size)")
        }
    }

    func testRelayedMessagesOfAConnectionCount() {
        var scene = connected(port: 3478)
        scene.segment(Bytes.stun(0x0001, id: 8), isOutgoing: true)
        scene.segment(Bytes.stun(0x0101, id: 8), isOutgoing: false)
        for n in 0..<3 { scene.segment(Bytes.channelData(Bytes.rtp(n, size: 61)) + [0, 0, 0], isOutgoing: false) }
        XCTAssertTrue(scene.isActive)
    }

    func testASegmentThatComesAgainCountsOnce() {
        var scene = connected(port: 3478)
        scene.segment(Bytes.stun(0x0001, id: 8), isOutgoing: true)
        scene.segment(Bytes.stun(0x0101, id: 8), isOutgoing: false)
        let bytes = Bytes.framed(Bytes.rtp(1))
        for _ in 0..<10 {
            let packet = Packet(
                .tcp, from: scene.remote, to: scene.local, isOutgoing: false, interface: 2, payloadOffset: 52, payloadLength: bytes.count,
                tcpFlags: .ack, tcpSequence: 0xFFFF_FF15)
            scene.detector.observe(packet, payload: bytes.span, at: scene.now)
        }
        XCTAssertFalse(scene.isActive)
    }

    func testANewConnectionOnTheSamePortsEndsTheOld() {
        var scene = connected(port: 3478)
        for n in 0..<10 { scene.segment(Bytes.framed(Bytes.rtp(n)), isOutgoing: false) }
        XCTAssertTrue(scene.isActive)
        scene.segment([], isOutgoing: true, flags: .syn)
        XCTAssertFalse(scene.isActive)
        XCTAssertEqual(scene.changes().map(\.isEstablished), [true, false])
    }
}
