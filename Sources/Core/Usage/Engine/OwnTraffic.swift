import Wire

/// What the monitor itself sends and gets: it never counts (section 8).
struct OwnTraffic: Sendable {
    var serverPort: UInt16?
    /// To publishers, a handful.
    private var connections: [(local: SocketAddress, remote: SocketAddress)] = []

    mutating func set(local: SocketAddress, remote: SocketAddress, isOpen: Bool) {
        connections.removeAll { $0.local == local && $0.remote == remote }
        if isOpen { connections.append((local, remote)) }
    }

    func contains(_ packet: Packet) -> Bool {
        guard packet.transport == .tcp else { return false }
        if let serverPort {
            if packet.isLoopback {
                if packet.source.port == serverPort || packet.destination.port == serverPort { return true }
            } else if (packet.isOutgoing ? packet.source : packet.destination).port == serverPort {
                return true
            }
        }
        return connections.contains {
            $0.local == packet.source && $0.remote == packet.destination || $0.remote == packet.source && $0.local == packet.destination
        }
    }

    func contains(_ socket: SocketSample) -> Bool {
        guard socket.transport == .tcp else { return false }
        if let serverPort, socket.local.port == serverPort { return true }
        guard let remote = socket.remote else { return false }
        // The other side of a client on this machine.
        if let serverPort, remote.port == serverPort, remote.ip.isLoopback || remote.ip == socket.local.ip { return true }
        return connections.contains {
            $0.local == socket.local && $0.remote == remote || $0.remote == socket.local && $0.local == remote
        }
    }
}
