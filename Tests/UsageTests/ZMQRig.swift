import Usage
import Wire
import XCTest

/// A detector with publishers and other people's connections around it, in virtual time.
struct ZMQRig {
    var detector: ZMQDetector
    var now = Instant.zero
    var isOpen: Set<ZMQDetector.FlowName> = []
    var actions: [ZMQDetector.Action] = []
    var news = 0

    init(captures: Bool = true, ports: MonitorConfiguration.ZMQPorts = .init()) {
        detector = ZMQDetector(ports: ports, captures: captures)
    }

    static func at(_ milliseconds: Double) -> Instant { Instant(nanoseconds: Int64((milliseconds * 1e6).rounded())) }

    /// Goes to a time, by way of every deadline before it; connections are refused unless their publisher is open.
    mutating func go(to milliseconds: Double) {
        let end = Self.at(milliseconds)
        while let deadline = detector.deadline, deadline <= end {
            now = max(now, deadline)
            detector.advance(to: now)
            settle()
            if detector.hasNews {
                news += 1
                _ = detector.evidence(at: now)
            }
        }
        now = end
        detector.advance(to: now)
        settle()
    }

    mutating func settle() {
        while let action = detector.nextAction() {
            actions.append(action)
            guard case .connect(let flow, _) = action else { continue }
            if isOpen.contains(flow) { accept(flow) } else { detector.disconnected(flow, at: now) }
        }
    }

    mutating func accept(_ flow: ZMQDetector.FlowName) {
        detector.connected(flow, at: now)
        receive(flow, ZMTPRecordings.greeting + ZMTPRecordings.ready("PUB"))
    }

    mutating func receive(_ flow: ZMQDetector.FlowName, _ bytes: [UInt8]) { detector.received(flow, bytes.span, at: now) }

    mutating func publish(_ flow: ZMQDetector.FlowName, _ text: String = #"{"cmd":"move"}"#) {
        receive(flow, ZMTPRecordings.frame(text))
        if detector.hasNews { news += 1 }
    }

    var evidence: Evidence { mutating get { detector.evidence(at: now) } }

    mutating func changes() -> [ConnectionChange] {
        var changes: [ConnectionChange] = []
        while let change = detector.nextChange() { changes.append(change) }
        return changes
    }
}

/// Somebody else's TCP connection, of which a packet socket captures the begin of each segment.
struct TCPTap {
    let service: SocketAddress
    let client: SocketAddress
    var isServiceLocal = true
    var snap = 100
    private(set) var next: (service: UInt32, client: UInt32) = (0xFFFF_FF00, 1000)

    init(_ service: SocketAddress = .init(IPAddress(127, 0, 0, 1), 5555), _ client: SocketAddress = .init(IPAddress(127, 0, 0, 1), 40_000))
    {
        (self.service, self.client) = (service, client)
    }

    enum Side { case service, client }

    mutating func open(_ rig: inout ZMQRig, service type: String, client other: String) {
        packet(.client, flags: .syn, [], &rig)
        next.client &+= 1
        packet(.service, flags: [.syn, .ack], [], &rig)
        next.service &+= 1
        send(.client, Array(ZMTPRecordings.greeting.prefix(10)), &rig)
        send(.service, Array(ZMTPRecordings.greeting.prefix(10)), &rig)
        send(.service, ZMTPRecordings.greeting.dropFirst(10) + ZMTPRecordings.ready(type), &rig)
        send(.client, Array(ZMTPRecordings.greeting.dropFirst(10)), &rig)
        send(.client, ZMTPRecordings.ready(other), &rig)
    }

    mutating func send(_ side: Side, _ bytes: [UInt8], isLost: Bool = false, segment: Int = 1448, _ rig: inout ZMQRig) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = Array(rest.prefix(segment))
            rest = rest.dropFirst(segment)
            if !isLost { packet(side, flags: .ack, part, &rig) }
            if side == .service { next.service &+= UInt32(part.count) } else { next.client &+= UInt32(part.count) }
        }
    }

    /// The last `back` bytes once more.
    mutating func repeatLast(_ side: Side, _ bytes: [UInt8], _ rig: inout ZMQRig) {
        let before = next
        if side == .service { next.service &-= UInt32(bytes.count) } else { next.client &-= UInt32(bytes.count) }
        packet(side, flags: .ack, bytes, &rig)
        next = before
    }

    func packet(_ side: Side, flags: Packet.TCPFlags, _ payload: [UInt8], _ rig: inout ZMQRig) {
        let (from, to) = side == .service ? (service, client) : (client, service)
        let packet = Packet(
            .tcp, from: from, to: to, isOutgoing: !from.ip.isLoopback && (side == .service) == isServiceLocal, payloadOffset: 52,
            payloadLength: payload.count, tcpFlags: flags, tcpSequence: side == .service ? next.service : next.client)
        rig.detector.observe(packet, payload: Array(payload.prefix(snap)).span, at: rig.now)
        if rig.detector.hasNews { rig.news += 1 }
    }
}
