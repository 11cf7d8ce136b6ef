import Wire

/// The two ends of a flow whichever way a packet goes: what flows are looked up by.
struct EndPair: Sendable, Hashable {
    let transport: Transport
    let lower: SocketAddress
    let upper: SocketAddress

    init(_ transport: Transport, _ a: SocketAddress, _ b: SocketAddress) {
        self.transport = transport
        (lower, upper) = EndPair.isOrdered(a, b) ? (a, b) : (b, a)
    }

    init(_ packet: Packet) { self.init(packet.transport, packet.source, packet.destination) }

    init(_ key: FlowKey) { self.init(key.transport, key.local, key.remote) }

    private static func isOrdered(_ a: SocketAddress, _ b: SocketAddress) -> Bool {
        if a.ip.low != b.ip.low { return a.ip.low < b.ip.low }
        if a.ip.high != b.ip.high { return a.ip.high < b.ip.high }
        return a.port <= b.port
    }

    /// Written out, as the derived one feeds the hasher field by field and costs more than all else that is done with a packet.
    func hash(into hasher: inout Hasher) {
        hasher.combine(lower.ip.low ^ lower.ip.high)
        hasher.combine(upper.ip.low ^ upper.ip.high)
        hasher.combine(UInt64(lower.port) << 32 | UInt64(upper.port) << 8 | UInt64(transport.rawValue))
    }
}
