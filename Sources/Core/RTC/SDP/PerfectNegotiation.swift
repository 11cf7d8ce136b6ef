/// Both sides may offer at any time; when two offers cross, the polite side takes its own back and the impolite side ignores the other's
/// (W3C WebRTC clause 10.7, "perfect negotiation").
public struct PerfectNegotiation: Sendable {
    public enum Outcome: Sendable, Hashable {
        /// An offer was applied: create, set and send an answer.
        case answerNeeded
        /// An answer was applied; where `Negotiator.needsNegotiation` is still true, offer again.
        case applied
        /// The peer's offer crossed ours and lost; its candidates are to be ignored as well.
        case ignored
    }

    public let isPolite: Bool
    /// True from an ignored offer to the next description that is applied.
    public private(set) var ignoresOffer = false

    public init(isPolite: Bool) {
        self.isPolite = isPolite
    }

    /// Applies what the peer sent, taking our pending offer back first where politeness asks for it.
    public mutating func receive(
        _ description: SessionDescription, kind: DescriptionKind, into negotiator: inout Negotiator
    ) throws(NegotiationError) -> Outcome {
        guard kind == .offer else {
            try negotiator.setRemote(description, kind: kind)
            ignoresOffer = false
            return .applied
        }
        if negotiator.signalingState == .haveLocalOffer || negotiator.signalingState == .haveRemotePranswer {
            guard isPolite else {
                ignoresOffer = true
                return .ignored
            }
            var rolledBack = negotiator
            rolledBack.rollback()
            try rolledBack.setRemote(description, kind: .offer)
            negotiator = rolledBack
        } else {
            try negotiator.setRemote(description, kind: .offer)
        }
        ignoresOffer = false
        return .answerNeeded
    }
}
