/// One offer or answer (RFC 8866, RFC 8829): what the text says, not what it means.
public struct SessionDescription: Sendable, Hashable {
    /// `o=`.
    public struct Origin: Sendable, Hashable {
        public var user: String
        public var sessionID: String
        public var version: UInt64
        /// As in `IN IP4 127.0.0.1`.
        public var address: String

        public init(user: String = "-", sessionID: String, version: UInt64, address: String = "IN IP4 127.0.0.1") {
            self.user = user
            self.sessionID = sessionID
            self.version = version
            self.address = address
        }
    }

    /// `a=group` (RFC 5888 clause 5): BUNDLE, LS.
    public struct Group: Sendable, Hashable {
        public var semantics: String
        public var mids: [String]

        public init(semantics: String, mids: [String]) {
            self.semantics = semantics
            self.mids = mids
        }
    }

    public var origin: Origin
    public var name = "-"
    public var groups: [Group] = []
    /// `a=extmap-allow-mixed` for all sections (RFC 8285 clause 6).
    public var allowsMixedExtensions = false
    /// `a=ice-lite`.
    public var isICELite = false
    /// What holds for all sections that do not say otherwise.
    public var transport = TransportAttributes()
    /// The direction of sections that name none (RFC 8866 clause 6.7).
    public var direction: MediaDirection?
    /// What follows `a=msid-semantic:`.
    public var msidSemantic: String?
    /// `a=end-of-candidates` for all sections.
    public var endOfCandidates = false
    /// Lines that this engine gives no meaning to, without `a=`.
    public var otherAttributes: [String] = []
    public var media: [MediaSection] = []

    public init(origin: Origin) {
        self.origin = origin
    }

    /// The identification tags of the first BUNDLE group (RFC 9143).
    public var bundle: [String] { groups.first { $0.semantics == "BUNDLE" }?.mids ?? [] }

    /// The section's own transport attributes, completed by the session's.
    public func transport(of section: MediaSection) -> TransportAttributes {
        var own = section.transport
        if own.usernameFragment == nil && own.password == nil {
            own.usernameFragment = transport.usernameFragment
            own.password = transport.password
        }
        if own.options.isEmpty { own.options = transport.options }
        if own.fingerprints.isEmpty { own.fingerprints = transport.fingerprints }
        if own.setup == nil { own.setup = transport.setup }
        return own
    }

    /// The section whose transport attributes hold for `section`: itself, or, where it brings none, the first of its bundle that does
    /// (RFC 9143 clause 7.1.3).
    public func carrier(of section: MediaSection) -> MediaSection {
        guard transport(of: section).credentials == nil, let mid = section.mid, bundle.contains(mid) else { return section }
        for tag in bundle {
            if let tagged = media.first(where: { $0.mid == tag }), transport(of: tagged).credentials != nil { return tagged }
        }
        return section
    }

    public func direction(of section: MediaSection) -> MediaDirection {
        section.direction ?? direction ?? .sendrecv
    }
}
