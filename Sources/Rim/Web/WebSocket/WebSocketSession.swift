import HTTP
import Reactor
import Wire

/// How a server takes WebSockets on a route.
public struct WebSocketOptions: Sendable {
    /// Sub-protocols that are spoken, best first.
    public var protocols: [String] = []
    /// permessage-deflate without context between messages (RFC 7692), where the client offers it.
    public var allowsCompression = false
    /// Origins from which browsers may connect; nil: any, and clients that are no browsers send none.
    public var origins: [String]?
    /// For those who say who they are in their first message rather than in the request.
    public var admission: Admission?
    public var connection = WebSocketConnection.Configuration()

    /// A session that is not admitted in time is closed.
    public struct Admission: Sendable, Hashable {
        public var timeout: Duration
        public var code: WebSocketCloseCode
        public var reason: String

        public init(
            timeout: Duration = .seconds(10), code: WebSocketCloseCode = .policyViolation,
            reason: String = "nobody said who this is in time"
        ) {
            (self.timeout, self.code, self.reason) = (timeout, code, reason)
        }
    }

    public init() {}
}

/// A WebSocket, of a server for its handler or of a client: messages come as spans that are good for the call, and go out as they are sent.
public final class WebSocketSession {
    /// What it began with; a client's session has its own request here.
    public let request: HTTPRequest
    /// The sub-protocol that was agreed on.
    public let `protocol`: String?
    /// The bytes are good for the call.
    public var onMessage: ((WebSocketMessageKind, Span<UInt8>) -> Void)?
    /// Called once, and nothing after it: the code and the reason, of whichever side ended it.
    public var onClose: ((WebSocketCloseCode, String) -> Void)?

    /// Who it is: by the request, or since `admit`.
    public private(set) var user: String?

    private let socket: TCPConnection
    /// Until it is admitted, where that is asked for.
    private var pending: Pending?

    /// Apart, as few sessions have one for long.
    private final class Pending {
        let admission: WebSocketOptions.Admission
        let until: Instant

        init(_ admission: WebSocketOptions.Admission, at now: Instant) {
            (self.admission, until) = (admission, now + admission.timeout)
        }
    }

    private var connection: WebSocketConnection
    private var isInRound = false
    /// What was read of messages that have to wait.
    private var held: [UInt8] = []
    /// Nothing more comes after what is held.
    private var endsAfterHeld = false
    private var ending = Ending.none
    private enum Ending { case none, lastWords, over }
    /// All is said, but the kernel has not taken all of it yet: the close frame and what is before it.
    var hasLastWords: Bool { ending == .lastWords }
    /// The last word is said: the connection may go once the other side has read it.
    var isOver: Bool { ending == .over }
    /// What the socket gets at once: it cuts off whoever is further behind than its own limit, which is more than this.
    private static let piece = 1 << 20
    /// The server's: for whoever has something to send.
    private let room: Room

    /// Room for frames that are being written.
    final class Room {
        var bytes: [UInt8] = []
    }

    init(
        _ socket: TCPConnection, request: HTTPRequest, agreement: WebSocketAgreement, options: WebSocketOptions,
        compressor: (any WebSocketCompressor)?, room: Room, at now: Instant
    ) {
        (self.socket, self.request, self.room) = (socket, request, room)
        self.protocol = agreement.protocol
        connection = WebSocketConnection(configuration: options.connection, compressor: compressor, at: now)
        user = request.user
        if user == nil { pending = options.admission.map { Pending($0, at: now) } }
    }

    /// A client's. `mask`: a new key for each frame, from the system's randomness.
    init(
        client socket: TCPConnection, request: HTTPRequest, agreement: WebSocketAgreement, configuration: WebSocketConnection.Configuration,
        compressor: (any WebSocketCompressor)?, mask: @escaping () -> UInt32, at now: Instant
    ) {
        (self.socket, self.request, room) = (socket, request, Room())
        self.protocol = agreement.protocol
        connection = WebSocketConnection(configuration: configuration, compressor: compressor, mask: mask, at: now)
    }

    public var isOpen: Bool { connection.isOpen }

    /// The other side has said who it is, and the handler believes it.
    public func admit(_ user: String?) {
        self.user = user
        pending = nil
    }

    /// Bytes that the other side has not taken.
    public var backlog: Int { connection.backlog + socket.backlog }
    /// Messages that the other side has not taken, about: what lies in the socket counts as one.
    public var waiting: Int { connection.waiting + (connection.output.isEmpty && socket.backlog == 0 ? 0 : 1) }
    /// Bytes that the kernel has taken since the beginning: a reader that stands still is seen by it.
    public var taken: Int { socket.taken }
    /// Messages that gave way to newer ones.
    public var dropped: Int { connection.dropped }

    /// False when it is not sent; see `WebSocketConnection.Overflow`.
    @discardableResult
    public func send(_ kind: WebSocketMessageKind, _ message: Span<UInt8>, overflow: WebSocketConnection.Overflow = .close) -> Bool {
        connection.takeRoom(&room.bytes)
        let isSent = connection.send(kind, message, overflow: overflow, at: socket.reactor.now)
        flush()
        return isSent
    }

    @discardableResult
    public func send(_ text: String, overflow: WebSocketConnection.Overflow = .close) -> Bool {
        send(.text, Array(text.utf8).span, overflow: overflow)
    }

    /// One message of a server to many: its frame is made once, and where nothing waits it goes to the kernel without a copy. False for a client,
    /// whose frames are masked one by one.
    @discardableResult
    public func send(_ frame: WebSocketBroadcast, overflow: WebSocketConnection.Overflow = .dropOldest) -> Bool {
        let isShort = frame.bytes.count <= Self.piece
        if isShort, connection.isOpen, connection.role == .server, connection.backlog == 0, socket.backlog == 0, !isInRound {
            socket.send(frame.bytes.span)
            return true
        }
        defer { flush() }
        return connection.send(frame, overflow: overflow, ahead: socket.backlog, at: socket.reactor.now)
    }

    /// Begins the end: what waits still goes out, and `onClose` is called when the other side has answered, or has not in time.
    public func close(_ code: WebSocketCloseCode, _ reason: String = "") {
        connection.close(code, reason, at: socket.reactor.now)
        flush()
    }

    /// While this is set no message is handed on: what is read already waits here, at most what one read of the socket brings; the rest waits in
    /// the kernel, and then at the sender. Nothing is lost, and nothing overtakes.
    public var isPaused = false {
        didSet {
            guard isPaused != oldValue else { return }
            socket.isPaused = isPaused
            if !isPaused, !isInRound { resume() }
        }
    }

    private func resume() {
        connection.waited(until: socket.reactor.now)
        guard !held.isEmpty else { return }
        var bytes: [UInt8] = []
        swap(&bytes, &held)
        var span = bytes.mutableSpan
        received(&span)
        if endsAfterHeld, held.isEmpty { ended() }
    }

    // MARK: for the connection

    /// Messages wait for a pause to end.
    var isHolding: Bool { !held.isEmpty }

    func received(_ bytes: inout MutableSpan<UInt8>) {
        guard !isPaused else { return held.append(span: bytes.span) }
        isInRound = true
        let now = socket.reactor.now
        var offset = 0
        while !isPaused, let event = connection.next(&bytes, &offset, at: now) {
            switch event {
            case .message(let kind, .given(let range)): onMessage?(kind, bytes.span.extracting(range))
            case .message(let kind, .assembled):
                let message = connection.assembled
                onMessage?(kind, message.span)
            case .message(let kind, .expanded):
                let message = connection.expanded
                onMessage?(kind, message.span)
            case .closed(let code, let reason, _): finish(code, reason)
            }
        }
        if isPaused, offset < bytes.count { held.append(span: bytes.span.extracting(offset..<bytes.count)) }
        isInRound = false
        flush()
    }

    /// When `advance` wants to be called next.
    var deadline: Instant? { connection.deadline }

    func drained() { flush() }

    func ended() {
        guard held.isEmpty else { return endsAfterHeld = true }
        guard case .closed(let code, let reason, _)? = connection.connectionEnded() else { return }
        finish(code, reason)
    }

    func advance(to now: Instant) {
        if let late = pending, now >= late.until {
            pending = nil
            close(late.admission.code, late.admission.reason)
        }
        if case .closed(let code, let reason, _)? = connection.advance(to: now) { finish(code, reason) }
        flush()
    }

    private func finish(_ code: WebSocketCloseCode, _ reason: String) {
        let tell = onClose
        onClose = nil
        onMessage = nil
        tell?(code, reason)
        isInRound = false
        held = []
        isPaused = false
        ending = .lastWords
        flush()
    }

    /// Hands output on as long as the kernel takes it: what it does not take stays in the connection's queue, where its policy holds.
    private func flush() {
        guard !isInRound else { return }
        while !connection.output.isEmpty, socket.backlog == 0, !socket.isDeaf {
            let count = min(connection.output.count, Self.piece)
            socket.send(connection.output.span.extracting(0..<count))
            connection.sent(count)
        }
        connection.giveRoom(&room.bytes)
        guard ending == .lastWords, connection.output.isEmpty || socket.isDeaf else { return }
        ending = .over
        socket.endSending()
    }
}
