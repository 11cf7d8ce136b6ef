import Wire

/// Somebody else's TCP connection on a ZeroMQ port, as it is seen from outside (section 8.2, passive).
struct ZMQConnection: Sendable {
    enum Side: Int, Sendable { case service = 0, client = 1 }

    struct Key: Hashable, Sendable {
        /// The end with the ZeroMQ port.
        var service: SocketAddress
        var client: SocketAddress
    }

    let key: Key
    let flow: ZMQDetector.FlowName
    /// The service's end is this host's.
    let isServiceLocal: Bool
    var lastSeen: Instant
    /// Of TCP, as the kernel smooths it.
    var roundTrip: Duration?
    /// When the kernel's counters were read last.
    var sampledAt: Instant?
    private var fromService = ZMQDirection()
    private var fromClient = ZMQDirection()

    init(key: Key, flow: ZMQDetector.FlowName, isServiceLocal: Bool, at now: Instant) {
        (self.key, self.flow, self.isServiceLocal, lastSeen) = (key, flow, isServiceLocal, now)
    }

    subscript(side: Side) -> ZMQDirection {
        get { side == .service ? fromService : fromClient }
        _modify {
            if side == .service { yield &fromService } else { yield &fromClient }
        }
    }

    /// A publisher's end: the service for all that it sends, or the client for what this connection carries.
    func publisher(_ side: Side) -> SocketAddress { side == .service ? key.service : key.client }

    /// What this side sends is what the flow is for: on control flows commands and requests, which come from whoever connects, unless
    /// the types of the sockets say otherwise; on the others what answers them. So each exchange counts once.
    func counts(_ side: Side, at now: Instant) -> Bool {
        let preferred = flow.isControl ? Side.client : .service
        switch self[side].socketType {
        case "PUB", "XPUB", "PUSH": return true
        case "SUB", "XSUB", "PULL": return false
        case "REQ": return flow.isControl
        case "REP": return !flow.isControl
        default:
            guard side != preferred else { return true }
            return self[preferred].isIdle(at: now)
        }
    }
}

/// One direction of such a connection.
struct ZMQDirection: Sendable {
    private enum Mode: Sendable {
        /// Nothing was seen yet.
        case unseen
        case framed(ZMTPFollower)
        /// Each segment with data counts as a message.
        case segments
    }

    struct Progress: Sendable, Equatable {
        var messages: Int
        var bytes: Int
        /// What was captured holds the begin of a message.
        var hasBegin: Bool
    }

    /// TCP repeats no bytes farther back than this: what begins there is another connection between the same ends.
    private static let repeatLimit = 4 << 20

    private var mode = Mode.unseen
    /// Of the byte after the last one seen.
    private var nextSequence: UInt32?
    private var began: UInt32?
    private(set) var socketType: String?
    private var events = RecentEvents(span: ZMQFlow.activity)
    /// From the kernel's counters; valid for a while after they were read.
    private var sampled: (rate: Double, bytesPerSecond: Double, until: Instant)?
    private var counters: (bytes: UInt64, segments: UInt64)?

    /// The connection begins: the next byte is the first of a greeting. Said again by a repeated SYN.
    mutating func begin(at sequence: UInt32) {
        guard began != sequence else { return }
        began = sequence
        mode = .framed(ZMTPFollower())
        nextSequence = sequence
    }

    /// Nothing was sent in the last second.
    func isIdle(at now: Instant) -> Bool { events.count(at: now) == 0 && !(sampled.map { $0.until > now } ?? false) }

    /// A segment with data; nil: nothing new in it.
    mutating func take(_ captured: Span<UInt8>, length: Int, sequence: UInt32) -> Progress? {
        if nextSequence == nil {
            mode = ZMTPGreeting.isSignature(captured) ? .framed(ZMTPFollower()) : .segments
            nextSequence = sequence
        }
        guard let next = nextSequence else { return nil }
        var gap = Int(Int32(bitPattern: sequence &- next))
        if gap < -Self.repeatLimit { (mode, gap) = (.segments, 0) }
        let known = max(-gap, 0)
        guard known < length else { return nil }
        nextSequence = sequence &+ UInt32(truncatingIfNeeded: length)
        let fresh = captured.extracting(min(known, captured.count)..<captured.count)
        guard case .framed(var follower) = mode else { return Progress(messages: 1, bytes: length - known, hasBegin: true) }
        mode = .segments
        guard follower.skip(max(gap, 0)), let progress = follower.take(fresh, length: length - known) else {
            return Progress(messages: 1, bytes: length - known, hasBegin: true)
        }
        socketType = follower.socketType ?? socketType
        mode = .framed(follower)
        return Progress(messages: progress.ended, bytes: length - known, hasBegin: progress.hasBegin)
    }

    mutating func count(_ messages: Int, bytes: Int, at now: Instant) { events.add(messages, bytes: bytes, at: now) }

    /// The kernel's counters since the connection began. False: nothing moved since they were told last, or that is not known yet.
    mutating func sample(bytes: UInt64, segments: UInt64, after time: Duration?, until: Instant) -> Bool {
        defer { counters = (bytes, segments) }
        sampled = nil
        guard let counters, let time, time > .zero, bytes > counters.bytes, segments >= counters.segments else { return false }
        let moved = Double(segments - counters.segments)
        sampled = (moved < 3 ? 0 : moved / time.seconds, Double(bytes - counters.bytes) / time.seconds, until)
        return true
    }

    /// Messages a second.
    func rate(at now: Instant) -> Double {
        guard let sampled, sampled.until > now else { return events.rate(at: now) }
        return max(events.rate(at: now), sampled.rate)
    }

    func bytesPerSecond(at now: Instant) -> Double {
        guard let sampled, sampled.until > now else { return events.bytesPerSecond(at: now) }
        return max(events.bytesPerSecond(at: now), sampled.bytesPerSecond)
    }
}
