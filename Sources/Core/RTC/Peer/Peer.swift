import Wire

/// One WebRTC peer connection as a machine: told descriptions, datagrams and the time, asked for outputs.
///
/// After every mutating call drain `nextOutput()`, and call `advance(to:)` no later than `deadline`.
/// The caller gives back the bytes of sent datagrams with `recycle` where it wants sending to allocate nothing.
public struct Peer: ~Copyable {
    public let configuration: PeerConfiguration
    let environment: any Environment
    var ice: IceAgent
    var negotiator: Negotiator
    public internal(set) var state = PeerState.new
    public internal(set) var refusals: [String: Int] = [:]

    // Transport, in the order in which it comes up.
    var dtls: (any DTLSEndpoint)?
    var dtlsIsConnected = false
    var earlyDTLS: [[UInt8]] = []
    var dtlsDeadline: Instant?
    /// What `dtls` was begun for.
    var association: AssociationIdentity?
    /// close_notify came while descriptions were under way.
    var associationClosedAt: Instant?
    var renewal: TransportRenewal?
    /// Of the association before: what its path carried, bit/s, and what it sent.
    var before: (bitrate: Int, counts: (packets: Int, bytes: Int, batches: Int))?
    var media: MediaTransport?
    var data = DataChannels()

    // Media.
    var videoSenders: [(id: TransceiverID, sender: VideoSender)] = []
    var audioSenders: [(id: TransceiverID, sender: AudioSender)] = []
    /// Of transceivers whose direction sends no more for now.
    var pausedVideoSenders: [(id: TransceiverID, sender: VideoSender)] = []
    var pausedAudioSenders: [(id: TransceiverID, sender: AudioSender)] = []
    var videoReceivers: [(id: TransceiverID, receiver: VideoReceiver)] = []
    var audioReceivers: [(id: TransceiverID, receiver: AudioReceiver)] = []
    var feedback = FeedbackCollector()
    var estimate = ReceiverEstimate()
    /// Sections by source, as the MID extension said, and in which packet.
    var streamMids: [SSRC: (mid: String, since: UInt16)] = [:]
    var reports = ReportSchedule()
    let cname: String
    let reportSSRC: SSRC

    var outputs = Ring<PeerOutput>(limit: 4096)
    var outputsDropped = 0
    var announcedTarget = 0
    var wasNegotiationNeeded = false
    /// Decrypted bytes of the packet at hand; kept to be written again.
    var plain: [UInt8] = []
    /// The RTCP packets at hand, and the arrivals of the last feedback: empty between datagrams, their storage kept.
    var packets: [RTCPPacket] = []
    var arrivals: [Int16?] = []
    var appliedCandidates: Set<String> = []
    var gathers = false
    /// Before the restart of ICE that is being negotiated.
    var candidatesBeforeRestart: Set<String> = []
    var startedAt: Instant?
    var connectedAt: Instant?

    public init(configuration: PeerConfiguration, environment: any Environment) {
        self.configuration = configuration
        self.environment = environment
        cname = Hex.encode(withBytes(of: environment.random()))
        reportSSRC = SSRC(UInt32(truncatingIfNeeded: environment.random()) | 1)
        ice = IceAgent(configuration: configuration.ice, isControlling: false, environment: environment)
        var negotiation = NegotiationConfiguration(
            fingerprints: environment.fingerprints, sessionID: environment.random(), cname: cname)
        negotiation.videoCodecs = configuration.videoCodecs
        negotiation.audioCodecs = configuration.audioCodecs
        negotiation.isICELite = configuration.ice.mode == .lite
        negotiation.answersPassive = configuration.answersPassive
        negotiation.unexpectedMediaDirection = configuration.unexpectedMediaDirection
        negotiation.headerExtensions.insert(.videoFrameTrackingID)
        negotiator = Negotiator(configuration: negotiation)
    }

    // MARK: What happens

    /// The next thing to do; nil: nothing until the next call or `deadline`.
    public mutating func nextOutput() -> PeerOutput? {
        if let output = outputs.popFirst() { return output }
        return nextMediaBatch()
    }

    /// Gives back the bytes of a datagram batch after it was sent.
    public mutating func recycle(_ bytes: consuming [UInt8]) { media?.recycle(bytes) }

    /// Takes the bytes back out, for the next peer to write in: what is written to often stays in the processor's cache.
    public mutating func reclaim() -> [UInt8]? { media?.reclaim() }

    /// When `advance` must be called at the latest; nil: not before the next input.
    public var deadline: Instant? {
        // Mutating, as for everything that is asked on every packet: what a getter only borrows the compiler copies, all 5 kB of a peer.
        mutating get {
            guard state != .closed else { return nil }
            var deadline = earlier(ice.deadline, dtls?.deadline)
            deadline = earlier(deadline, earlier(dtlsDeadline, closeDeadline))
            deadline = earlier(deadline, data.deadline)
            guard media != nil else { return deadline }
            deadline = earlier(deadline, media!.congestion.deadline)
            deadline = earlier(deadline, feedback.deadline)
            deadline = earlier(deadline, estimate.deadline)
            deadline = earlier(deadline, reports.deadline)
            for index in videoSenders.indices { deadline = earlier(deadline, videoSenders[index].sender.deadline) }
            for index in videoReceivers.indices { deadline = earlier(deadline, videoReceivers[index].receiver.deadline) }
            for index in audioReceivers.indices { deadline = earlier(deadline, audioReceivers[index].receiver.deadline) }
            return deadline
        }
    }

    public mutating func advance(to now: Instant) {
        guard state != .closed else { return }
        if let due = ice.deadline, due <= now {
            ice.advance(to: now)
            drainICE(at: now)
        }
        if let dtls, let due = dtls.deadline, due <= now {
            dtls.advance(to: now)
            drainDTLS(at: now)
        }
        if let due = dtlsDeadline, due <= now, !dtlsIsConnected {
            dtlsDeadline = nil
            return fail(
                "DTLS: expected a handshake within \(configuration.handshakeTimeout.seconds) s of the first path, got none", at: now)
        }
        if let due = closeDeadline, due <= now { return closedByPeer(at: now) }
        if let due = data.deadline, due <= now {
            data.advance(to: now)
            drainData(at: now)
        }
        advanceMedia(to: now)
    }

    // MARK: Data channels

    /// Opens a channel, now or as soon as the connection is there.
    public mutating func openDataChannel(_ options: DataChannelOptions, at now: Instant) throws(DataChannelError) -> DataChannelID {
        negotiator.requestDataChannels()
        let id = try data.open(options, at: now)
        drainData(at: now)
        checkNegotiation()
        return id
    }

    public mutating func send(_ message: DataMessage, on channel: DataChannelID, at now: Instant) throws(DataChannelError) {
        try data.send(message, on: channel, at: now)
        drainData(at: now)
    }

    public mutating func closeDataChannel(_ channel: DataChannelID, at now: Instant) {
        data.close(channel, at: now)
        drainData(at: now)
    }

    public func dataChannelState(_ channel: DataChannelID) -> DataChannelState? { data.state(of: channel) }
    /// Bytes of all channels that the peer has not acknowledged.
    public var bufferedAmount: Int { data.bufferedAmount }

    // MARK: The end

    /// Ends everything: BYE, close_notify, relays given back.
    public mutating func close(at now: Instant) {
        guard state != .closed else { return }
        sendGoodbye()
        data.close(at: now)
        drainData(at: now)
        dtls?.close(at: now)
        drainDTLS(at: now)
        while let batch = nextMediaBatch() { emit(batch) }
        ice.close(at: now)
        drainICE(at: now)
        setState(.closed, reason: nil)
    }

    mutating func fail(_ reason: String, at now: Instant) {
        guard state != .closed, state != .failed else { return }
        setState(.failed, reason: reason)
        dtlsDeadline = nil
        data.close(at: now)
        drainData(at: now)
    }

    mutating func setState(_ new: PeerState, reason: String?) {
        guard new != state, state != .closed else { return }
        state = new
        emit(.event(.stateChanged(new, reason: reason)))
    }

    mutating func emit(_ output: PeerOutput) {
        // A full queue loses the output, never the peer: the transport retransmits, and the counter tells.
        if !outputs.append(output) { outputsDropped += 1 }
    }

    mutating func refuse(_ refusal: PeerRefusal) -> PeerRefusal? {
        refusals[refusal.name, default: 0] += 1
        return refusal
    }
}

private func withBytes(of value: UInt64) -> [UInt8] {
    var writer = ByteWriter(capacity: 8)
    writer.u64(value)
    return writer.bytes
}

extension PeerRefusal {
    /// The case without its details: a bounded set of keys for counting.
    var name: String {
        switch self {
        case .ice: "ice"
        case .unknownProtocol: "unknownProtocol"
        case .noKeys: "noKeys"
        case .srtp: "srtp"
        case .rtp: "rtp"
        case .rtcp: "rtcp"
        case .unknownStream: "unknownStream"
        case .closed: "closed"
        }
    }
}
