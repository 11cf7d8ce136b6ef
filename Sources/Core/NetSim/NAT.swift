import Wire

/// What a NAT lets in, in the old words of RFC 3489 clause 5 (RFC 4787: endpoint-independent mapping with one of three filters; symmetric
/// is address-and-port-dependent mapping).
public enum NATKind: Sendable, Hashable, CaseIterable {
    case fullCone, addressRestricted, portRestricted, symmetric
}

/// A network address translator with one outer address. It does not hairpin.
public struct NAT: Sendable {
    private struct Mapping {
        var inner: SocketAddress
        var outerPort: UInt16
        /// Symmetric NATs map for one destination only.
        var destination: SocketAddress?
        var contacted: Set<SocketAddress> = []
        var expires: Instant
    }

    public let kind: NATKind
    public let outer: IPAddress
    /// How long a mapping lives after the last datagram out.
    public var timeout = Duration.seconds(60)
    private var mappings: [Mapping] = []
    private var nextPort: UInt16

    public init(_ kind: NATKind, outer: IPAddress, firstPort: UInt16 = 20_001) {
        self.kind = kind
        self.outer = outer
        nextPort = firstPort
    }

    /// Forgets every mapping, as after a reboot or when a mobile network gives a new way out: what comes next has other ports.
    public mutating func forget() { mappings.removeAll() }

    /// The outer source address of a datagram.
    mutating func translateOut(from inner: SocketAddress, to destination: SocketAddress, at now: Instant) -> SocketAddress {
        mappings.removeAll { $0.expires <= now }
        let index =
            mappings.firstIndex { $0.inner == inner && (kind != .symmetric || $0.destination == destination) }
            ?? {
                mappings.append(
                    Mapping(inner: inner, outerPort: nextPort, destination: kind == .symmetric ? destination : nil, expires: now + timeout))
                nextPort = nextPort == .max ? 1024 : nextPort + 1
                return mappings.count - 1
            }()
        mappings[index].contacted.insert(destination)
        mappings[index].expires = now + timeout
        return SocketAddress(outer, mappings[index].outerPort)
    }

    /// The inner address for what came to the outer port; nil: filtered.
    func translateIn(from source: SocketAddress, toPort port: UInt16, at now: Instant) -> SocketAddress? {
        guard let mapping = mappings.first(where: { $0.outerPort == port && $0.expires > now }) else { return nil }
        let isAllowed =
            switch kind {
            case .fullCone: true
            case .addressRestricted: mapping.contacted.contains { $0.ip == source.ip }
            case .portRestricted, .symmetric: mapping.contacted.contains(source)
            }
        return isAllowed ? mapping.inner : nil
    }
}
