import Wire

/// The subscribing side of a ZMTP 3.0 connection with NULL security (section 9): told the peer's bytes, cut anywhere, it answers with what to
/// send and with messages.
///
///     send(subscriber.start())
///     while let event = subscriber.next(bytes, &offset) { … }
///
/// At most a command of 16 KiB and a message's first 4 KiB are kept; nothing that a peer sends makes it grow or trap.
public struct ZMTPSubscriber: Sendable {
    public enum Event: Equatable, Sendable {
        /// Bytes for the peer.
        case send([UInt8])
        /// A whole message has passed; what is looked at of it is in `message` until the next call.
        case message
        /// The peer publishes nothing for a subscriber of this kind: the connection is to be closed, the port watched from outside.
        case passiveOnly(PassiveReason)
        /// The peer broke the protocol: the connection is to be closed. The text is for people.
        case failed(String)
        /// Something worth a line in the log; the connection goes on.
        case log(String)
    }

    public enum PassiveReason: Equatable, Sendable {
        /// The major version of its protocol; 0: from before versions, or no ZMTP at all.
        case version(UInt8)
        case mechanism(String)
        /// Neither `PUB` nor `XPUB`.
        case socketType(String)
    }

    private enum State: Equatable {
        case greeting
        case head
        case body(ZMTPFrame, left: Int)
        /// An event that ends the connection was given out; what follows is for nobody.
        case over
    }

    private var state = State.greeting
    private var isReady = false
    /// A greeting or a frame's head, as far as it is here.
    private var head: [UInt8] = []
    private var command: [UInt8] = []
    private var isMessageOver = false
    /// What is looked at of the message that `next` told of last.
    public private(set) var message = ZMQMessage()

    /// Bytes kept of a command; a longer READY is refused, other commands are skipped from there.
    private static let commandLimit = 16 << 10

    public init() {}

    /// The peer said what it is, and is a publisher.
    public var isSubscribed: Bool { isReady && state != .over }

    /// Begins a new connection: what to send first.
    public mutating func start() -> [UInt8] {
        (state, isReady, isMessageOver) = (.greeting, false, false)
        head.removeAll(keepingCapacity: true)
        command.removeAll()
        message.clear()
        return ZMTPGreeting.own
    }

    /// The next event in `bytes` from `offset` on; nil: all are taken.
    public mutating func next(_ bytes: Span<UInt8>, _ offset: inout Int) -> Event? {
        if isMessageOver {
            message.clear()
            isMessageOver = false
        }
        do throws(ZMTPError) {
            while true {
                switch state {
                case .over:
                    offset = bytes.count
                    return nil
                case .greeting:
                    guard offset < bytes.count else { return nil }
                    if let event = takeGreeting(bytes, &offset) { return event }
                case .head:
                    guard let frame = try takeHead(bytes, &offset) else { return nil }
                    state = .body(frame, left: frame.length)
                case .body(let frame, let left):
                    let event = try takeBody(frame, left, bytes, &offset)
                    if let event { return event }
                    if case .body = state { return nil }
                }
            }
        } catch {
            return end(.failed(error.reason))
        }
    }

    private mutating func end(_ event: Event) -> Event {
        state = .over
        return event
    }

    // MARK: greeting and heads

    private mutating func takeGreeting(_ bytes: Span<UInt8>, _ offset: inout Int) -> Event? {
        let count = min(ZMTPGreeting.size - head.count, bytes.count - offset)
        head.append(span: bytes.extracting(offset..<(offset + count)))
        offset += count
        if let reason = ZMTPGreeting.objection(head.span) { return end(.passiveOnly(reason)) }
        guard head.count == ZMTPGreeting.size else { return nil }
        head.removeAll(keepingCapacity: true)
        state = .head
        return .send(ZMTPCommand.ready)
    }

    private mutating func takeHead(_ bytes: Span<UInt8>, _ offset: inout Int) throws(ZMTPError) -> ZMTPFrame? {
        if head.isEmpty, let frame = try ZMTPFrame.parse(bytes.extracting(offset..<bytes.count)) {
            offset += frame.size
            return try accept(frame)
        }
        while offset < bytes.count {
            head.append(bytes[offset])
            offset += 1
            if let frame = try ZMTPFrame.parse(head.span) {
                head.removeAll(keepingCapacity: true)
                return try accept(frame)
            }
        }
        return nil
    }

    private func accept(_ frame: ZMTPFrame) throws(ZMTPError) -> ZMTPFrame {
        guard isReady || frame.isCommand else { throw ZMTPError("expected a READY first, got a message") }
        return frame
    }

    // MARK: bodies

    private mutating func takeBody(
        _ frame: ZMTPFrame, _ left: Int, _ bytes: Span<UInt8>, _ offset: inout Int
    ) throws(ZMTPError) -> Event? {
        let count = min(left, bytes.count - offset)
        let piece = bytes.extracting(offset..<(offset + count))
        offset += count
        state = left == count ? .head : .body(frame, left: left - count)
        if frame.isCommand {
            command.append(span: piece.extracting(0..<min(count, Self.commandLimit - command.count)))
            guard left == count else { return nil }
            var body: [UInt8] = []
            swap(&body, &command)
            return try takeCommand(body.span, isWhole: frame.length <= Self.commandLimit)
        }
        message.append(piece)
        guard left == count else { return nil }
        message.endPart()
        guard !frame.hasMore else { return nil }
        isMessageOver = true
        return .message
    }

    private mutating func takeCommand(_ body: Span<UInt8>, isWhole: Bool) throws(ZMTPError) -> Event? {
        guard let (name, data) = ZMTPCommand.parse(body) else { throw ZMTPError("expected a command's name, got none") }
        let rest = body.extracting(data..<body.count)
        switch name {
        case "READY" where !isReady:
            guard isWhole else { throw ZMTPError("expected a READY of at most \(Self.commandLimit) bytes, got a longer one") }
            let type = try ZMTPCommand.socketType(rest) ?? ""
            guard type == "PUB" || type == "XPUB" else { return end(.passiveOnly(.socketType(type))) }
            isReady = true
            return .send(ZMTPCommand.subscription)
        case "ERROR":
            let reason = ZMTPCommand.printable(String(decoding: rest.extracting(min(1, rest.count)..<rest.count).array, as: UTF8.self))
            guard isReady else { throw ZMTPError("the peer refused us: \(reason)") }
            return .log("the publisher reports an error: \(reason)")
        case _ where !isReady: throw ZMTPError("expected a READY first, got \(name)")
        case "PING":
            // Two bytes say how long the peer waits; a subscriber that always answers at once has no use for them.
            guard rest.count >= 2 else { throw ZMTPError("expected a PING with its time to live, got a shorter one") }
            return .send(ZMTPCommand.pong(rest.extracting(2..<rest.count)))
        case "PONG": return nil
        default: return .log("the publisher sent a command that is not known here: \(name)")
        }
    }
}
