import RTC
import Reactor
import Wire

/// Where peers meet sockets: one UDP port, and one TCP port for those who cannot use UDP, for all peers of a server.
/// A check names its peer by user-name fragment; everything else is told apart by the path that a check has come along. Lives on the reactor.
public final class PeerHost {
    let reactor: Reactor
    let environment: EngineEnvironment
    public let transports: [LocalTransport]
    public private(set) var sessions: [Int: PeerSession] = [:]
    /// Datagrams that belong to nobody: counted and forgotten.
    public private(set) var strangers = 0
    private var sockets: [TransportID: UDPSocket] = [:]
    private var listeners: [TCPListener] = []
    private var streams: [TransportID: Stream] = [:]
    private var byFragment: [String: PeerSession] = [:]
    private var byPath: [NetworkPath: PeerSession] = [:]
    private var nextSession = 1
    private var nextTransport: UInt32 = 1000
    /// Ended sessions, kept until the event that ended them has been handled.
    private var ended: [Int] = []

    private static let maximumSessions = 10_000
    private static let maximumStreams = 10_000
    private static let maximumPaths = 32

    private final class Stream {
        let connection: TCPConnection
        var framer = RFC4571Framer()
        weak var session: PeerSession?
        init(_ connection: TCPConnection) { self.connection = connection }
    }

    /// Binds `port` on every address, or on all of this machine's when none is given. `advertised` replaces them in candidates (NAT, containers).
    public init(
        reactor: Reactor, environment: EngineEnvironment, port: UInt16, addresses: [IPAddress] = [], advertised: [IPAddress] = []
    ) throws(SystemError) {
        self.reactor = reactor
        self.environment = environment
        var transports: [LocalTransport] = []
        var made: [(TransportID, UDPSocket)] = []
        var port = port
        let wanted = addresses.isEmpty ? hostAddresses() : addresses
        var relay: (UDPSocket, TransportID) -> Void = { _, _ in }
        for (index, ip) in wanted.enumerated() {
            let id = TransportID(UInt32(index + 1))
            let socket = try UDPSocket(SocketAddress(ip, port), reactor: reactor) { socket in relay(socket, id) }
            port = socket.address.port
            made.append((id, socket))
            transports.append(
                LocalTransport(id: id, address: socket.address, advertised: advertised.map { SocketAddress($0, socket.address.port) }))
        }
        self.transports = transports
        for (id, socket) in made { sockets[id] = socket }
        relay = { [unowned self] socket, id in self.readable(socket, id) }
    }

    public var port: UInt16 { transports.first?.address.port ?? 0 }
    /// System calls for sending, datagrams that the kernel did not take, and how it segments.
    public var socketStatistics: (calls: Int, dropped: Int, offload: String) {
        sockets.values.reduce((0, 0, sockets.values.first?.offload.rawValue ?? "none")) { ($0.0 + $1.calls, $0.1 + $1.dropped, $0.2) }
    }

    // MARK: Sessions

    /// Nil: the server is full.
    public func makeSession(_ configuration: PeerConfiguration) -> PeerSession? {
        guard sessions.count < Self.maximumSessions else { return nil }
        let peer = Peer(configuration: configuration, environment: environment)
        let fragment = peer.localUsernameFragment
        let session = PeerSession(id: nextSession, peer: peer, host: self)
        nextSession += 1
        sessions[session.id] = session
        byFragment[fragment] = session
        return session
    }

    /// After an ICE restart checks come under a new fragment; the old one stays good until the session ends.
    public func refileFragment(of session: PeerSession) { byFragment[session.peer.localUsernameFragment] = session }

    public func remove(_ session: PeerSession) {
        session.with { peer, now in peer.close(at: now) }
        forget(session)
    }

    func ended(_ session: PeerSession) {
        // Its own flush is still running: forgotten in the next round.
        ended.append(session.id)
    }

    /// Forgets sessions that have ended by themselves. Called by whoever owns the host, now and then.
    public func sweep() {
        for id in ended { if let session = sessions[id] { forget(session) } }
        ended.removeAll()
    }

    private func forget(_ session: PeerSession) {
        session.stopTimer()
        sessions[session.id] = nil
        for (fragment, owner) in byFragment where owner === session { byFragment[fragment] = nil }
        for path in session.paths where byPath[path] === session { byPath[path] = nil }
        for (id, stream) in streams where stream.session === session {
            streams[id] = nil
            stream.connection.close()
        }
    }

    // MARK: Datagrams in

    private func readable(_ socket: UDPSocket, _ id: TransportID) {
        let now = MonotonicClock.now()
        socket.receive { bytes, source in route(bytes, NetworkPath(id, source), at: now) }
    }

    private func route(_ bytes: Span<UInt8>, _ path: NetworkPath, at now: Instant) {
        let known = byPath[path]
        if let known, bytes[0] > 3 {
            _ = known.receive(bytes, on: path, at: now)
            return
        }
        // A binding request says whose it is; the address may be somebody else's old one.
        let named = STUNMessage.localUsernameFragment(of: bytes).flatMap { byFragment[$0] }
        guard let session = named ?? known else {
            strangers += 1
            return
        }
        if session.receive(bytes, on: path, at: now) == nil, known !== session { file(path, under: session) }
    }

    private func file(_ path: NetworkPath, under session: PeerSession) {
        byPath[path] = session
        session.paths.append(path)
        if session.paths.count > Self.maximumPaths {
            let oldest = session.paths.removeFirst()
            if byPath[oldest] === session { byPath[oldest] = nil }
        }
    }

    // MARK: Datagrams out

    func transmit(_ datagrams: Datagrams, from session: PeerSession) {
        let transport = datagrams.path.transport
        // Answers to our own checks name nobody: they are known by the path that they come back along.
        if let first = datagrams.bytes.first, first < 4, byPath[datagrams.path] == nil { file(datagrams.path, under: session) }
        if let socket = sockets[transport] {
            socket.send(datagrams.bytes.span, segmentSize: datagrams.segmentSize, to: datagrams.path.remote)
        } else if let stream = streams[transport] {
            for start in stride(from: 0, to: datagrams.bytes.count, by: datagrams.segmentSize) {
                let end = min(start + datagrams.segmentSize, datagrams.bytes.count)
                var framed: [UInt8] = []
                RFC4571Framer.frame(datagrams.bytes.span.extracting(start..<end), into: &framed)
                stream.connection.send(framed)
            }
        }
    }

    // MARK: ICE-TCP (RFC 6544 passive, RFC 4571 framing)

    /// Also listens for TCP on the same port, for peers behind firewalls that pass nothing else.
    public func listenTCP() throws(SystemError) -> [LocalTransport] {
        var candidates: [LocalTransport] = []
        for transport in transports {
            listeners.append(
                try TCPListener(transport.address, reactor: reactor) { [unowned self] connection in accept(connection) })
            let id = TransportID(transport.id.rawValue + 500)
            candidates.append(LocalTransport(id: id, kind: .tcpPassive, address: transport.address, advertised: transport.advertised))
        }
        return candidates
    }

    private func accept(_ connection: TCPConnection) {
        guard streams.count < Self.maximumStreams else { return connection.close() }
        let id = TransportID(nextTransport)
        nextTransport = nextTransport &+ 1 | 0x400
        let stream = Stream(connection)
        streams[id] = stream
        connection.onBytes = { [unowned self] bytes in
            let now = MonotonicClock.now()
            do {
                try stream.framer.append(bytes)
                while let message = try stream.framer.next() {
                    route(message.span, NetworkPath(id, connection.remote), at: now)
                    stream.session = byPath[NetworkPath(id, connection.remote)]
                }
            } catch {
                connection.close()
            }
        }
        connection.onClose = { [unowned self] in
            let now = MonotonicClock.now()
            streams[id] = nil
            stream.session?.peer.streamClosed(id, at: now)
            stream.session?.flush()
        }
    }

    /// Streams and names are for agents that use TURN servers or mDNS.
    func carryOut(_ output: PeerOutput, for session: PeerSession) {}
}
