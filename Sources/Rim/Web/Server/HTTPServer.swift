import HTTP
import Reactor
import Wire

/// An HTTP/1.1 and WebSocket server on a reactor: listeners, connections, limits. What it answers is its handler's.
public final class HTTPServer {
    public let options: HTTPServerOptions
    let handler: any HTTPHandler
    private let reactor: Reactor
    private var listeners: [TCPListener] = []
    private var connections: [ObjectIdentifier: HTTPServerConnection] = [:]
    private var byAddress: [IPAddress: Int] = [:]
    private var sweeper: ReactorTimer?
    private var requests: UInt64 = 0
    private(set) var isDraining = false
    private var drainEnd: Instant?
    private var onDrained: (() -> Void)?
    private var compressors: [Int: DeflateCompressor] = [:]
    /// Connections that were refused for want of room.
    public private(set) var refused = 0
    /// Where it counts; to be set before it listens.
    public var metrics: HTTPServerMetrics?
    /// A line for each request; nil: none. To be set before it listens.
    public var accessLog: Logger?
    private var accepted: UInt64 = 0
    /// TLS could not be begun or failed on a connection, which is closed: whose, and why. To be set before it listens.
    public var onFailedConnection: ((IPAddress, String) -> Void)?

    /// `Date: …` and CR LF of this second.
    private(set) var dateLine: [UInt8]
    private var dateSecond: Int64
    /// For connections that wake.
    private var spare: [HTTPServerExchange] = []
    private static let mostSpare = 64
    let webSocketRoom = WebSocketSession.Room()

    /// Since freed memory was given back.
    private var mostConnections = 0

    private static let sweepInterval = Duration.milliseconds(500)
    /// When so many have left, it is worth while to look for memory to give back.
    private static let crowd = 200

    public init(
        handler: any HTTPHandler, options: HTTPServerOptions = HTTPServerOptions(), reactor: Reactor
    ) {
        (self.handler, self.options, self.reactor) = (handler, options, reactor)
        dateSecond = MonotonicClock.unixSeconds()
        dateLine = Self.line(dateSecond)
        sweeper = reactor.makeTimer { [unowned self] now in sweep(at: now) }
    }

    deinit {
        for connection in Array(connections.values) { connection.abandon() }
    }

    /// The time of the round at hand.
    var now: Instant { reactor.now }

    /// What protects a connection that begins now: the server's side of TLS.
    public typealias Security = (Instant) throws -> any SecureStream

    /// Listens on a TCP address, for TLS where `security` is given; answers it with the port that the kernel chose.
    public func listen(_ address: SocketAddress, security: Security? = nil) throws(SystemError) -> SocketAddress {
        let listener = try TCPListener(address, reactor: reactor) { [unowned self] socket in accept(socket, security) }
        listeners.append(listener)
        return listener.address
    }

    /// Listens on a Unix-domain socket.
    public func listen(path: String) throws(SystemError) {
        listeners.append(try TCPListener(path: path, reactor: reactor) { [unowned self] socket in accept(socket, nil) })
    }

    public var connectionCount: Int { connections.count }

    private func accept(_ socket: TCPConnection, _ security: Security?) {
        tick()
        let address = socket.remote.ip
        let fromHere = byAddress[address.site, default: 0]
        guard connections.count < options.connections, options.trusts(address) || fromHere < options.connectionsPerAddress else {
            refused += 1
            metrics?.refused.add()
            return socket.close()
        }
        if let limit = options.kernelBuffer { socket.limitKernelBuffer(limit) }
        accepted &+= 1
        byAddress[address.site] = fromHere + 1
        let connection = HTTPServerConnection(socket, security: security, server: self, number: accepted, at: now)
        connections[ObjectIdentifier(connection)] = connection
        metrics?.accepted.add()
        metrics?.connections.set(connections.count)
        if sweeper?.deadline == nil { sweeper?.deadline = now + Self.sweepInterval }
    }

    func ended(_ connection: HTTPServerConnection) {
        let address = connection.socket.remote.ip.site
        if let count = byAddress[address] { byAddress[address] = count > 1 ? count - 1 : nil }
        connections[ObjectIdentifier(connection)] = nil
        metrics?.connections.set(connections.count)
        if isDraining, connections.isEmpty { finishDraining() }
    }

    // MARK: what is told

    func failed(_ peer: IPAddress, _ reason: String) {
        metrics?.failed.add()
        onFailedConnection?(peer, reason)
    }

    /// When a request began, for those who want to know how long it took.
    func startTime() -> Instant { metrics == nil && accessLog == nil ? now : MonotonicClock.now() }

    /// A response is out, or (status nil) whoever asked is gone. `isOpenEnded`: its end was the reader's.
    func answered(
        _ request: HTTPRequest, _ status: HTTPStatus?, bytes: Int, began: Instant, isOpenEnded: Bool = false, connection: UInt64
    ) {
        if let status { handler.answered(request, status, bytes: bytes) }
        guard metrics != nil || accessLog != nil else { return }
        let duration = MonotonicClock.now() - began
        if let metrics {
            metrics.count(request.method, status)
            if !isOpenEnded, status != nil { metrics.durations.observe(duration) }
        }
        if let accessLog { AccessLog.write(to: accessLog, connection: connection, request, status, bytes: bytes, took: duration) }
    }

    /// Refused before there was a request.
    func refusedUnread(_ peer: IPAddress, _ problem: HTTPProblem, connection: UInt64) {
        metrics?.count(nil, problem.status)
        if let accessLog { AccessLog.write(to: accessLog, connection: connection, refused: peer, problem) }
    }

    /// Nothing is kept between messages: one for each size of window serves all.
    func compressor(windowBits: Int) -> DeflateCompressor {
        if let made = compressors[windowBits] { return made }
        let made = DeflateCompressor(windowBits: windowBits)
        compressors[windowBits] = made
        return made
    }

    /// A trusted proxy's own name of a request stands in its log, too.
    func requestID(_ fields: HTTPFields, from peer: IPAddress) -> String {
        if !options.trustedProxies.isEmpty, options.trusts(peer), let id = fields["x-request-id"], id.utf8.count <= 64,
            HTTPFields.isName(id)
        {
            return id
        }
        requests &+= 1
        return String(requests, radix: 36)
    }

    func takeExchange() -> HTTPServerExchange { spare.popLast() ?? HTTPServerExchange(limits: options.limits) }

    func giveBack(_ exchange: HTTPServerExchange) { if spare.count < Self.mostSpare { spare.append(exchange) } }

    private func tick() {
        let second = MonotonicClock.unixSeconds()
        guard second != dateSecond else { return }
        dateSecond = second
        dateLine = Self.line(second)
    }

    private static func line(_ second: Int64) -> [UInt8] { Array("Date: \(HTTPDate.format(second))\r\n".utf8) }

    private func sweep(at now: Instant) {
        tick()
        let isOver = drainEnd.map { now >= $0 } ?? false
        for connection in Array(connections.values) {
            if isOver { connection.socket.close() } else { connection.sweep(at: now) }
        }
        if !connections.isEmpty { sweeper?.deadline = now + Self.sweepInterval }
        mostConnections = max(mostConnections, connections.count)
        guard mostConnections - connections.count >= Self.crowd else { return }
        mostConnections = connections.count
        giveBackFreedMemory()
    }

    // MARK: the end

    /// Takes no new connections, lets requests under way finish, closes idle ones; calls back when all are gone or `drainTimeout` is over.
    public func drain(_ done: @escaping () -> Void) {
        guard !isDraining else { return }
        isDraining = true
        listeners.removeAll()
        onDrained = done
        tick()
        drainEnd = now + options.drainTimeout
        for connection in Array(connections.values) { connection.drain() }
        if connections.isEmpty { finishDraining() }
    }

    /// Closes everything at once; requests under way end without an answer.
    public func close() {
        listeners.removeAll()
        for connection in Array(connections.values) { connection.socket.close() }
    }

    private func finishDraining() {
        let done = onDrained
        onDrained = nil
        sweeper = nil
        done?()
    }
}
