import Crypto
import HTTP
import Reactor
import Web
import Wire

/// `waldo bench web`: one of each thing that the web server does, for measuring it and for trying other programs against it.
public actor WebBench {
    public struct Options: Sendable {
        public var port: UInt16 = 8000
        /// One port on all of these.
        public var bind = [IPAddress(127, 0, 0, 1)]
        /// Also a Unix-domain socket.
        public var path: String?
        /// A folder that is served under `/files`.
        public var files: String?
        public var server = HTTPServerOptions()
        public var log = Logger("web")
        /// A line for each request.
        public var logsRequests = false
        /// The port speaks TLS.
        public var tls: TLSSettings?

        public init() {}
    }

    private nonisolated let reactor: Reactor
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private let options: Options
    private let digests = DigestsWhenWanted()
    private let metrics = MetricsRegistry()
    private var server: HTTPServer?
    /// Of a certificate that this made for itself: SHA-256.
    public private(set) var fingerprint: String?

    public init(_ options: Options) throws {
        self.options = options
        reactor = try Reactor(name: "waldo-reactor")
    }

    /// Begins to serve; answers the port.
    public func start() throws -> UInt16 {
        let server = HTTPServer(handler: try router(), options: options.server, reactor: reactor)
        server.metrics = HTTPServerMetrics(metrics)
        if options.logsRequests { server.accessLog = options.log }
        server.onFailedConnection = { [log = options.log] client, reason in
            log.debug("a connection failed", ["client": .address(client), "reason": .text(reason)])
        }
        let security = try security()
        var port = options.port
        for address in options.bind { port = try server.listen(SocketAddress(address, port), security: security).port }
        if let path = options.path { try server.listen(path: path) }
        self.server = server
        return port
    }

    private func security() throws -> HTTPServer.Security? {
        guard let settings = options.tls else { return nil }
        let tls = try TLSService(settings, bind: options.bind)
        fingerprint = tls.fingerprint
        return tls.server.makeStream
    }

    /// Comes back when the requests under way are finished.
    public func stop() async {
        guard let server else { return }
        await withCheckedContinuation { continuation in server.drain { continuation.resume() } }
    }

    private func router() throws -> Router {
        var options = RouterOptions()
        options.title = "Waldo's web server, for measuring"
        options.allowedOrigins = ["*"]
        options.log = self.options.log
        let router = Router(options)
        router.get("/json", "A small value") { _ in .json(["hello": "world", "number": 3]) }
        router.get("/text/{name}", "A greeting") { .text("Hello, \($0.parameters["name"] ?? "")!\n") }
        router.post("/echo", "The body again") { request in
            .bytes(request.body, type: request.fields["Content-Type"] ?? "application/octet-stream")
        }
        router.post("/sum", "The sum of `values`") { request in
            let values = try request.json()["values"].array(limit: 1000)
            var sum = 0.0
            for value in values { sum += try value.double() }
            return .json(["sum": .double(sum)])
        }
        var upload = Route(
            .post, "/upload", "What the parts of a form are", handler: .value { [digests] in try Self.parts(of: $0, digests) })
        upload.bodyType = "multipart/form-data, application/x-www-form-urlencoded"
        upload.bodyLimit = 32 << 20
        router.add(upload)
        router.get("/fail", "A handler that fails") { _ in throw SystemError("open", "nothing", code: 2) }
        router.addMetrics(metrics)
        var socket = Route(
            .get, "/ws", "Every message again",
            handler: .webSocket(Self.webSocketOptions) { session in
                session.onMessage = { [unowned session] kind, message in session.send(kind, message) }
            })
        socket.tag = "websocket"
        router.add(socket)
        let broadcast = Broadcast(reactor)
        router.add(
            Route(.get, "/broadcast", "Ten messages a second, the same to all", handler: .webSocket(WebSocketOptions(), broadcast.join)))
        router.add(Route(.get, "/events", "Ten events a second", handler: .later { broadcast.follow($1) }))
        let pictures = Pictures()
        router.add(
            Route(
                .put, "/picture", "A JPEG picture for all who watch",
                handler: .value { request in
                    pictures.show(request.body)
                    return HTTPResponse(.noContent)
                }))
        router.add(Route(.get, "/picture", "The pictures, as they come", handler: .later { pictures.watch($1) }))
        if let folder = self.options.files {
            guard let files = StaticFiles(root: folder) else { throw SystemError("open", folder, code: 2) }
            router.get("/files/{path*}", "Files") { request in try files.answer(request, Array(request.target.segments.dropFirst())) }
        }
        return router
    }

    private static func parts(of request: HTTPRequest, _ digests: DigestsWhenWanted) throws -> HTTPResponse {
        let parts = try request.form().parts.map { part -> JSON in
            [
                "name": .string(part.name), "filename": part.head.fileName.map { .string($0) } ?? nil,
                "safe_filename": part.head.safeFileName.map { .string($0) } ?? nil, "type": .string(part.head.contentType),
                "length": .integer(Int64(part.content.count)), "sha256": .string(Hex.encode(digests.all.sha256(Array(part.content)))),
            ]
        }
        return .json(["parts": .array(parts)])
    }

    private static let webSocketOptions: WebSocketOptions = {
        var options = WebSocketOptions()
        options.protocols = ["echo"]
        options.allowsCompression = true
        options.connection.messageLimit = 16 << 20
        options.connection.queueLimit = 32 << 20
        return options
    }()
}

/// OpenSSL takes memory once it is asked for something. Lives on the reactor.
private final class DigestsWhenWanted {
    private(set) lazy var all = OpenSSLDigests()
}

/// One message ten times a second to all who listen. Lives on the reactor.
private final class Broadcast {
    private var ticker: ReactorTimer?
    private var sockets: [ObjectIdentifier: WebSocketSession] = [:]
    private var streams: [ObjectIdentifier: EventStream] = [:]
    private var count = 0
    private static let interval = Duration.milliseconds(100)

    init(_ reactor: Reactor) {
        ticker = reactor.makeTimer { [unowned self] now in tick(at: now) }
        ticker?.deadline = MonotonicClock.now() + Self.interval
    }

    func join(_ session: WebSocketSession) {
        let id = ObjectIdentifier(session)
        sockets[id] = session
        session.onClose = { [unowned self] _, _ in sockets[id] = nil }
    }

    func follow(_ responder: HTTPResponder) {
        guard let events = EventStream(responder) else { return }
        let id = ObjectIdentifier(events.body)
        streams[id] = events
        events.body.onClose = { [unowned self] in streams[id] = nil }
    }

    private func tick(at now: Instant) {
        count += 1
        let text = JSON.object(["tick": .integer(Int64(count)), "padding": .string(String(repeating: "x", count: 170))]).encoded()
        let frame = WebSocketBroadcast(.text, text.span)
        for session in Array(sockets.values) { session.send(frame) }
        for events in Array(streams.values) { events.send(String(decoding: text, as: UTF8.self), id: String(count)) }
        ticker?.deadline = now + Self.interval
    }
}

/// The pictures that were put here, for all who watch. Lives on the reactor.
private final class Pictures {
    private var watchers: [ObjectIdentifier: PictureStream] = [:]
    private var latest: [UInt8]?

    func watch(_ responder: HTTPResponder) {
        guard let stream = PictureStream(responder) else { return }
        let id = ObjectIdentifier(stream.body)
        watchers[id] = stream
        stream.body.onClose = { [unowned self] in watchers[id] = nil }
        if let latest { stream.send(latest.span) }
    }

    func show(_ picture: [UInt8]) {
        latest = picture
        for watcher in Array(watchers.values) { watcher.send(picture.span) }
    }
}
