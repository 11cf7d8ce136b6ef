import Wire

/// A transport address that a peer may be reached at (RFC 8445 clause 5.1, RFC 8839 clause 5.1).
public struct IceCandidate: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case host
        case serverReflexive = "srflx"
        case peerReflexive = "prflx"
        case relayed = "relay"

        /// RFC 8445 clause 5.1.2.2.
        public var typePreference: UInt32 {
            switch self {
            case .host: 126
            case .peerReflexive: 110
            case .serverReflexive: 100
            case .relayed: 0
            }
        }
    }

    /// RFC 6544 clause 4.5.
    public enum TCPType: String, Sendable, Hashable {
        case active, passive
        case simultaneousOpen = "so"
    }

    public enum Transport: Sendable, Hashable {
        case udp
        case tcp(TCPType)
    }

    public enum Host: Sendable, Hashable {
        case ip(IPAddress)
        /// A name ending in `.local` (RFC 8828 clause 5.2 mode 3 and its mDNS practice); lower case.
        case name(String)
    }

    /// 1…32 characters; candidates with the same one are likely to fare alike (RFC 8445 clause 5.1.1.3).
    public var foundation: String
    /// 1: RTP and, with rtcp-mux, all there is. 2: RTCP of peers that do not multiplex.
    public var component: UInt16
    public var transport: Transport
    public var priority: UInt32
    public var host: Host
    public var port: UInt16
    public var kind: Kind
    /// The base behind a reflexive candidate, the mapped address behind a relayed one (`raddr`, `rport`).
    public var related: SocketAddress?
    /// The extension `ufrag`, which says which generation a trickled candidate is of (RFC 8840 clause 4.2).
    public var usernameFragment: String?

    public init(
        foundation: String, component: UInt16 = 1, transport: Transport = .udp, priority: UInt32, host: Host, port: UInt16, kind: Kind,
        related: SocketAddress? = nil, usernameFragment: String? = nil
    ) {
        self.foundation = foundation
        self.component = component
        self.transport = transport
        self.priority = priority
        self.host = host
        self.port = port
        self.kind = kind
        self.related = related
        self.usernameFragment = usernameFragment
    }

    /// `nil` while the host is an unresolved name.
    public var address: SocketAddress? {
        guard case .ip(let ip) = host else { return nil }
        return SocketAddress(ip, port)
    }

    /// RFC 8445 clause 5.1.2.1; `localPreference` 0…65535.
    public static func priority(_ kind: Kind, localPreference: UInt32, component: UInt16 = 1) -> UInt32 {
        kind.typePreference << 24 | (localPreference & 0xFFFF) << 8 | (256 - UInt32(min(max(component, 1), 256)))
    }

    /// RFC 8445 clause 6.1.2.3. Priorities are below 2^31 (clause 5.1.2.1); a peer's larger ones count as the largest.
    public static func pairPriority(controlling: UInt32, controlled: UInt32) -> UInt64 {
        let g = UInt64(min(controlling, 0x7FFF_FFFF)), d = UInt64(min(controlled, 0x7FFF_FFFF))
        return min(g, d) << 32 + 2 * max(g, d) + (g > d ? 1 : 0)
    }

    /// Equal for candidates of the same kind, base address, protocol and server (RFC 8445 clause 5.1.1.3).
    static func foundation(_ kind: Kind, base: IPAddress, isTCP: Bool, server: SocketAddress?) -> String {
        let text = "\(kind.rawValue) \(base) \(isTCP) \(server.map(\.description) ?? "")"
        return String(CRC32.checksum(Array(text.utf8).span))
    }
}
