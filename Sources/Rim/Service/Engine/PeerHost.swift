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
    var sockets: [TransportID: UDPSocket] = [:]
    /// Whose a socket is that serves one session only.
    private var owners: [TransportID: PeerSession] = [:]
    var listeners: [TCPListener] = []
    var streams: [TransportID: AcceptedStream] = [:]
    private var byFragment: [String: PeerSession] = [:]
    var byPath: [NetworkPath: PeerSession] = [:]
    private var nextSession = 1
    private var nextTransport: UInt32 = 1000
    /// Ended sessions, kept until the event that ended them has been handled.
    private var ended: [Int] = []
    private var sweeper: ReactorTimer?
    var streamSweeper: ReactorTimer?
    private let advertised: [IPAddress]
    let names: HostNames
    /// What datagrams are written in, while no session has it.
    var spare: [UInt8]?

    private static let maximumSessions = 10_000
    private static let maximumPaths = 32
    /// Fragments of one session: it is known by its newest ones.
    private static let maximumFragments = 8

    /// Binds `port` on every address, or on all of this machine's when none is given. `advertised` replaces them in candidates (NAT, containers).
    public init(
        reactor: Reactor, environment: EngineEnvironment, port: UInt16, addresses: [IPAddress] = [], advertised: [IPAddress] = []
    ) throws(SystemError) {
        self.reactor = reactor
        self.environment = environment
        self.advertised = advertised
        names = HostNames(reactor: reactor)
        var relay: (UDPSocket, TransportID) -> Void = { _, _ in }
        let bound = try Self.bind(addresses.isEmpty ? hostAddresses() : addresses, port, reactor) { socket, id in relay(socket, id) }
        transports = bound.map { id, socket in
            LocalTransport(id: id, address: socket.address, advertised: advertised.map { SocketAddress($0, socket.address.port) })
        }
        for (id, socket) in bound { sockets[id] = socket }
        relay = { [unowned self] socket, id in
            let now = MonotonicClock.now()
            socket.receive { bytes, source in route(bytes, NetworkPath(id, source), at: now) }
        }
        sweeper = reactor.makeTimer { [unowned self] _ in sweep() }
    }

    /// Paths that are filed under sessions, at most 32 for each.
    package var pathCount: Int { byPath.count }
    /// One UDP socket an address, all on one port. Where the kernel chooses it, it must be free on every address, and for TCP too: what is
    /// free on the first need not be on the next, so it is tried some times.
    private static func bind(
        _ addresses: [IPAddress], _ port: UInt16, _ reactor: Reactor, onReadable: @escaping (UDPSocket, TransportID) -> Void
    ) throws(SystemError) -> [(TransportID, UDPSocket)] {
        var attempts = port == 0 ? 20 : 1
        while true {
            attempts -= 1
            do throws(SystemError) {
                var bound: [(TransportID, UDPSocket)] = []
                for (index, ip) in addresses.enumerated() {
                    let id = TransportID(UInt32(index + 1))
                    let wanted = SocketAddress(ip, bound.first?.1.address.port ?? port)
                    bound.append((id, try UDPSocket(wanted, reactor: reactor) { socket in onReadable(socket, id) }))
                    if port == 0 { _ = try TCPListener(bound[index].1.address, reactor: reactor) { $0.close() } }
                }
                return bound
            } catch {
                guard attempts > 0 else { throw error }
            }
        }
    }

    public var port: UInt16 { transports.first?.address.port ?? 0 }
    /// System calls for sending, datagrams that the kernel did not take, and how it segments.
    public var socketStatistics: (calls: Int, dropped: Int, offload: String) {
        sockets.values.reduce((0, 0, sockets.values.first?.offload.rawValue ?? "none")) { ($0.0 + $1.calls, $0.1 + $1.dropped, $0.2) }
    }

    // MARK: Sessions

    /// Makes a peer on the host's port. One whose ICE has servers gets sockets of its own in place of the UDP transports that it names:
    /// several peers cannot talk to one TURN server from one port.
    public func makeSession(_ configuration: PeerConfiguration) throws(PeerHostError) -> PeerSession {
        guard sessions.count < Self.maximumSessions else { throw .full(sessions: Self.maximumSessions) }
        var configuration = configuration
        var own: [TransportID: UDPSocket] = [:]
        if !configuration.ice.servers.isEmpty {
            let shared = configuration.ice.transports.filter { $0.kind == .udp }
            configuration.ice.transports.removeAll { $0.kind == .udp }
            for transport in shared.reversed() {
                let (socket, replacement) = try ownSocket(transport.address.ip)
                own[replacement.id] = socket
                configuration.ice.transports.insert(replacement, at: 0)
            }
        }
        let session = PeerSession(id: nextSession, peer: Peer(configuration: configuration, environment: environment), host: self)
        nextSession += 1
        sessions[session.id] = session
        for (id, socket) in own {
            sockets[id] = socket
            owners[id] = session
            session.ownTransports.append(id)
        }
        file(fragment: session.peer.localUsernameFragment, under: session)
        return session
    }

    private func ownSocket(_ ip: IPAddress) throws(PeerHostError) -> (UDPSocket, LocalTransport) {
        let id = takeTransport()
        do throws(SystemError) {
            let socket = try UDPSocket(SocketAddress(ip, 0), reactor: reactor) { [unowned self] socket in readable(socket, id) }
            let outer = advertised.map { SocketAddress($0, socket.address.port) }
            return (socket, LocalTransport(id: id, address: socket.address, advertised: outer))
        } catch { throw .socket(error) }
    }

    /// A number that no socket or stream has; the upper half belongs to the agents' own streams.
    func takeTransport() -> TransportID {
        repeat {
            nextTransport = nextTransport >= 0x7FFF_FFFF ? 1000 : nextTransport + 1
        } while sockets[TransportID(nextTransport)] != nil || streams[TransportID(nextTransport)] != nil
        return TransportID(nextTransport)
    }

    /// After an ICE restart checks come under a new fragment; the one before stays good, as checks under it are still on their way.
    func file(fragment: String, under session: PeerSession) {
        byFragment[fragment] = session
        session.fragments.append(fragment)
        if session.fragments.count > Self.maximumFragments {
            let oldest = session.fragments.removeFirst()
            if byFragment[oldest] === session { byFragment[oldest] = nil }
        }
    }

    public func remove(_ session: PeerSession) {
        session.with { peer, now in peer.close(at: now) }
        forget(session)
    }

    func ended(_ session: PeerSession) {
        // Its own flush is still running: forgotten in the next round.
        ended.append(session.id)
        sweeper?.deadline = MonotonicClock.now()
    }

    private func sweep() {
        let ids = ended
        ended.removeAll()
        for id in ids { if let session = sessions[id] { forget(session) } }
    }

    private func forget(_ session: PeerSession) {
        session.stop()
        sessions[session.id] = nil
        for fragment in session.fragments where byFragment[fragment] === session { byFragment[fragment] = nil }
        for path in session.paths where byPath[path] === session { byPath[path] = nil }
        for id in session.ownTransports {
            sockets[id] = nil
            owners[id] = nil
        }
        for (id, stream) in streams where stream.session === session {
            streams[id] = nil
            stream.connection.close()
        }
    }

    // MARK: Datagrams in

    /// A socket that serves one session only.
    private func readable(_ socket: UDPSocket, _ id: TransportID) {
        let now = MonotonicClock.now()
        // Looked up for each: the one before may have ended the session.
        socket.receive { bytes, source in _ = owners[id]?.receive(bytes, on: NetworkPath(id, source), at: now) }
    }

    /// A stranger costs the two lookups here and nothing that lasts: a path is filed only after its check was found good.
    func route(_ bytes: Span<UInt8>, _ path: NetworkPath, at now: Instant) {
        let known = byPath[path]
        // RFC 7983 clause 7: 0 to 3 is STUN.
        guard bytes[0] <= 3 else {
            if let known { _ = known.receive(bytes, on: path, at: now) } else { strangers += 1 }
            return
        }
        // A binding request says whose it is; the address may be somebody else's old one.
        let named = STUNMessage.localUsernameFragment(of: bytes).flatMap { byFragment[$0] }
        guard let session = named ?? known else {
            strangers += 1
            return
        }
        // A sender who forges addresses could take over a path by a check of its own: not while its owner is heard along it.
        let isTaken = known.map { $0 !== session && $0.wasHeard(within: .seconds(1), of: now) } ?? false
        if session.receive(bytes, on: path, at: now) == nil, known !== session, !isTaken { file(path, under: session) }
    }

    private func file(_ path: NetworkPath, under session: PeerSession) {
        // The answer to the check has filed it already where it is new.
        guard byPath[path] !== session else { return }
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
            stream.send(datagrams)
        }
    }
}

/// Why a host does not take another peer.
public enum PeerHostError: Error, Sendable, Hashable, CustomStringConvertible {
    case full(sessions: Int)
    /// A socket of the peer's own could not be made.
    case socket(SystemError)

    public var description: String {
        switch self {
        case .full(let sessions): "the server holds at most \(sessions) sessions; try again when others have ended"
        case .socket(let error): "cannot make a socket for the peer: \(error); are too many files open?"
        }
    }
}
