import Crypto
import HTTP
import Reactor
import Web
import Wire

/// `waldo bench get` and `waldo bench ws`: the HTTP and WebSocket client, for trying it against other programs' servers.
public actor WebFetch {
    public struct Options: Sendable {
        public var client = HTTPClientOptions()
        public var trust = TLSTrust.system

        public init() {}
    }

    public struct Summary: Sendable {
        public var requests = 0
        public var connections = 0

        public init() {}
    }

    private nonisolated let reactor: Reactor
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private let options: Options
    private var made: HTTPClient?
    private var summary = Summary()
    private var talk: Talk?
    private let lines: Mailbox<WebSocketOrder>

    public init(_ options: Options) throws {
        self.options = options
        reactor = try Reactor(name: "waldo-reactor")
        lines = try Mailbox(limit: 64)
    }

    private func client() throws -> HTTPClient {
        if let made { return made }
        let client = try HTTPClient(reactor: reactor, options: options.client, trust: options.trust)
        made = client
        return client
    }

    /// The head, then the body in pieces, all on the reactor's thread.
    public func fetch(
        _ request: HTTPClientRequest, onHead: @escaping @Sendable (HTTPClientHead) -> Void, onBody: @escaping @Sendable ([UInt8]) -> Void
    ) async throws -> Summary {
        let client = try client()
        let stream = try await client.stream(request)
        onHead(stream.head)
        while let bytes = try await stream.next() { onBody(bytes) }
        summary.requests += 1
        summary.connections = client.dialed
        return summary
    }

    // MARK: WebSocket

    /// What is done with an open WebSocket.
    public enum WebSocketOrder: Sendable {
        case text(String)
        case binary([UInt8])
        case close(WebSocketCloseCode, String)
    }

    public enum WebSocketNews: Sendable {
        case open(protocol: String?)
        case text(String)
        case binary([UInt8])
        case closed(WebSocketCloseCode, String)
        case failed(HTTPClientError)
    }

    /// From any thread. False: as many as may wait; try again.
    public nonisolated func put(_ order: WebSocketOrder) -> Bool { lines.put(order) }

    /// `messages`: closed when so many have come.
    public func connect(
        _ url: WebURL, _ options: WebSocketClientOptions, messages: Int? = nil, onNews: @escaping @Sendable (WebSocketNews) -> Void
    ) throws {
        let talk = Talk(lines, reactor, messages: messages, onNews)
        self.talk = talk
        try client().connect(url, options) { outcome in
            switch outcome {
            case .failure(let error): onNews(.failed(error))
            case .success(let session): talk.begin(session)
            }
        }
    }
}

/// An open WebSocket between its orders and its news. Lives on the reactor.
private final class Talk {
    private let lines: Mailbox<WebFetch.WebSocketOrder>
    private let reactor: Reactor
    private let onNews: (WebFetch.WebSocketNews) -> Void

    private var left: Int?

    init(
        _ lines: Mailbox<WebFetch.WebSocketOrder>, _ reactor: Reactor, messages: Int?, _ onNews: @escaping (WebFetch.WebSocketNews) -> Void
    ) {
        (self.lines, self.reactor, left, self.onNews) = (lines, reactor, messages, onNews)
    }

    func begin(_ session: WebSocketSession) {
        session.onMessage = { [weak session, onNews, self] kind, message in
            var bytes: [UInt8] = []
            bytes.append(span: message)
            onNews(kind == .text ? .text(String(decoding: bytes, as: UTF8.self)) : .binary(bytes))
            left = left.map { $0 - 1 }
            if left == 0 { session?.close(.normal) }
        }
        session.onClose = { [onNews] in onNews(.closed($0, $1)) }
        onNews(.open(protocol: session.protocol))
        do throws(SystemError) {
            try lines.open(on: reactor) { [weak session] order in
                switch order {
                case .text(let text): session?.send(text)
                case .binary(let bytes): session?.send(.binary, bytes.span)
                case .close(let code, let reason): session?.close(code, reason)
                }
            }
        } catch { session.close(.internalError, error.description) }
    }
}
