import Crypto
import HTTP
import Reactor
import TestSupport
import Web
import Wire
import XCTest

/// A client, and servers that say what the test tells them to, on one reactor.
actor ClientHarness {
    nonisolated let reactor: Reactor
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private var client: HTTPClient?
    private var servers: [RawServer] = []
    private(set) var kept: [AnyObject] = []

    typealias Answer = Result<HTTPClientResponse, HTTPClientError>

    init(_ options: HTTPClientOptions = HTTPClientOptions(), trust: TLSTrust? = nil) async throws {
        reactor = try Reactor(name: "test-client")
        try start(options, trust)
    }

    private func start(_ options: HTTPClientOptions, _ trust: TLSTrust?) throws {
        let tls = try trust.map { try TLSClient(trust: $0, protocols: ["http/1.1"]) }
        let security = tls.map { tls -> HTTPClient.Security in { try tls.makeStream(serverName: $0) } }
        client = try HTTPClient(reactor: reactor, options: options, security: security)
    }

    /// A listener on loopback; answers its port. `script` is called for each whole request, body included.
    func serve(
        security: (@Sendable () throws -> TLSServer)? = nil, opened: (@Sendable (RawServer.Connection) -> Void)? = nil,
        _ script: @escaping @Sendable (RawServer.Request, RawServer.Connection) -> Void
    ) throws -> Int {
        let server = try RawServer(reactor: reactor, security: try security?(), opened: opened, script)
        servers.append(server)
        return Int(server.port)
    }

    func run<T: Sendable>(_ body: @Sendable (isolated ClientHarness, HTTPClient) throws -> T) rethrows -> T { try body(self, client!) }
    func keep(_ object: AnyObject) { kept.append(object) }

    func send(_ request: HTTPClientRequest) async -> Answer {
        guard let client else { return .failure(.cancelled) }
        do throws(HTTPClientError) { return .success(try await client.send(request)) } catch { return .failure(error) }
    }

    func get(_ url: String, _ change: @Sendable (inout HTTPClientRequest) -> Void = { _ in }) async throws -> Answer {
        var request = try HTTPClientRequest(.get, url)
        change(&request)
        return await send(request)
    }

    /// The events of a stream until its end, or as many as that.
    func events(_ url: String, most: Int = .max) async throws -> [EventStreamReader.Event] {
        guard let client else { return [] }
        let stream = try await client.stream(try HTTPClientRequest(.get, url))
        var events: [EventStreamReader.Event] = []
        while events.count < most, let event = try await stream.nextEvent() { events.append(event) }
        return events
    }

    /// Opens a WebSocket, whose messages go to `news`; the error where it cannot.
    func talk(_ url: String, _ news: Log<String>) async -> HTTPClientError? {
        guard let client, let url = try? WebURL(url) else { return .cancelled }
        do throws(HTTPClientError) {
            try await client.connect(url) { session in
                session.onMessage = { _, message in
                    var bytes: [UInt8] = []
                    bytes.append(span: message)
                    news.add(String(decoding: bytes, as: UTF8.self))
                }
            }
            return nil
        } catch { return error }
    }

    var dialed: Int { client?.dialed ?? 0 }
    var connectionCount: Int { client?.connectionCount ?? 0 }
    var openWebSockets: Int { client?.webSocketCount ?? 0 }
    func dropKept() { kept = [] }
    var requestCount: Int { client?.requestCount ?? 0 }

    func stop() {
        client?.close()
        client = nil
        servers = []
        kept = []
        reactor.stop()
    }
}

/// Takes requests apart no further than it must, so that a test can answer anything.
final class RawServer {
    struct Request: Sendable {
        var head: String
        var body: [UInt8]
        /// Of the server's connections, from 0; and of the connection's requests, from 0.
        var connection: Int
        var number: Int

        var line: Substring { head.prefix { $0 != "\r\n" } }
        func field(_ name: String) -> String? {
            head.split(separator: "\r\n").dropFirst().first { $0.lowercased().hasPrefix(name + ":") }
                .map { String($0.dropFirst(name.utf8.count + 2)) }
        }
    }

    final class Connection {
        let socket: TCPConnection
        let number: Int
        fileprivate(set) var received: [UInt8] = []
        fileprivate var requests = 0

        fileprivate init(_ socket: TCPConnection, _ number: Int) { (self.socket, self.number) = (socket, number) }

        func send(_ text: String) { socket.send(Array(text.utf8)) }
        func end(_ text: String = "") {
            send(text)
            socket.closeAfterSending()
        }
    }

    private(set) var port: UInt16 = 0
    private var listener: TCPListener?
    private var connections: [Int: Connection] = [:]
    private var accepted = 0

    init(
        reactor: Reactor, security: TLSServer?, opened: ((Connection) -> Void)?, _ script: @escaping (Request, Connection) -> Void
    ) throws {
        let listener = try TCPListener(SocketAddress(IPAddress(127, 0, 0, 1), 0), reactor: reactor) { [unowned self] socket in
            let connection = Connection(socket, accepted)
            accepted += 1
            connections[connection.number] = connection
            socket.onBytes = { [weak connection] bytes in
                guard let connection else { return }
                connection.received.append(span: bytes.span)
                while let request = Self.take(connection) { script(request, connection) }
            }
            socket.onClose = { [weak self, number = connection.number] in self?.connections[number] = nil }
            opened?(connection)
            do { if let security { socket.secure(try security.makeStream(at: MonotonicClock.now())) } } catch { XCTFail("\(error)") }
        }
        self.listener = listener
        port = listener.address.port
    }

    private static func take(_ connection: Connection) -> Request? {
        let bytes = connection.received, mark = Array("\r\n\r\n".utf8)
        guard bytes.count >= 4, let end = (0...(bytes.count - 4)).first(where: { Array(bytes[$0..<($0 + 4)]) == mark }) else { return nil }
        var request = Request(
            head: String(decoding: bytes[..<(end + 2)], as: UTF8.self), body: [], connection: connection.number, number: connection.requests
        )
        let length = request.field("expect") == nil ? request.field("content-length").flatMap { Int($0) } ?? 0 : 0
        guard bytes.count >= end + 4 + length else { return nil }
        request.body = Array(bytes[(end + 4)..<(end + 4 + length)])
        connection.received.removeFirst(end + 4 + length)
        connection.requests += 1
        return request
    }
}

/// `HTTP/1.1 200 OK` with this body.
func ok(_ body: String, _ fields: String...) -> String {
    "HTTP/1.1 200 OK\r\n" + fields.map { $0 + "\r\n" }.joined() + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
}

extension Result where Success == HTTPClientResponse, Failure == HTTPClientError {
    /// `200 text`, or the error's words.
    var short: String {
        switch self {
        case .success(let response): "\(response.status.rawValue) \(response.text)"
        case .failure(let error): error.description
        }
    }
    var error: HTTPClientError? { if case .failure(let error) = self { error } else { nil } }
}
