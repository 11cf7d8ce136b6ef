import Foundation
import Usage
import Wire
import XCTest

/// A robot computer, somebody far away, and a detector that is told what passes between them.
struct Scene {
    var detector: WebRTCDetector
    var now = Instant.zero
    var local = SocketAddress(at: "192.168.1.10:40000")
    var remote = SocketAddress(at: "192.0.2.7:50000")
    var interface: Int32 = 2
    private var sequences: [SocketAddress: UInt32] = [:]

    init(ports: MonitorConfiguration.WebRTCPorts = .init(), excluding zmqPorts: Set<UInt16> = []) {
        detector = WebRTCDetector(ports: ports, excluding: zmqPorts)
    }

    static func onLoopback() -> Scene {
        var scene = Scene()
        (scene.local, scene.remote) = (SocketAddress(at: "127.0.0.1:40000"), SocketAddress(at: "127.0.0.1:50000"))
        return scene
    }

    var score: Double? { mutating get { detector.evidence(at: now).score } }
    var isActive: Bool { mutating get { score != nil } }
    var operators: [String] { mutating get { detector.evidence(at: now).operators } }

    mutating func receive(_ payload: [UInt8], after time: Duration = .milliseconds(10)) { pass(payload, isOutgoing: false, after: time) }
    mutating func send(_ payload: [UInt8], after time: Duration = .milliseconds(10)) { pass(payload, isOutgoing: true, after: time) }

    private mutating func pass(_ payload: [UInt8], isOutgoing: Bool, after time: Duration) {
        now += time
        let (source, destination) = isOutgoing ? (local, remote) : (remote, local)
        let packet = Packet(
            .udp, from: source, to: destination, isOutgoing: isOutgoing && !source.ip.isLoopback, interface: interface, payloadOffset: 28,
            payloadLength: payload.count)
        detector.observe(packet, payload: payload.span.extracting(0..<min(payload.count, 132)), at: now)
    }

    /// A TCP segment; `whole` bytes are on the wire, of which the first 108 are captured.
    mutating func segment(_ payload: [UInt8], isOutgoing: Bool, flags: Packet.TCPFlags = .ack, after time: Duration = .milliseconds(10)) {
        now += time
        let (source, destination) = isOutgoing ? (local, remote) : (remote, local)
        let sequence = sequences[source] ?? 0xFFFF_FF00
        sequences[source] = sequence &+ UInt32(payload.count) &+ (flags.contains(.syn) ? 1 : 0)
        let packet = Packet(
            .tcp, from: source, to: destination, isOutgoing: isOutgoing && !source.ip.isLoopback, interface: interface, payloadOffset: 52,
            payloadLength: payload.count, tcpFlags: flags, tcpSequence: sequence)
        detector.observe(packet, payload: payload.span.extracting(0..<min(payload.count, 108)), at: now)
    }

    mutating func wait(_ time: Duration) {
        let end = now + time
        while let due = detector.deadline, due <= end {
            now = max(now, due)
            detector.advance(to: now)
            if detector.deadline == due { XCTFail("a deadline that passes changes nothing at \(now)"); break }
        }
        now = end
    }

    /// A STUN binding of this host, answered.
    mutating func bind(roundTrip: Duration = .milliseconds(20), id: UInt64 = 1) {
        send(Bytes.stun(0x0001, id: id))
        receive(Bytes.stun(0x0101, id: id), after: roundTrip)
    }

    mutating func changes() -> [ConnectionChange] {
        var changes: [ConnectionChange] = []
        while let change = detector.nextChange() { changes.append(change) }
        return changes
    }

    mutating func questions() -> [FlowKey] {
        var questions: [FlowKey] = []
        while let question = detector.nextQuestion() { questions.append(question) }
        return questions
    }
}

/// Packets that were captured from real sessions.
struct Capture {
    struct Record {
        var at: Instant
        var wireLength: Int
        var bytes: [UInt8]
    }

    let records: [Record]

    init(named name: String) throws {
        let file = Bundle.module.bundleURL.appendingPathComponent("Resources/\(name)")
        let bytes = [UInt8](try Data(contentsOf: file))
        var reader = ByteReader(bytes.span), records: [Record] = []
        while let at = reader.u32(), let length = reader.u16(), let captured = reader.u16(), let packet = reader.array(Int(captured)) {
            records.append(Record(at: .zero + .microseconds(Int(at)), wireLength: Int(length), bytes: packet))
        }
        self.records = records
    }
}
