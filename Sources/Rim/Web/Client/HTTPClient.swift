import HTTP
import Reactor
import Wire

/// An HTTP/1.1 client on a reactor (RFC 9110, RFC 9112): keeps connections, follows redirections, goes through proxies. Everything happens on the
/// reactor's thread.
///
/// A request that lost its connection before a byte of the response came is sent once more, on a new connection, where nobody can have acted on it
/// twice: it had gone out on a kept connection (which the server may have been closing already), and it is idempotent, or the kernel had taken
/// none of its bytes (RFC 9112 clause 9.3.1). Everything else is an error.
public final class HTTPClient {
    /// Makes what protects a connection to a server of this name: the client's side of TLS.
    public typealias Security = (_ serverName: String) throws -> any SecureStream

    public let options: HTTPClientOptions
    let reactor: Reactor
    let means: Dialer.Means
    private var servers: [ServerRoute: Server] = [:]
    /// Connections of all kinds, those being made included.
    private var open = 0
    private var waiting: [HTTPExchange] = []
    private var isPumping = false
    private var exchanges: [Int: HTTPExchange] = [:]
    private var lastExchange = 0
    private var sweeper: ReactorTimer?
    private let cancellations: Mailbox<Int>
    var webSockets: [Int: WebSocketOpening] = [:]
    private var compressors: [Int: DeflateCompressor] = [:]
    /// Connections made since the beginning: fewer than requests where they are kept.
    public private(set) var dialed = 0

    private struct Server {
        var open = 0
        var idle: [HTTPClientConnection] = []
    }

    /// `security`: without it there is no https. `resolver`: one of its own where none is given.
    public init(
        reactor: Reactor, options: HTTPClientOptions = HTTPClientOptions(), resolver: NameResolver? = nil, security: Security? = nil
    ) throws(SystemError) {
        (self.reactor, self.options) = (reactor, options)
        let resolver = if let resolver { resolver } else { try NameResolver(reactor: reactor) }
        means = Dialer.Means(reactor: reactor, resolver: resolver, security: security, attemptDelay: options.attemptDelay)
        // One for each that can be given up.
        cancellations = try Mailbox(limit: options.waiting + options.connections + options.webSockets + 1)
        try cancellations.open(on: reactor) { [weak self] id in
            self?.exchanges[id]?.cancel()
            self?.webSockets[id]?.cancel()
        }
        sweeper = reactor.makeTimer { [weak self] now in self?.sweep(at: now) }
    }

    deinit {
        cancellations.close(on: reactor)
        for exchange in exchanges.values { exchange.cancel() }
        for webSocket in webSockets.values { webSocket.end() }
    }

    /// Gives up all requests, and closes all connections and WebSockets.
    public func close() {
        for exchange in exchanges.values { exchange.cancel() }
        for server in servers.values { for connection in server.idle { forget(connection) } }
        for webSocket in webSockets.values { webSocket.end() }
    }

    /// Requests that have no end yet.
    public var requestCount: Int { exchanges.count }
    /// Kept, in use, or being made; WebSockets not included.
    public var connectionCount: Int { open }
    /// Open, or being opened.
    public var webSocketCount: Int { webSockets.count }

    // MARK: requests

    /// Asks. The body comes in pieces, which are good for the call; `onEnd` is called once, after it nothing. None is called before this returns.
    /// The client holds the exchange until its end. CONNECT is the client's own business.
    @discardableResult
    public func start(
        _ request: HTTPClientRequest, onHead: ((HTTPClientHead) -> Void)? = nil, onBody: ((Span<UInt8>) -> Void)? = nil,
        onEnd: @escaping (Result<Void, HTTPClientError>) -> Void
    ) -> HTTPExchange {
        start(request, id: reserve(), onHead: onHead, onBody: onBody, onEnd: onEnd)
    }

    /// Asks for a whole answer.
    @discardableResult
    public func send(
        _ request: HTTPClientRequest, _ completion: @escaping (Result<HTTPClientResponse, HTTPClientError>) -> Void
    ) -> HTTPExchange {
        send(request, id: reserve(), completion)
    }

    func send(
        _ request: HTTPClientRequest, id: Int, _ completion: @escaping (Result<HTTPClientResponse, HTTPClientError>) -> Void
    ) -> HTTPExchange {
        let answer = WholeAnswer()
        return start(
            request, id: id, onHead: { answer.head = $0 }, onBody: { answer.body.append(span: $0) },
            onEnd: { outcome in
                completion(
                    outcome.flatMap {
                        guard let head = answer.head else { return .failure(.cancelled) }
                        return .success(HTTPClientResponse(head: head, body: answer.body))
                    })
            })
    }

    /// A number for an exchange that is about to begin.
    func reserve() -> Int {
        lastExchange += 1
        return lastExchange
    }

    /// From any thread: gives up the exchange, or the WebSocket that is being opened, of this number.
    var canceller: @Sendable (Int) -> Void { { [cancellations] id in _ = cancellations.put(id) } }

    func start(
        _ request: HTTPClientRequest, id: Int, onHead: ((HTTPClientHead) -> Void)?, onBody: ((Span<UInt8>) -> Void)?,
        onEnd: @escaping (Result<Void, HTTPClientError>) -> Void
    ) -> HTTPExchange {
        reactor.checkIsolated()
        precondition(HTTPFields.isName(request.method.rawValue) && request.method != .connect, "no method to ask with: \(request.method)")
        let exchange = HTTPExchange(id: id, request, client: self, onHead: onHead, onBody: onBody, onEnd: onEnd)
        exchanges[exchange.id] = exchange
        exchange.starting {
            enqueue(exchange)
            if waiting.count > options.waiting, exchange.isWaiting { exchange.fail(.tooManyWaiting(limit: options.waiting)) }
        }
        return exchange
    }

    /// Nothing is kept between messages: one serves all WebSockets with the same window.
    func compressor(windowBits: Int) -> DeflateCompressor {
        if let made = compressors[windowBits] { return made }
        let made = DeflateCompressor(windowBits: windowBits)
        compressors[windowBits] = made
        return made
    }

    // MARK: for exchanges

    func enqueue(_ exchange: HTTPExchange, first: Bool = false) {
        if first { waiting.insert(exchange, at: 0) } else { waiting.append(exchange) }
        pump()
    }

    func leave(_ exchange: HTTPExchange) { waiting.removeAll { $0 === exchange } }

    func ended(_ exchange: HTTPExchange) { exchanges[exchange.id] = nil }

    /// A connection that was being made was not.
    func freeSlot(of route: ServerRoute) {
        open -= 1
        servers[route]?.open -= 1
        if servers[route]?.open == 0 { servers[route] = nil }
        pump()
    }

    /// A connection is not needed any more by whom it was given to.
    func release(_ connection: HTTPClientConnection, isReusable: Bool) {
        guard isReusable, !connection.socket.isClosed else { return freeSlot(of: connection.route) }
        servers[connection.route]?.idle.append(connection)
        sweeper?.deadline = earlier(sweeper?.deadline, connection.idleUntil)
        pump()
    }

    /// A connection that nobody uses is closed.
    func forget(_ connection: HTTPClientConnection) {
        guard let index = servers[connection.route]?.idle.firstIndex(where: { $0 === connection }) else { return }
        servers[connection.route]?.idle.remove(at: index)
        connection.abandon()
        freeSlot(of: connection.route)
    }

    // MARK: giving out connections

    private enum Means {
        case connection(HTTPClientConnection)
        case dial
    }

    /// Gives those who wait what there is for them, in their order.
    private func pump() {
        guard !isPumping else { return }
        isPumping = true
        defer { isPumping = false }
        var index = 0
        while index < waiting.count {
            let exchange = waiting[index]
            guard let means = claim(for: exchange) else {
                index += 1
                continue
            }
            waiting.remove(at: index)
            // What happens now may change who waits.
            index = 0
            switch means {
            case .connection(let connection): exchange.run(on: connection)
            case .dial:
                dialed += 1
                exchange.dial()
            }
        }
    }

    private func claim(for exchange: HTTPExchange) -> Means? {
        let route = exchange.route
        if !exchange.needsNewConnection, let connection = servers[route]?.idle.popLast() { return .connection(connection) }
        if (servers[route]?.open ?? 0) >= options.connectionsPerServer {
            guard let idle = servers[route]?.idle.first else { return nil }
            forget(idle)
        }
        if open >= options.connections {
            let idle = servers.values.compactMap(\.idle.first).min { $0.idleUntil < $1.idleUntil }
            guard let idle else { return nil }
            forget(idle)
        }
        open += 1
        servers[route, default: Server()].open += 1
        return .dial
    }

    private func sweep(at now: Instant) {
        for server in servers.values { for connection in server.idle where connection.idleUntil <= now { forget(connection) } }
        sweeper?.deadline = servers.values.lazy.flatMap(\.idle).map(\.idleUntil).min()
    }
}

/// What comes of an answer that is wanted whole.
private final class WholeAnswer {
    var head: HTTPClientHead?
    var body: [UInt8] = []
}
