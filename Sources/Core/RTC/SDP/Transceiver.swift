public struct TransceiverID: Sendable, Hashable {
    public let rawValue: Int
    public init(_ rawValue: Int) { self.rawValue = rawValue }
}

/// A pair of one sender and one receiver that share an m-line (RFC 8829 clause 3.4.1).
public struct Transceiver: Sendable, Hashable {
    public let id: TransceiverID
    public let kind: MediaKind
    /// What this side wants.
    public internal(set) var direction: MediaDirection
    /// What is agreed, seen from this side; nil before.
    public internal(set) var currentDirection: MediaDirection?
    /// Sending was agreed once.
    var hasSent = false
    public internal(set) var mid: String?
    public internal(set) var mLineIndex: Int?
    /// Its m-line was rejected, by either side, or is gone: it never comes back.
    public internal(set) var isStopped = false
    /// Asked to stop; the next negotiation does.
    public internal(set) var isStopping = false
    /// Made for a section that the peer offered.
    public let isRemote: Bool
    public internal(set) var streamID: String
    public internal(set) var trackID: String
    public internal(set) var ssrc: SSRC?
    public internal(set) var rtxSSRC: SSRC?
    /// Nil: those of the configuration.
    public internal(set) var codecs: [CodecKind]?

    /// The application changed it, so a rollback does not take it away (RFC 8829 clause 4.1.10.2).
    var isTouched = false
    /// What the last stable descriptions said, for `needsNegotiation`.
    var signalled: Signalled?

    struct Signalled: Sendable, Hashable {
        var local: MediaDirection
        var remote: MediaDirection
        var localWasOffer: Bool
        var sourceKey: String
    }

    var sourceKey: String { "\(streamID) \(trackID)" }
}

/// One m-line as both sides count them; the order never changes (RFC 8829 clause 5.2.2).
struct Slot: Sendable, Hashable {
    enum Owner: Sendable, Hashable {
        case transceiver(TransceiverID)
        case data
        case nobody
    }

    var mid: String
    var kind: MediaSection.Kind
    var protocolName: String
    var formats: [String]
    var owner: Owner

    /// Rejected or ended: free to be used again by an offer (RFC 8829 clause 5.2.2).
    var isFree: Bool { owner == .nobody }
}
