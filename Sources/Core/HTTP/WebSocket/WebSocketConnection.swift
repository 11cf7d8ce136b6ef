import Wire

/// One side of a WebSocket connection after its handshake (RFC 6455): told bytes and the time, drained of events and of bytes to send.
///
///     while let event = connection.next(&bytes, &offset, at: now) { … }
///     let count = socket.write(connection.output)
///     connection.sent(count)
///
/// Pings are answered and asked by itself. What cannot be sent yet waits in a queue with a bound; what happens at the bound is said by
/// each message.
public struct WebSocketConnection {
    public enum Event: Equatable {
        case message(WebSocketMessageKind, Place)
        /// The end: who said what. Nothing more comes; what `output` holds may still be sent, then the connection is to be closed.
        case closed(WebSocketCloseCode, reason: String, byPeer: Bool)
    }

    /// Where a message lies.
    public enum Place: Equatable {
        /// In the bytes that were given.
        case given(Range<Int>)
        /// In `assembled`, until the next call.
        case assembled
        /// It came compressed: in `expanded`, until the next call.
        case expanded
    }

    /// What becomes of a message when the peer does not take what is sent to it.
    public enum Overflow: Sendable, Hashable {
        /// The oldest such messages in the queue make room: for telemetry, where the newest counts.
        case dropOldest
        /// The connection ends with 1013: for commands, where none may be lost.
        case close
    }

    public struct Configuration: Sendable, Hashable {
        /// Bytes of a message that is received, also after expanding.
        public var messageLimit = 1 << 20
        /// Bytes that wait for the peer to take them.
        public var queueLimit = 1 << 20
        /// Messages that wait at most; for those that may be dropped.
        public var queuedMessages = Int.max
        /// After this long without a byte from the peer it is asked.
        public var pingAfter = Duration.seconds(20)
        /// After this long without a byte it is gone.
        public var goneAfter = Duration.seconds(45)
        /// Only pongs count as hearing from the peer: it is asked while it talks, too, and whoever talks but never answers is gone.
        public var countsOnlyPongs = false
        /// How long the peer's half of a close is waited for.
        public var closeTimeout = Duration.seconds(5)

        public init() {}
    }

    public let role: WebSocketRole
    public let configuration: Configuration
    private var reader: WebSocketReader
    private let compressor: (any WebSocketCompressor)?
    private let mask: (() -> UInt32)?

    /// Bytes that may go out now; the caller says by `sent` how many went.
    public private(set) var output: [UInt8] = []
    private var queue = WebSocketQueue()
    /// Messages that `.dropOldest` gave up.
    public private(set) var dropped = 0

    private var state = State.open
    private var lastHeard: Instant
    private var isAsked = false
    private var pings = PingLimit()
    private var expansion = ExpansionLimit()
    public private(set) var expanded: [UInt8] = []

    private enum State {
        case open
        /// Our close is out, theirs is not here.
        case closing(until: Instant)
        /// The event of the end was given out.
        case over
    }

    /// Above this much output that the socket has not taken, messages wait in the queue.
    private static let outputMark = 16 << 10

    /// `mask`: a new key for each frame that a client sends, from the system's randomness (RFC 6455 clause 10.3); nil makes a server.
    public init(
        configuration: Configuration = Configuration(), compressor: (any WebSocketCompressor)? = nil, mask: (() -> UInt32)? = nil,
        at now: Instant
    ) {
        (self.configuration, self.compressor, self.mask) = (configuration, compressor, mask)
        role = mask == nil ? .server : .client
        reader = WebSocketReader(role: role, limit: configuration.messageLimit, allowsCompression: compressor != nil)
        lastHeard = now
    }

    public var isOpen: Bool { if case .open = state { true } else { false } }
    /// Bytes that wait, in the queue and in `output`.
    public var backlog: Int { queue.bytes + output.count }
    /// Messages that wait for room in the output.
    public var waiting: Int { queue.count }
    public var assembled: [UInt8] { reader.assembled }

    // MARK: receiving

    /// The next event in the bytes; nil: all are taken. What breaks the protocol ends the connection with an event, too.
    public mutating func next(_ bytes: inout MutableSpan<UInt8>, _ offset: inout Int, at now: Instant) -> Event? {
        if offset < bytes.count, !configuration.countsOnlyPongs { heard(at: now) }
        while true {
            if case .over = state {
                offset = bytes.count
                return nil
            }
            do throws(WebSocketError) {
                guard let event = try reader.next(&bytes, &offset) else { return nil }
                if let event = try handle(event, bytes.span, at: now) { return event }
            } catch {
                return fail(error, at: now)
            }
        }
    }

    /// The peer had to wait for us, and its answers with it: its time begins anew.
    public mutating func waited(until now: Instant) { heard(at: now) }

    private mutating func heard(at now: Instant) {
        lastHeard = now
        isAsked = false
    }

    private mutating func handle(_ event: WebSocketReader.Event, _ bytes: Span<UInt8>, at now: Instant) throws(WebSocketError) -> Event? {
        switch event {
        case .message(let kind, let place, let isCompressed):
            // After our close frame the peer's messages are no longer for anybody (RFC 6455 clause 5.5.1).
            guard isOpen else { return nil }
            guard isCompressed else {
                switch place {
                case .given(let range): return .message(kind, .given(range))
                case .assembled: return .message(kind, .assembled)
                }
            }
            switch place {
            case .given(let range): try expand(bytes.extracting(range), kind, at: now)
            case .assembled:
                let whole = reader.assembled
                try expand(whole.span, kind, at: now)
            }
            return .message(kind, .expanded)
        case .ping(let payload):
            guard isOpen else { return nil }
            guard pings.take(at: now) else { throw WebSocketError(.policyViolation, "expected fewer pings, got a flood") }
            append(.pong, payload.span)
            return nil
        case .pong:
            heard(at: now)
            return nil
        case .close(let code, let reason):
            // Clause 5.5.1 asks for the code; the reason too, as browsers tell their page only what came back. Nothing may follow it.
            if isOpen {
                flushQueue()
                append(.close, Self.closePayload(code == .noStatus ? nil : code, reason).span)
            }
            state = .over
            return .closed(code, reason: reason, byPeer: true)
        }
    }

    private mutating func expand(_ message: Span<UInt8>, _ kind: WebSocketMessageKind, at now: Instant) throws(WebSocketError) {
        expanded.removeAll(keepingCapacity: expanded.capacity <= 4096)
        let limit = configuration.messageLimit
        guard compressor?.expand(message, into: &expanded, limit: limit) ?? false else {
            throw expanded.count >= limit
                ? WebSocketError(.messageTooBig, "expected messages of at most \(limit) bytes, got a longer one")
                : WebSocketError(.invalidPayload, "expected a compressed message, got damaged data")
        }
        guard expansion.take(expanded.count, from: message.count, messageLimit: limit, at: now) else {
            throw WebSocketError(.policyViolation, "expected few messages that expand to over 128 times their size, got a flood")
        }
        guard kind == .text else { return }
        var text = UTF8Validator()
        guard text.take(expanded.span), text.isAtEnd else {
            throw WebSocketError(.invalidPayload, "expected UTF-8 in a text message")
        }
    }

    private mutating func fail(_ error: WebSocketError, at now: Instant) -> Event {
        if isOpen { append(.close, Self.closePayload(error.code, error.text).span) }
        queue.removeAll()
        state = .over
        return .closed(error.code, reason: error.text, byPeer: false)
    }

    /// The TCP connection ended.
    public mutating func connectionEnded() -> Event? {
        if case .over = state { return nil }
        state = .over
        return .closed(.abnormal, reason: "the connection ended without a close frame", byPeer: true)
    }

    // MARK: sending

    /// False when the message is not sent: the connection is not open, or its end was the answer to an overflow (see `.close`).
    public mutating func send(_ kind: WebSocketMessageKind, _ message: Span<UInt8>, overflow: Overflow, at now: Instant) -> Bool {
        guard isOpen else { return false }
        let opcode: WebSocketOpcode = kind == .text ? .text : .binary
        guard output.count > Self.outputMark || !queue.isEmpty else {
            append(opcode, message, compresses: true)
            return true
        }
        var frame: [UInt8] = []
        write(opcode, message, compresses: true, to: &frame)
        return enqueue(frame, overflow, at: now)
    }

    /// Sends a frame that is made already, as it is: for one message to many. A client sends none: its frames are masked one by one.
    /// `ahead`: what the socket still has of the frames before it, which counts as waiting, too.
    public mutating func send(_ frame: WebSocketBroadcast, overflow: Overflow, ahead: Int = 0, at now: Instant) -> Bool {
        guard isOpen, role == .server else { return false }
        guard output.count > Self.outputMark || !queue.isEmpty else {
            output.append(contentsOf: frame.bytes)
            return true
        }
        return enqueue(frame.bytes, overflow, ahead: ahead, at: now)
    }

    private mutating func enqueue(_ frame: [UInt8], _ overflow: Overflow, ahead: Int = 0, at now: Instant) -> Bool {
        if ahead + backlog + frame.count > configuration.queueLimit, !makeRoom(for: ahead + frame.count) {
            guard overflow == .close else {
                dropped += 1
                return false
            }
            queue.removeAll()
            close(.tryAgainLater, "the receiver is too far behind", at: now)
            return false
        }
        if queue.count >= configuration.queuedMessages, let gone = queue.drop(1) { dropped += gone }
        queue.append(frame, isDroppable: overflow == .dropOldest)
        return true
    }

    /// Drops the oldest droppable messages; false when that is not enough.
    private mutating func makeRoom(for count: Int) -> Bool {
        guard let gone = queue.drop(backlog + count - configuration.queueLimit) else { return false }
        dropped += gone
        return true
    }

    private mutating func append(_ opcode: WebSocketOpcode, _ payload: Span<UInt8>, compresses: Bool = false) {
        // Taken out, so that the array is written in place.
        var out: [UInt8] = []
        swap(&out, &output)
        write(opcode, payload, compresses: compresses, to: &out)
        swap(&out, &output)
    }

    private mutating func write(_ opcode: WebSocketOpcode, _ payload: Span<UInt8>, compresses: Bool, to out: inout [UInt8]) {
        let mask = mask?()
        guard compresses, let compressor, payload.count > 0 else { return WebSocketFrame.write(opcode, payload, mask: mask, to: &out) }
        var compressed: [UInt8] = []
        compressor.compress(payload, into: &compressed)
        WebSocketFrame.write(opcode, compressed.span, isCompressed: true, mask: mask, to: &out)
    }

    /// Takes room for `output`, where it has none: many connections share one, so that idle ones hold none.
    public mutating func takeRoom(_ room: inout [UInt8]) { if output.capacity == 0 { swap(&output, &room) } }

    /// Gives the room of an empty `output` back.
    public mutating func giveRoom(_ room: inout [UInt8]) {
        guard output.isEmpty, output.capacity > 0 else { return }
        swap(&output, &room)
        output = []
    }

    /// The socket took so many bytes of `output`.
    public mutating func sent(_ count: Int) {
        if count == output.count {
            output.removeAll(keepingCapacity: output.capacity <= 4096)
        } else {
            output.removeFirst(count)
        }
        while output.count <= Self.outputMark, let frame = queue.popFirst() { output.append(contentsOf: frame) }
    }

    // MARK: closing and time

    /// Begins the close handshake (RFC 6455 clause 7.1.2). What waits in the queue still goes out before it.
    public mutating func close(_ code: WebSocketCloseCode, _ reason: String = "", at now: Instant) {
        guard isOpen else { return }
        state = .closing(until: now + configuration.closeTimeout)
        flushQueue()
        append(.close, Self.closePayload(code, reason).span)
    }

    /// What waits goes out before the last frame.
    private mutating func flushQueue() { while let frame = queue.popFirst() { output.append(contentsOf: frame) } }

    /// A reason has at most 123 bytes, cut between characters.
    private static func closePayload(_ code: WebSocketCloseCode?, _ reason: String) -> [UInt8] {
        guard let code, code.isSendable else { return [] }
        var payload: [UInt8] = []
        payload.append(u16: code.rawValue)
        for character in reason {
            guard payload.count + character.utf8.count <= 125 else { break }
            payload.append(contentsOf: character.utf8)
        }
        return payload
    }

    /// When `advance` wants to be called next.
    public var deadline: Instant? {
        switch state {
        case .open: isAsked ? lastHeard + configuration.goneAfter : lastHeard + min(configuration.pingAfter, configuration.goneAfter)
        case .closing(let until): until
        case .over: nil
        }
    }

    private var silence: String {
        let (asked, gone) = (configuration.pingAfter, configuration.goneAfter)
        return configuration.countsOnlyPongs
            ? "a ping was not answered for \((gone - asked).nanoseconds / 1_000_000_000) s"
            : "nothing was heard for \(gone.nanoseconds / 1_000_000_000) s"
    }

    public mutating func advance(to now: Instant) -> Event? {
        switch state {
        case .open:
            if now >= lastHeard + configuration.goneAfter {
                state = .over
                return .closed(.abnormal, reason: silence, byPeer: false)
            }
            if !isAsked, now >= lastHeard + configuration.pingAfter {
                isAsked = true
                append(.ping, [UInt8]().span)
            }
            return nil
        case .closing(let until):
            guard now >= until else { return nil }
            state = .over
            return .closed(.abnormal, reason: "the other side did not answer the close", byPeer: false)
        case .over: return nil
        }
    }
}

/// Messages as a server's frames, made once for many connections: one, or several that go out together.
public struct WebSocketBroadcast: Sendable {
    public private(set) var bytes: [UInt8] = []

    public init() {}

    public init(_ kind: WebSocketMessageKind, _ message: Span<UInt8>) { append(kind, message) }

    public mutating func append(_ kind: WebSocketMessageKind, _ message: Span<UInt8>) {
        WebSocketFrame.write(kind == .text ? .text : .binary, message, mask: nil, to: &bytes)
    }

    /// Frames of another, as they are.
    mutating func append(_ frames: Span<UInt8>) { bytes.append(span: frames) }
}

/// How many pings a peer may ask: each costs an answer.
private struct PingLimit {
    private var left = 100
    private var since = Instant.zero

    /// At most a hundred in ten seconds.
    mutating func take(at now: Instant) -> Bool {
        if now - since >= .seconds(10) { (left, since) = (100, now) }
        guard left > 0 else { return false }
        left -= 1
        return true
    }
}

/// How much may come of nearly nothing: it costs the sender little, and us as much as any other message.
private struct ExpansionLimit {
    private var excess = 0
    private var since = Instant.zero

    private static let usual = 128
    private static let small = 4096
    private static let least = 4 << 20

    /// What is beyond 128 times the size is at most one longest message in ten seconds, or 4 MiB.
    mutating func take(_ expanded: Int, from size: Int, messageLimit: Int, at now: Instant) -> Bool {
        let over = expanded - max(Self.small, size * Self.usual)
        guard over > 0 else { return true }
        if now - since >= .seconds(10) { (excess, since) = (0, now) }
        excess += over
        return excess <= max(messageLimit, Self.least)
    }
}
