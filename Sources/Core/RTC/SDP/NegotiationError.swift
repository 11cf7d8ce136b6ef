/// Why a description cannot be made or applied.
public enum NegotiationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The step is not allowed now (RFC 8829 clause 3.2).
    case wrongState(SignalingState, attempted: String)
    /// A local description that is not the one last created here.
    case notTheLastCreated
    /// Nothing to offer: no transceiver, no data channel.
    case nothingToOffer
    /// Fewer m-lines than agreed before, or not as many in an answer as in its offer (RFC 3264 clauses 6 and 8).
    case sectionCount(expected: Int, found: Int)
    /// The m-line at this index changed its kind or its tag while in use (RFC 8829 clause 5.10).
    case sectionChanged(index: Int)
    /// No `a=ice-ufrag` and `a=ice-pwd` (RFC 8839 clause 5.4).
    case missingCredentials(mid: String)
    /// No fingerprint of sha-256, sha-384 or sha-512 (RFC 8827 clause 6.5).
    case missingFingerprint(mid: String)
    /// An answer without `active` or `passive`, or one that contradicts the offer or the running association (RFC 8842 clause 5).
    case setup(mid: String)
    /// Two accepted sections that share no BUNDLE group; we have one transport (RFC 9143).
    case notBundled(mid: String)
    /// An accepted media section without `a=rtcp-mux` (RFC 8834 clause 4.5).
    case missingMux(mid: String)
    /// An ICE restart must come with new credentials (RFC 8839 clause 4.4.1.1.1).
    case restartNeedsNewCredentials
    /// More transceivers or sections than we keep.
    case tooMany
    /// No transceiver has this identifier.
    case unknownTransceiver

    public var description: String {
        switch self {
        case .wrongState(let state, let attempted): "\(attempted) is not possible in state \(state.rawValue); finish or roll back first"
        case .notTheLastCreated:
            "local description: expected the one last created, got another; apply what createOffer or createAnswer gave"
        case .nothingToOffer: "offer: expected a transceiver or data channels, got none; add one first"
        case .sectionCount(let expected, let found): "m-lines: expected \(expected), got \(found)"
        case .sectionChanged(let index): "m-line \(index): expected the kind and mid agreed before, got others"
        case .missingCredentials(let mid): "section \(mid): expected a=ice-ufrag and a=ice-pwd, got none"
        case .missingFingerprint(let mid): "section \(mid): expected a=fingerprint of sha-256, sha-384 or sha-512, got none"
        case .setup(let mid): "section \(mid): a=setup does not fit the offer or the running association"
        case .notBundled(let mid): "section \(mid): expected it in the BUNDLE group, as there is one transport"
        case .missingMux(let mid): "section \(mid): expected a=rtcp-mux"
        case .restartNeedsNewCredentials: "ICE restart: expected new credentials, got those in use"
        case .tooMany: "expected at most \(SDPLimit.sections) sections and transceivers"
        case .unknownTransceiver: "no transceiver has this identifier"
        }
    }
}

/// RFC 8829 clause 3.2.
public enum SignalingState: String, Sendable, Hashable {
    case stable
    case haveLocalOffer = "have-local-offer"
    case haveRemoteOffer = "have-remote-offer"
    case haveLocalPranswer = "have-local-pranswer"
    case haveRemotePranswer = "have-remote-pranswer"
    case closed
}

public enum DescriptionKind: String, Sendable, Hashable {
    case offer, answer, pranswer, rollback
}
