import Wire

/// What a check is sent from: a socket of this host, or an address on a TURN server.
enum IceBase: Sendable, Hashable {
    case transport(TransportID)
    /// Index of the TURN client.
    case relay(Int)

    var isRelay: Bool {
        if case .relay = self { true } else { false }
    }
}

/// A base together with the candidate that stands for it.
struct IceLocalBase: Sendable {
    var base: IceBase
    var candidate: IceCandidate
    var address: SocketAddress
}

/// A candidate pair (RFC 8445 clause 6.1.2). With BUNDLE and rtcp-mux there is one data stream of one component, so that the freezing of
/// clause 6.1.2.6, which orders streams and components, has nothing to order: `frozen` here means held back because a better pair is selected.
struct IcePair: Sendable {
    enum State: Sendable { case frozen, waiting, inProgress, succeeded, failed }

    let id: Int
    let base: IceBase
    let remoteAddress: SocketAddress
    let generation: Int
    let createdAt: Instant
    var local: IceCandidate
    var remote: IceCandidate
    var priority: UInt64
    var state = State.waiting
    /// USE-CANDIDATE came before our own check succeeded (RFC 8445 clause 7.3.1.5).
    var nominateOnSuccess = false
    var roundTripTime: Duration?
    /// The fragment by which the peer knows us on this pair, where it is not the generation's.
    var addressedAs: String?
    /// When our last check on it was answered.
    var validAt = Instant.zero
}

/// A check on its way (RFC 8445 clause 7.2.5).
struct IceCheck: Sendable {
    enum Kind: Sendable { case ordinary, nomination, consent }

    let id: STUNTransactionID
    let pair: Int
    let kind: Kind
    let bytes: [UInt8]
    let sentAt: Instant
    let wasControlling: Bool
    var retransmission: STUNRetransmission
    /// A newer check took its place: it may still be answered, but is not repeated and its silence means nothing.
    var isCancelled = false

    /// Consent checks and those that were replaced are not repeated, and forgotten after ten seconds.
    var isPassive: Bool { isCancelled || kind == .consent }
    var deadline: Instant { isPassive ? sentAt + .seconds(10) : retransmission.deadline }

    mutating func step(at now: Instant) -> STUNRetransmission.Step {
        isPassive ? (now >= deadline ? .giveUp : .wait) : retransmission.step(at: now)
    }
}

/// The credentials of both sides between two restarts.
struct IceGeneration: Sendable {
    var number: Int
    var local: IceCredentials
    var remote: IceCredentials?
    /// `setRemote` brought new credentials before `restart` was called here.
    var wasBegunByPeer = false
}
