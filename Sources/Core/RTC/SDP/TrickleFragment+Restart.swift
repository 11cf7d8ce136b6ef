/// A restart of ICE by a fragment alone, as WHIP and WHEP do it (RFC 9725 clause 4.3.3): everything else stays as it was described.
extension TrickleFragment {
    /// The offer with this fragment's credentials and candidates in place of its own; nil: they are the same or none, and nothing restarts.
    public func restart(of offer: SessionDescription) -> SessionDescription? {
        guard let new = credentials ?? sections.lazy.compactMap(\.credentials).first else { return nil }
        guard !offer.media.contains(where: { offer.transport(of: $0).credentials == new }) else { return nil }
        var next = offer
        next.origin.version &+= 1
        Self.replace(&next.transport, new)
        for index in next.media.indices {
            Self.replace(&next.media[index].transport, new)
            (next.media[index].candidates, next.media[index].endOfCandidates) = ([], false)
        }
        if let first = next.media.firstIndex(where: { !$0.isRejected }) { next.media[first].candidates = sections.flatMap(\.candidates) }
        return next
    }

    /// Only where there were some: a section of a bundle may leave them to another.
    private static func replace(_ transport: inout TransportAttributes, _ new: IceCredentials) {
        guard transport.credentials != nil else { return }
        (transport.usernameFragment, transport.password) = (new.usernameFragment, new.password)
    }

    /// What the other side needs of a description to go on after a restart.
    public init(restartedBy answer: SessionDescription) {
        self.init()
        isICELite = answer.isICELite
        guard let section = answer.media.first(where: { !$0.isRejected }) else { return }
        let format = section.formats.first ?? "0"
        var first = Section(mLine: "\(section.kind.text) 9 \(section.protocolName) \(format)", mid: section.mid)
        first.credentials = answer.transport(of: section).credentials
        (first.candidates, first.endOfCandidates) = (section.candidates, section.endOfCandidates)
        sections = [first]
    }
}
