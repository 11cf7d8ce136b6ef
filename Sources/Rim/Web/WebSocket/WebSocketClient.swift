import HTTP
import Reactor
import Wire

/// How a client opens a WebSocket.
public struct WebSocketClientOptions: Sendable {
    /// Sub-protocols that are spoken, best first. A server may choose none of them.
    public var protocols: [String] = []
    /// permessage-deflate without context between messages (RFC 7692).
    public var offersCompression = false
    /// More fields of the request: `Authorization`, `Origin`.
    public var fields = HTTPFields()
    /// A Unix-domain socket that takes the place of host and port.
    public var socketPath: String?
    public var connection = WebSocketConnection.Configuration()

    public init() {}
}

/// A WebSocket that is being opened, and what drives it then. The client holds it until its end.
public final class WebSocketOpening {
    private let id: Int
    private let url: WebURL
    private let options: WebSocketClientOptions
    private let route: ServerRoute
    private weak var client: HTTPClient?
    private var onOutcome: ((Result<WebSocketSession, HTTPClientError>) -> Void)?
    private var dialer: Dialer?
    private var socket: TCPConnection?
    private var session: WebSocketSession?
    private var request: HTTPRequestHead?
    private var nonce: [UInt8] = []
    private var parser = HTTPResponseParser()
    private var timer: ReactorTimer?
    private var isEnding = false
    /// What went wrong in `begin` is told after it.
    private var isStarting = false
    private var early: HTTPClientError?
    private var randomness = SystemRandomNumberGenerator()

    private static let longestTick = Duration.seconds(1)

    init(
        id: Int, _ url: WebURL, _ options: WebSocketClientOptions, client: HTTPClient,
        onOutcome: @escaping (Result<WebSocketSession, HTTPClientError>) -> Void
    ) {
        self.id = id
        (self.url, self.options, self.client, self.onOutcome) = (url, options, client, onOutcome)
        route = ServerRoute(url, socketPath: options.socketPath, client.options)
    }

    /// Gives up what is not open yet: the outcome is `.cancelled`. Without effect after it; then it is the session that is closed.
    public func cancel() { if session == nil { fail(.cancelled) } }

    // MARK: opening

    func begin(mayOpen: Bool) {
        guard let client else { return }
        isStarting = true
        defer { isStarting = false }
        timer = client.reactor.makeTimer { [weak self] now in self?.timePassed(now) }
        timer?.deadline = MonotonicClock.now() + client.options.connectTimeout
        let dialer = Dialer(route, tunnelsAlways: true, client.means) { [weak self] outcome in
            switch outcome {
            case .success(let socket): self?.shakeHands(socket, userAgent: client.options.userAgent)
            case .failure(let error): self?.fail(error)
            }
        }
        self.dialer = dialer
        guard mayOpen else { return fail(.tooManyWebSockets(limit: client.options.webSockets)) }
        dialer.begin()
    }

    /// RFC 6455 clause 4.1.
    private func shakeHands(_ socket: TCPConnection, userAgent: String) {
        dialer = nil
        self.socket = socket
        socket.onBytes = { [weak self] bytes in self?.received(&bytes) }
        socket.onDrained = { [weak self] in self?.session?.drained() }
        socket.onEnd = { [weak self] in self?.peerEnded() }
        socket.onClose = { [weak self] in self?.closed() }
        for _ in 0..<16 { nonce.append(randomness.next()) }
        var fields: HTTPFields = ["Host": options.fields["host"] ?? url.authority, "User-Agent": userAgent]
        for (name, value) in WebSocketHandshake.request(
            nonce: nonce, protocols: options.protocols, offersCompression: options.offersCompression)
        { fields.append(name, value) }
        for (name, value) in options.fields
        where name.lowercased() != "host" && !WebSocketHandshake.fieldNames.contains(name.lowercased()) {
            if name.lowercased() == "user-agent" { fields["user-agent"] = nil }
            fields.append(name, value)
        }
        let head = HTTPRequestHead(.get, url.target, fields: fields)
        request = head
        var bytes: [UInt8] = []
        head.write(to: &bytes)
        socket.send(bytes)
    }

    private func received(_ bytes: inout MutableSpan<UInt8>) {
        if let session { return session.received(&bytes) }
        var offset = 0
        do throws(HTTPError) {
            while let event = try parser.next(bytes.span, &offset) {
                switch event {
                case .informational: break
                case .head(let head): return answered(head, rest: &bytes, from: offset)
                case .body, .end: return
                }
            }
        } catch { fail(.malformed(host: route.name, error)) }
    }

    private func answered(_ head: HTTPResponseHead, rest bytes: inout MutableSpan<UInt8>, from offset: Int) {
        guard let socket, let request else { return }
        let agreement: WebSocketAgreement
        do throws(WebSocketRefusal) {
            agreement = try WebSocketHandshake.check(
                head, nonce: nonce, protocols: options.protocols, offeredCompression: options.offersCompression)
        } catch { return fail(.noWebSocket(host: route.name, status: head.status, reason: error.text)) }
        let peer = ForwardedClient(address: socket.remote.ip, isSecure: route.isSecure)
        guard let target = HTTPTarget(request.target) ?? HTTPTarget("/") else { return }
        let now = MonotonicClock.now()
        let session = WebSocketSession(
            client: socket, request: HTTPRequest(head: request, target: target, client: peer, id: ""), agreement: agreement,
            configuration: options.connection,
            compressor: agreement.deflate.flatMap { client?.compressor(windowBits: $0.clientWindowBits) },
            mask: { [weak self] in self?.randomness.next() ?? 0 }, at: now)
        self.session = session
        tick(now)
        let tell = onOutcome
        onOutcome = nil
        tell?(.success(session))
        // Messages right behind the answer.
        guard offset < bytes.count, !socket.isClosed else { return }
        var rest: [UInt8] = []
        rest.append(span: bytes.span.extracting(offset..<bytes.count))
        var span = rest.mutableSpan
        session.received(&span)
    }

    // MARK: time and the end

    private func timePassed(_ now: Instant) {
        if let early { return fail(early) }
        guard let session else {
            let stage = dialer?.stage ?? .response
            return fail(.timeout(host: route.name, stage, after: client?.options.connectTimeout ?? .zero))
        }
        guard !isEnding else { return socket?.close() ?? () }
        session.advance(to: now)
        tick(now)
    }

    /// A close that is begun has a deadline nearer than the one before.
    private func tick(_ now: Instant) {
        guard let session else { return }
        isEnding = session.deadline == nil
        // What is said last has as long to be taken as a close has to be answered.
        timer?.deadline = session.deadline.map { min($0, now + Self.longestTick) } ?? now + options.connection.closeTimeout
    }

    private func peerEnded() {
        guard let session else { return fail(.closed(host: route.name)) }
        guard !session.hasLastWords else { return }
        session.ended()
        socket?.close()
    }

    private func closed() {
        guard let session else {
            if case .failed(let reason)? = socket?.security?.state { return fail(.tls(host: route.name, reason: reason)) }
            return fail(.closed(host: route.name))
        }
        session.ended()
        leave()
    }

    private func fail(_ error: HTTPClientError) {
        guard !isStarting else {
            early = error
            timer?.deadline = MonotonicClock.now()
            return
        }
        guard let tell = onOutcome else { return }
        onOutcome = nil
        leave()
        tell(.failure(error))
    }

    private func leave() {
        timer = nil
        dialer?.cancel()
        dialer = nil
        let socket = socket
        self.socket = nil
        socket?.close()
        client?.webSockets[id] = nil
    }

    /// The client ends.
    func end() {
        cancel()
        socket?.close()
    }
}

extension HTTPClient {
    /// Opens a WebSocket (`ws`, `wss`): through a proxy by a tunnel, and not following redirections. The session's handlers are to be set within
    /// `onOutcome`: messages may be there already. The client holds the session until it is closed; the time to open it is `connectTimeout`.
    @discardableResult
    public func connect(
        _ url: WebURL, _ options: WebSocketClientOptions = WebSocketClientOptions(),
        onOutcome: @escaping (Result<WebSocketSession, HTTPClientError>) -> Void
    ) -> WebSocketOpening {
        connect(url, options, id: reserve(), onOutcome: onOutcome)
    }

    private func connect(
        _ url: WebURL, _ options: WebSocketClientOptions, id: Int,
        onOutcome: @escaping (Result<WebSocketSession, HTTPClientError>) -> Void
    ) -> WebSocketOpening {
        reactor.checkIsolated()
        let opening = WebSocketOpening(id: id, url, options, client: self, onOutcome: onOutcome)
        webSockets[id] = opening
        opening.begin(mayOpen: webSockets.count <= self.options.webSockets)
        return opening
    }

    /// Opens a WebSocket for an actor on this client's reactor. `prepare` sets the session's handlers, before any message is handed to them.
    public func connect(
        _ url: WebURL, _ options: WebSocketClientOptions = WebSocketClientOptions(),
        isolation: isolated (any Actor)? = #isolation, prepare: @escaping (WebSocketSession) -> Void
    ) async throws(HTTPClientError) {
        let id = reserve(), canceller = canceller
        let outcome: Result<Void, HTTPClientError> = await withTaskCancellationHandler {
            _ = isolation
            return await withCheckedContinuation { continuation in
                _ = connect(url, options, id: id) { outcome in
                    if case .success(let session) = outcome { prepare(session) }
                    continuation.resume(returning: outcome.map { _ in })
                }
            }
        } onCancel: {
            canceller(id)
        }
        try outcome.get()
    }
}
