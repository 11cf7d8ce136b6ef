import Wire

/// Offer and answer (RFC 8829), and how what was agreed reaches transport and media.
extension Peer {
    public var signalingState: SignalingState { negotiator.signalingState }
    public var session: NegotiatedSession? { negotiator.session }
    public var remoteDescription: SessionDescription? { negotiator.remoteDescription }
    /// All local candidates of this generation are there.
    public var gatheringIsComplete: Bool { ice.gatheringState == .complete }
    public var localCandidates: [IceCandidate] { ice.localCandidates }
    public var localUsernameFragment: String {
        mutating get { ice.localCredentials.usernameFragment }
    }
    /// The path that was nominated last; nil before the first, and once consent has ended.
    public var selectedPair: IceSelectedPair? { ice.selected }

    /// Adds a sender, receiver or both for one track. Its streams get random SSRCs.
    public mutating func addTransceiver(
        _ kind: MediaKind, direction: MediaDirection, streamID: String = "waldo", trackID: String? = nil, codecs: [CodecKind]? = nil
    ) -> TransceiverID {
        let id = negotiator.addTransceiver(
            kind, direction: direction, streamID: streamID, trackID: trackID ?? kind.rawValue,
            ssrc: newSSRC(), rtxSSRC: kind == .video ? newSSRC() : nil, codecs: codecs)
        checkNegotiation()
        return id
    }

    public mutating func setDirection(_ direction: MediaDirection, of transceiver: TransceiverID) throws(NegotiationError) {
        try negotiator.setDirection(direction, of: transceiver)
        checkNegotiation()
    }

    /// Stops a transceiver for good; the next negotiation frees its section.
    public mutating func stop(_ transceiver: TransceiverID) throws(NegotiationError) {
        try negotiator.stop(transceiver)
        checkNegotiation()
    }

    public mutating func createOffer(restartsICE: Bool = false, at now: Instant) throws(NegotiationError) -> SessionDescription {
        if restartsICE, negotiator.session != nil { restartICE(at: now) }
        beginGathering(at: now)
        return try negotiator.createOffer(transportDescription, isRestart: restartsICE)
    }

    public mutating func createAnswer(at now: Instant) throws(NegotiationError) -> SessionDescription {
        beginGathering(at: now)
        return try negotiator.createAnswer(transportDescription)
    }

    public mutating func setLocal(_ description: SessionDescription, _ kind: DescriptionKind, at now: Instant) throws(NegotiationError) {
        try negotiator.setLocal(description, kind: kind)
        if kind == .rollback { undoRestart(at: now) }
        if kind == .offer { awaitRenewal(at: now) }
        apply(at: now)
    }

    public mutating func setRemote(_ description: SessionDescription, _ kind: DescriptionKind, at now: Instant) throws(NegotiationError) {
        try negotiator.setRemote(description, kind: kind)
        applyRemote(kind, at: now)
    }

    /// As `setRemote`, where both sides may offer at any time: what is done when two offers cross, `manners` know. Candidates that come with
    /// an ignored offer are to be ignored as well.
    public mutating func receive(
        _ description: SessionDescription, _ kind: DescriptionKind, _ manners: inout PerfectNegotiation, at now: Instant
    ) throws(NegotiationError) -> PerfectNegotiation.Outcome {
        let outcome = try manners.receive(description, kind: kind, into: &negotiator)
        if outcome != .ignored { applyRemote(kind, at: now) }
        return outcome
    }

    private mutating func applyRemote(_ kind: DescriptionKind, at now: Instant) {
        // An offer of ours that gave way, or was never applied, takes its restart of ICE with it.
        if kind == .offer || kind == .rollback { undoRestart(at: now) }
        if kind == .offer, negotiator.session != nil, negotiator.remoteRestartsICE {
            // The peer restarts ICE: our answer must have new credentials too (RFC 8839 clause 4.4.1.1.1).
            restartICE(at: now)
        }
        apply(at: now)
    }

    public mutating func rollback(at now: Instant) {
        negotiator.rollback()
        undoRestart(at: now)
        if associationClosedAt != nil { closedByPeer(at: now) }
        checkNegotiation()
    }

    /// An answer in one step: for servers that are asked over HTTP.
    public mutating func answer(_ offer: SessionDescription, at now: Instant) throws(NegotiationError) -> SessionDescription {
        try setRemote(offer, .offer, at: now)
        do throws(NegotiationError) {
            let answer = try createAnswer(at: now)
            try setLocal(answer, .answer, at: now)
            return answer
        } catch {
            rollback(at: now)
            throw error
        }
    }

    /// A trickled candidate (RFC 8838), as in `RTCIceCandidate.candidate`; an empty one ends them.
    public mutating func addRemoteCandidate(_ text: String, at now: Instant) throws(IceCandidateError) {
        if text.isEmpty {
            ice.endOfRemoteCandidates(at: now)
        } else if appliedCandidates.count < IceLimits.remoteCandidates, appliedCandidates.insert(text).inserted {
            ice.addRemoteCandidate(try IceCandidate(parsing: text), at: now)
        }
        drainICE(at: now)
    }

    private var transportDescription: TransportDescription {
        TransportDescription(
            iceCredentials: ice.localCredentials, candidates: ice.localCandidates.map(\.description),
            gatheringIsComplete: ice.gatheringState == .complete)
    }

    /// New credentials; candidates are gathered again by the next description.
    private mutating func restartICE(at now: Instant) {
        ice.restart(at: now)
        if !appliedCandidates.isEmpty { candidatesBeforeRestart = appliedCandidates }
        appliedCandidates = []
        gathers = false
        drainICE(at: now)
    }

    /// RFC 8829 clause 4.1.10.2: what an offer that is taken back began, ends with it.
    private mutating func undoRestart(at now: Instant) {
        pairAtOffer = nil
        guard ice.undoRestart(at: now) else { return }
        appliedCandidates.formUnion(candidatesBeforeRestart)
        gathers = ice.gatheringState != .new
        drainICE(at: now)
    }

    private mutating func beginGathering(at now: Instant) {
        guard !gathers else { return }
        gathers = true
        ice.gather(at: now)
        drainICE(at: now)
    }

    private func newSSRC() -> SSRC { SSRC(UInt32(truncatingIfNeeded: environment.random()) | 1) }

    mutating func checkNegotiation() {
        let isNeeded = negotiator.needsNegotiation
        if isNeeded, !wasNegotiationNeeded { emit(.event(.negotiationNeeded)) }
        wasNegotiationNeeded = isNeeded
    }

    /// Brings transport and media to what the descriptions now say.
    private mutating func apply(at now: Instant) {
        checkNegotiation()
        guard let session = negotiator.session else { return }
        if startedAt == nil {
            startedAt = now
            ice.setControlling(
                session.isOfferer && configuration.ice.mode == .full || session.remoteIsLite && configuration.ice.mode == .full)
            setState(.connecting, reason: nil)
        }
        applyAssociation(session, at: now)
        applyICE(session, at: now)
        drainICE(at: now)
        startDTLSIfReady(at: now)
        applyMedia(session, at: now)
        startDataIfReady(at: now)
    }

    private mutating func applyICE(_ session: NegotiatedSession, at now: Instant) {
        // While a restart is being negotiated the session still says what the exchange before it agreed: the other side's credentials and
        // candidates in it belong to the generation that ends (RFC 8839 clause 4.4.1.1.1).
        guard session.localCredentials == ice.localCredentials else { return }
        if ice.remoteCredentials != session.remoteCredentials {
            ice.setRemote(credentials: session.remoteCredentials, isLite: session.remoteIsLite, at: now)
        }
        for text in session.remoteCandidates where appliedCandidates.count < IceLimits.remoteCandidates {
            guard appliedCandidates.insert(text).inserted else { continue }
            do throws(IceCandidateError) { ice.addRemoteCandidate(try IceCandidate(parsing: text), at: now) } catch {
                refusals["candidate", default: 0] += 1
            }
        }
        if session.remoteEndOfCandidates { ice.endOfRemoteCandidates(at: now) }
    }
}
