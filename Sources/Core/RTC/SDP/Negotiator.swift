/// The offer/answer machine of one peer (RFC 8829): what may be said when, and what it then means. Pure: it is told descriptions and wishes.
///
/// An offer goes `createOffer` → `setLocal(.offer)` → send → `setRemote(.answer)`; the other side `setRemote(.offer)` → `createAnswer` →
/// `setLocal(.answer)` → send. Then `session` says what is agreed. All sections share one transport (max-bundle, rtcp-mux).
public struct Negotiator: Sendable {
    public var configuration: NegotiationConfiguration
    public internal(set) var signalingState = SignalingState.stable
    /// What is agreed; nil before the first answer. During a renegotiation: what held before.
    public internal(set) var session: NegotiatedSession?
    public internal(set) var transceivers: [Transceiver] = []
    /// Those made for sections of the peer's last offer that no waiting transceiver fitted.
    public internal(set) var newTransceivers: [TransceiverID] = []
    public internal(set) var localDescription: SessionDescription?
    public internal(set) var remoteDescription: SessionDescription?

    var wantsData = false
    var slots: [Slot] = []
    var created: Created?
    var pendingOffer: PendingOffer?
    var stable: Stable?
    var version: UInt64 = 1
    var nextID = 0
    var payloadTypes = PayloadTypeTable()
    var extensionIDs = ExtensionTable()

    /// The last description made here, and the m-lines that it stands for.
    struct Created: Sendable {
        var description: SessionDescription
        var slots: [Slot]
        var kind: DescriptionKind
        var payloadTypes: PayloadTypeTable
        var extensionIDs: ExtensionTable
    }

    /// An offer that waits for its answer.
    struct PendingOffer: Sendable {
        var description: SessionDescription
        var slots: [Slot]
    }

    /// What a rollback goes back to.
    struct Stable: Sendable {
        var transceivers: [Transceiver]
        var slots: [Slot]
        var session: NegotiatedSession?
        var localDescription: SessionDescription?
        var remoteDescription: SessionDescription?
        var payloadTypes: PayloadTypeTable
        var extensionIDs: ExtensionTable
    }

    public init(configuration: NegotiationConfiguration) {
        self.configuration = configuration
    }

    // MARK: Wishes

    /// Adds something to send, to receive, or both. `ssrc` is needed where it sends, `rtxSSRC` where losses are to be repaired by RFC 4588.
    @discardableResult
    public mutating func addTransceiver(
        _ kind: MediaKind, direction: MediaDirection, streamID: String = "-", trackID: String = "", ssrc: SSRC? = nil, rtxSSRC: SSRC? = nil,
        codecs: [CodecKind]? = nil
    ) -> TransceiverID {
        add(
            kind, direction: direction, streamID: streamID, trackID: trackID, ssrc: ssrc, rtxSSRC: rtxSSRC, codecs: codecs, isRemote: false)
    }

    mutating func add(
        _ kind: MediaKind, direction: MediaDirection, streamID: String, trackID: String, ssrc: SSRC?, rtxSSRC: SSRC?, codecs: [CodecKind]?,
        isRemote: Bool
    ) -> TransceiverID {
        let id = TransceiverID(nextID)
        nextID += 1
        transceivers.append(
            Transceiver(
                id: id, kind: kind, direction: direction, isRemote: isRemote, streamID: streamID.isEmpty ? "-" : streamID, trackID: trackID,
                ssrc: ssrc, rtxSSRC: rtxSSRC, codecs: codecs))
        return id
    }

    /// Takes effect with the next offer or answer.
    public mutating func setDirection(_ direction: MediaDirection, of id: TransceiverID) throws(NegotiationError) {
        try change(id) { transceiver in transceiver.direction = direction }
    }

    /// Gives a transceiver, for instance one that the peer's offer made, something to send.
    public mutating func setSource(
        of id: TransceiverID, streamID: String, trackID: String, ssrc: SSRC, rtxSSRC: SSRC?
    ) throws(NegotiationError) {
        try change(id) { transceiver in
            transceiver.streamID = streamID.isEmpty ? "-" : streamID
            transceiver.trackID = trackID
            transceiver.ssrc = ssrc
            transceiver.rtxSSRC = rtxSSRC
        }
    }

    /// Ends it: the next negotiation rejects its m-line, which may then be used again. While that line carries the transport of others it
    /// becomes inactive instead.
    public mutating func stop(_ id: TransceiverID) throws(NegotiationError) {
        try change(id) { transceiver in
            if transceiver.mid == nil { transceiver.isStopped = true } else { transceiver.isStopping = true }
        }
    }

    /// From now on offers have a section for data channels; an offered one is accepted in any case.
    public mutating func requestDataChannels() { wantsData = true }

    public mutating func close() { signalingState = .closed }

    private mutating func change(_ id: TransceiverID, _ body: (inout Transceiver) -> Void) throws(NegotiationError) {
        guard let index = transceivers.firstIndex(where: { $0.id == id }) else { throw .unknownTransceiver }
        body(&transceivers[index])
        transceivers[index].isTouched = true
    }

    public func transceiver(_ id: TransceiverID) -> Transceiver? { transceivers.first { $0.id == id } }

    // MARK: State

    /// Whether an offer would say something new; false while another exchange is under way (RFC 8829 clause 4.1.1, W3C WebRTC "check if negotiation is needed").
    public var needsNegotiation: Bool {
        guard signalingState == .stable else { return false }
        if wantsData && !slots.contains(where: { $0.owner == .data }) { return true }
        return transceivers.contains { transceiver in
            if transceiver.isStopped { return false }
            if transceiver.isStopping {
                return transceiver.mid != nil && !(carriesOthers(transceiver.mid) && transceiver.currentDirection == .inactive)
            }
            guard let signalled = transceiver.signalled else { return true }
            if transceiver.direction.sends && transceiver.sourceKey != signalled.sourceKey { return true }
            if signalled.localWasOffer {
                return signalled.local != transceiver.direction && signalled.remote.reversed != transceiver.direction
            }
            return signalled.local != transceiver.direction.intersection(signalled.remote.reversed)
        }
    }

    /// True while the peer's offer carries other ICE credentials than those agreed: the answer needs new ones of ours (RFC 8839 clause 4.4.1.1.1).
    public var remoteRestartsICE: Bool {
        guard signalingState == .haveRemoteOffer || signalingState == .haveLocalPranswer, let session, let pendingOffer else {
            return false
        }
        let offer = pendingOffer.description
        guard let section = transportSection(offer), let offered = offer.transport(of: offer.carrier(of: section)).credentials
        else { return false }
        return offered != session.remoteCredentials
    }

    /// Back to what held before the pending offer (RFC 8829 clause 4.1.10.2). Nothing happens when none is pending.
    public mutating func rollback() {
        guard signalingState != .closed, let stable else { return }
        let before = Dictionary(stable.transceivers.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let made = Set(newTransceivers)
        transceivers.removeAll { before[$0.id] == nil && made.contains($0.id) && !$0.isTouched }
        for index in transceivers.indices {
            let old = before[transceivers[index].id]
            transceivers[index].mid = old?.mid
            transceivers[index].mLineIndex = old?.mLineIndex
            transceivers[index].currentDirection = old?.currentDirection
            transceivers[index].signalled = old?.signalled
            if transceivers[index].isStopping && old?.mid == nil { transceivers[index].isStopped = true }
        }
        newTransceivers = []
        slots = stable.slots
        session = stable.session
        localDescription = stable.localDescription
        remoteDescription = stable.remoteDescription
        payloadTypes = stable.payloadTypes
        extensionIDs = stable.extensionIDs
        created = nil
        pendingOffer = nil
        self.stable = nil
        signalingState = .stable
    }

    mutating func rememberStable() {
        guard stable == nil else { return }
        stable = Stable(
            transceivers: transceivers, slots: slots, session: session, localDescription: localDescription,
            remoteDescription: remoteDescription, payloadTypes: payloadTypes, extensionIDs: extensionIDs)
    }

    func codecs(of transceiver: Transceiver) -> [CodecKind] {
        (transceiver.codecs ?? (transceiver.kind == .video ? configuration.videoCodecs : configuration.audioCodecs))
            .filter { $0.media == transceiver.kind }
    }
}
