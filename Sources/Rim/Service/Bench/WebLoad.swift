import Crypto
import HTTP
import Reactor
import Wire

/// `waldo bench web-load`: many clients of a web server in one process and one thread, which check every answer.
public actor WebLoad {
    public enum Mode: String, Sendable, CaseIterable {
        /// The same small GET again and again on kept connections.
        case json
        /// A WebSocket message that comes back, again and again.
        case echo
        /// Connections that are opened and then say nothing, beside answering pings.
        case idle
        /// WebSockets that only listen.
        case fanout
    }

    public struct Options: Sendable {
        public var mode: Mode
        /// `http://ADDRESS:PORT/PATH`, also for WebSockets.
        public var url: String
        public var connections = 100
        /// Requests or messages under way on each connection.
        public var depth = 1
        /// Bytes of a message; of `fanout` the least.
        public var size = 64
        /// Whether the connections of `idle` are WebSockets.
        public var webSocket = false
        /// Before the seconds that count.
        public var warmUp = Duration.seconds(1)
        public var length = Duration.seconds(5)
        /// Whose CPU time is read at both ends of the seconds that count.
        public var process: Int32?

        public init(_ mode: Mode, _ url: String) { (self.mode, self.url) = (mode, url) }
    }

    /// Of the seconds that count.
    public struct Figures: Sendable {
        public var connections = 0
        /// Right answers, echoes or messages.
        public var messages = 0
        /// Wrong ones; each ends its connection.
        public var wrong = 0
        /// Connections that the server ended.
        public var ended = 0
        public var seconds = 0.0
        /// CPU seconds of this process.
        public var ownCPU = 0.0
        /// CPU seconds of the server's process, where it was named.
        public var serverCPU: Double?
    }

    private nonisolated let reactor: Reactor
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private let options: Options
    private var run: WebLoadRun?

    public init(_ options: Options) throws {
        self.options = options
        reactor = try Reactor(name: "waldo-load")
    }

    /// Opens the connections, calls `onOpen` when all are open, loads, and answers the figures.
    public func measure(onOpen: @escaping @Sendable (Int) -> Void) async throws -> Figures {
        let target = try WebLoadTarget(options.url)
        let run = WebLoadRun(options, to: target, reactor: reactor, onOpen: onOpen)
        self.run = run
        return try await withCheckedThrowingContinuation { continuation in run.begin { continuation.resume(with: $0) } }
    }
}

/// Where a load goes: an IP address or `localhost`, in the clear or over TLS with whatever certificate.
final class WebLoadTarget {
    let address: SocketAddress
    let host: String
    /// What is asked for.
    let path: String
    fileprivate let tls: TLSClient?

    init(_ text: String) throws {
        let url = try WebURL(text)
        guard let ip = IPAddress(url.host == "localhost" ? "127.0.0.1" : url.host) else {
            throw WebLoadFailure(description: "url: expected an IP address or localhost, got `\(url.host)`")
        }
        address = SocketAddress(ip, url.port)
        (host, path) = (url.host, url.target)
        tls = url.scheme.isSecure ? try TLSClient(trust: .anyone) : nil
    }
}

struct WebLoadFailure: Error, CustomStringConvertible {
    let description: String
}

/// One measurement, on the reactor.
private final class WebLoadRun {
    private let options: WebLoad.Options
    private let target: WebLoadTarget
    private let reactor: Reactor
    private let onOpen: (Int) -> Void
    private var done: ((Result<WebLoad.Figures, any Error>) -> Void)?
    private var timer: ReactorTimer?
    private var connectors: [Int: TCPConnector] = [:]
    private var begun = 0
    private var clients: [WebLoadClient] = []
    private var open = 0
    private let tally = WebLoadTally()
    private var before: Reading?

    /// Connections that are being opened at once.
    private static let opening = 128
    /// For one of them.
    private static let patience = Duration.seconds(10)

    private struct Reading {
        var at: Instant
        var figures: WebLoad.Figures
        var own: Double
        var server: Double?
    }

    init(_ options: WebLoad.Options, to target: WebLoadTarget, reactor: Reactor, onOpen: @escaping (Int) -> Void) {
        (self.options, self.target, self.reactor, self.onOpen) = (options, target, reactor, onOpen)
    }

    func begin(_ done: @escaping (Result<WebLoad.Figures, any Error>) -> Void) {
        self.done = done
        timer = reactor.makeTimer { [unowned self] now in tick(at: now) }
        for _ in 0..<min(Self.opening, options.connections) { openNext() }
    }

    private func openNext() {
        guard begun < options.connections, done != nil else { return }
        begun += 1
        let number = begun
        connectors[number] = TCPConnector(to: target.address, reactor: reactor, timeout: Self.patience) { [unowned self] outcome in
            connectors[number] = nil
            switch outcome {
            case .success(let socket): connected(socket, number)
            case .failure(let error): finish(.failure(error))
            }
        }
    }

    private func connected(_ socket: TCPConnection, _ number: Int) {
        let client = WebLoadClient(socket, number: number, options: options, target: target, tally: tally)
        client.onOpen = { [unowned self] in
            open += 1
            openNext()
            if open == options.connections { allOpen() }
        }
        client.onFailure = { [unowned self] text in finish(.failure(WebLoadFailure(description: text))) }
        clients.append(client)
        guard let tls = target.tls else { return client.begin() }
        socket.onSecured = { [unowned client] in client.begin() }
        do { socket.secure(try tls.makeStream(serverName: target.host)) } catch { finish(.failure(error)) }
    }

    private func allOpen() {
        onOpen(open)
        for client in clients { client.load() }
        timer?.deadline = MonotonicClock.now() + options.warmUp
    }

    private func tick(at now: Instant) {
        let reading = Reading(
            at: now, figures: tally.figures, own: ProcessClock.own(), server: options.process.map(ProcessClock.of)
        )
        guard let before else {
            before = reading
            timer?.deadline = now + options.length
            return
        }
        var figures = reading.figures
        figures.connections = open
        figures.messages -= before.figures.messages
        figures.seconds = (now - before.at).seconds
        figures.ownCPU = reading.own - before.own
        if let server = reading.server, let first = before.server { figures.serverCPU = server - first }
        finish(.success(figures))
    }

    private func finish(_ result: Result<WebLoad.Figures, any Error>) {
        guard let done else { return }
        self.done = nil
        timer = nil
        connectors = [:]
        for client in clients { client.close() }
        done(result)
    }
}

/// What all clients of a run share: what they have counted.
final class WebLoadTally {
    var figures = WebLoad.Figures()
}
