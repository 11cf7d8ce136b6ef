import Wire

/// The reduced mode (section 18, end of 8.1): connections told from the kernel's tables of sockets, read each second.
struct SocketWatch: Sendable {
    struct Connection: Sendable {
        var local: SocketAddress
        /// nil: a UDP socket that is not connected.
        var remote: SocketAddress?
        var name: String
        var roundTrip: Duration?
        var bitsPerSecond = 0.0
    }

    /// A TCP connection is believed when it is this old.
    private static let age = Duration.seconds(5)
    /// A table read a second ago cannot tell when in that second bytes moved: with this the end is seen 1.2…2.2 s after the last one. Where the
    /// tables are so long that they are read less often, it is that much later.
    private static let shortestQuiet = Duration.milliseconds(1200), beyondReading = Duration.milliseconds(200)
    private var quiet = SocketWatch.shortestQuiet
    private static let datagramsPerSecond = 20.0
    /// Linux gives clients ports from here on; a lower one that nobody listens on is a server's whose listener has gone.
    private static let firstEphemeralPort: UInt16 = 32_768
    /// By name, at most 15 bytes as the kernel keeps it: they hold sockets on high ports, and no operator speaks by them.
    private static let resolvers: Set<String> = [
        "systemd-resolve", "systemd-network", "systemd-timesyn", "dnsmasq", "unbound", "named", "avahi-daemon", "mdnsd", "nscd", "stubby",
        "dnscrypt-proxy", "kresd", "pdns_recursor", "NetworkManager", "dhclient", "dhcpcd", "chronyd", "ntpd",
    ]

    private struct TCPConnection {
        let key: FlowKey
        let firstSeen: Instant
        var bytes: UInt64
        var moved: Instant?
        var bitsPerSecond = 0.0
        var roundTrip: Duration?
        var local: FlowOwner?
        var far: FlowOwner?
        var lastListed: Int
    }

    /// Names that are known for certain, by the remote end.
    var names: [SocketAddress: String] = [:]
    var changes = Ring<ConnectionChange>(limit: 1024)
    private(set) var displaced = 0
    /// When `advance` would change something next.
    private(set) var deadline: Instant?
    private let examined: PortSet
    private let media: Range<Int>
    private let excluded: PortSet
    private var connections: [EndPair: TCPConnection] = [:]
    private var activeTCP: [EndPair: Connection] = [:]
    /// By owner, whose sockets count as one: 0 for owners that cannot be seen.
    private var activeUDP: [Int32: Connection] = [:]
    private var readings = 0
    private var last: (at: Instant, received: UInt64, sent: UInt64)?

    init(examined: PortSet, media: Range<Int>, excluded: PortSet) {
        (self.examined, self.media, self.excluded) = (examined, media, excluded)
    }

    var active: [Connection] { Array(activeTCP.values) + Array(activeUDP.values) }
    var megabitsPerSecond: Double { activeTCP.values.reduce(0) { $0 + $1.bitsPerSecond } / 1e6 }

    /// Whether evidence may have changed.
    mutating func observe(_ sockets: [SocketSample], datagramsReceived: UInt64, datagramsSent: UInt64, at now: Instant) -> Bool {
        let elapsed = last.map { (now - $0.at).seconds } ?? 0
        quiet = max(Self.shortestQuiet, .seconds(elapsed) + Self.beyondReading)
        readings += 1
        noteTCP(sockets, elapsed: elapsed, at: now)
        let udp = datagramsFlow(datagramsReceived, datagramsSent, elapsed: elapsed) ? udpConnections(sockets) : [:]
        last = (now, datagramsReceived, datagramsSent)
        let tcpChanged = replaceTCP(at: now)
        return replaceUDP(udp) || tcpChanged
    }

    mutating func advance(to now: Instant) -> Bool {
        for (pair, connection) in connections {
            if let moved = connection.moved, now - moved >= quiet { connections[pair]!.moved = nil }
        }
        return replaceTCP(at: now)
    }

    // MARK: TCP

    private mutating func noteTCP(_ sockets: [SocketSample], elapsed: Double, at now: Instant) {
        var listening = PortSet()
        for socket in sockets where socket.transport == .tcp && socket.isListening { listening.insert(socket.local.port) }
        for socket in sockets where socket.transport == .tcp && !socket.isListening {
            guard let remote = socket.remote, !excluded.contains(remote.port), !excluded.contains(socket.local.port) else { continue }
            let pair = EndPair(.tcp, socket.local, remote)
            if connections[pair] == nil {
                guard let key = examinedKey(socket, remote, listening) else { continue }
                guard connections.count < FlowTable<WebRTCFlow>.limit else { displaced += 1; continue }
                connections[pair] = TCPConnection(
                    key: key, firstSeen: now, bytes: socket.bytesReceived &+ socket.bytesSent, lastListed: readings)
            }
            note(socket, pair, elapsed: elapsed, at: now)
        }
        connections = connections.filter { $0.value.lastListed == readings }
    }

    /// nil: its service side is not on a port of section 8.1, or cannot be told.
    private func examinedKey(_ socket: SocketSample, _ remote: SocketAddress, _ listening: PortSet) -> FlowKey? {
        let isLoopback = socket.local.ip.isLoopback || socket.local.ip == remote.ip
        let service: SocketAddress
        if listening.contains(socket.local.port) {
            service = socket.local
        } else if isLoopback {
            guard listening.contains(remote.port) else { return nil }
            service = remote
        } else {
            guard socket.local.port >= Self.firstEphemeralPort else { return nil }
            service = remote
        }
        guard examined.contains(service.port) else { return nil }
        let local = isLoopback ? service : socket.local
        return FlowKey(.tcp, local: local, remote: local == socket.local ? remote : socket.local)
    }

    private mutating func note(_ socket: SocketSample, _ pair: EndPair, elapsed: Double, at now: Instant) {
        var connection = connections[pair]!
        // On loopback both ends are listed; the local one's counters are taken.
        if socket.local == connection.key.local {
            let bytes = socket.bytesReceived &+ socket.bytesSent
            if bytes > connection.bytes {
                connection.moved = now
                connection.bitsPerSecond = elapsed > 0 ? Double(bytes - connection.bytes) * 8 / elapsed : 0
            } else {
                connection.bitsPerSecond = 0
            }
            connection.bytes = bytes
            connection.local = socket.owner
            connection.roundTrip = socket.roundTrip
        } else {
            connection.far = socket.owner
        }
        connection.lastListed = readings
        connections[pair] = connection
    }

    private mutating func replaceTCP(at now: Instant) -> Bool {
        var active: [EndPair: Connection] = [:]
        for (pair, connection) in connections {
            guard now - connection.firstSeen >= Self.age, connection.moved != nil else { continue }
            active[pair] = Connection(
                local: connection.key.local, remote: connection.key.remote, name: name(of: connection), roundTrip: connection.roundTrip,
                bitsPerSecond: connection.bitsPerSecond)
        }
        deadline = connections.values.lazy.compactMap { $0.moved }.min().map { $0 + quiet }
        defer { activeTCP = active }
        return announce(from: activeTCP, to: active)
    }

    private func name(of connection: TCPConnection) -> String {
        var identity = FlowIdentity()
        identity.answer(local: connection.local, far: connection.far)
        let isLoopback = connection.key.local.ip.isLoopback || connection.key.local.ip == connection.key.remote.ip
        identity.settleName(connection.key, isLoopback: isLoopback, exact: names[connection.key.remote])
        return identity.name
    }

    // MARK: UDP

    private func datagramsFlow(_ received: UInt64, _ sent: UInt64, elapsed: Double) -> Bool {
        guard let last, elapsed > 0 else { return false }
        let most = max(received > last.received ? received - last.received : 0, sent > last.sent ? sent - last.sent : 0)
        return Double(most) >= Self.datagramsPerSecond * elapsed
    }

    private func udpConnections(_ sockets: [SocketSample]) -> [Int32: Connection] {
        var found: [Int32: Connection] = [:]
        for socket in sockets where socket.transport == .udp {
            let ports = [socket.local.port] + (socket.remote.map { [$0.port] } ?? [])
            guard ports.contains(where: { media.contains(Int($0)) }), !ports.contains(where: excluded.contains) else { continue }
            if let owner = socket.owner, Self.resolvers.contains(owner.process) { continue }
            let pid = socket.owner?.pid ?? 0
            // One that is connected says with whom.
            if let known = found[pid], known.remote != nil || socket.remote == nil { continue }
            guard found[pid] != nil || found.count < FlowTable<WebRTCFlow>.limit else { continue }
            found[pid] = Connection(local: socket.local, remote: socket.remote, name: name(of: socket))
        }
        return found
    }

    private func name(of socket: SocketSample) -> String {
        if let remote = socket.remote {
            var identity = FlowIdentity()
            identity.answer(local: socket.owner, far: nil)
            identity.settleName(FlowKey(.udp, local: socket.local, remote: remote), isLoopback: false, exact: names[remote])
            return identity.name
        }
        return socket.owner?.operatorID.flatMap(OperatorName.cleaned) ?? Analysis.unknown
    }

    private mutating func replaceUDP(_ active: [Int32: Connection]) -> Bool {
        defer { activeUDP = active }
        return announce(from: activeUDP, to: active)
    }

    // MARK: Changes

    private mutating func announce<Key: Hashable>(from old: [Key: Connection], to new: [Key: Connection]) -> Bool {
        var hasChanged = false
        for (key, connection) in old where new[key] == nil {
            announce(connection, isEstablished: false)
            hasChanged = true
        }
        for (key, connection) in new {
            if old[key] == nil { announce(connection, isEstablished: true) }
            if old[key]?.name != connection.name { hasChanged = true }
        }
        return hasChanged
    }

    private mutating func announce(_ connection: Connection, isEstablished: Bool) {
        _ = changes.append(
            ConnectionChange(
                kind: .webrtc, isEstablished: isEstablished, local: "\(connection.local)", remote: connection.remote.map { "\($0)" } ?? "",
                operatorName: connection.name))
    }
}
