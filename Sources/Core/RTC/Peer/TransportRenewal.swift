import Wire

/// What the DTLS association was begun for, to see when the descriptions ask for another (RFC 8842 clause 5).
struct AssociationIdentity: Sendable {
    var fingerprints: [Fingerprint]
    var mid: String

    init(_ session: NegotiatedSession) {
        fingerprints = session.remoteFingerprints
        mid = session.transportMid
    }

    enum Change { case none, possible, certain }

    /// Another certificate is another association. Another section that carries the transport, be it that the old one was rejected or that a
    /// new one stands before it, may mean one: Chromium then begins ICE and DTLS anew under the same credentials and certificate, others keep
    /// what they have, and the descriptions do not tell which.
    func change(to session: NegotiatedSession) -> Change {
        if Set(fingerprints).isDisjoint(with: session.remoteFingerprints) { return .certain }
        return mid == session.transportMid ? .none : .possible
    }
}

/// The peer may go over to a new transport: it shows by the end of the old association, or by a new path.
struct TransportRenewal: Sendable {
    /// The pair in use when the descriptions changed.
    var oldPair: Int?
    /// From then on the peer is taken to have kept its transport.
    var until: Instant
    static let patience = Duration.seconds(10)
}

/// A new DTLS association in place of the running one, with new SRTP and SCTP (RFC 8842 clauses 5.2 to 5.5).
extension Peer {
    /// To be called with every agreement, before ICE hears of it.
    mutating func applyAssociation(_ session: NegotiatedSession, at now: Instant) {
        guard dtls != nil, let association, negotiator.signalingState == .stable else { return }
        switch association.change(to: session) {
        case .none: break
        case .possible:
            renewal = TransportRenewal(oldPair: ice.activeID, until: now + TransportRenewal.patience)
            self.association = AssociationIdentity(session)
            ice.doubtPath(at: now)
            data.expectAnother(until: now + TransportRenewal.patience)
        case .certain:
            renewal = nil
            ice.leaveOldGeneration(at: now)
            endAssociation("the peer has another certificate", keepsChannels: false, at: now)
        }
        if associationClosedAt != nil, dtls != nil {
            if renewal == nil { closedByPeer(at: now) } else { endAssociation("the peer begins a new transport", at: now) }
        }
    }

    /// The path in use is another: with a renewal under way, the new transport's.
    mutating func noticeNewPath(at now: Instant) {
        guard let renewal, let active = ice.activeID, active != renewal.oldPair else { return }
        self.renewal = nil
        if dtls != nil, now < renewal.until { endAssociation("the peer came by a new transport", at: now) }
    }

    /// An offer of ours is under way: its answer may come after the end of the association that it replaces.
    mutating func awaitRenewal(at now: Instant) {
        if dtlsIsConnected { data.expectAnother(until: now + TransportRenewal.patience) }
    }

    /// When an association that ended during an exchange of descriptions is taken for the end of everything.
    var closeDeadline: Instant? { associationClosedAt.map { $0 + TransportRenewal.patience } }

    /// close_notify came. While descriptions are under way it may be the end of one association only.
    mutating func associationClosed(at now: Instant) {
        if let renewal, now < renewal.until {
            endAssociation("the peer begins a new transport", at: now)
        } else if negotiator.signalingState == .stable {
            closedByPeer(at: now)
        } else {
            associationClosedAt = now
        }
    }

    mutating func closedByPeer(at now: Instant) {
        setState(.closed, reason: "the peer closed the connection")
        data.close(at: now)
        drainData(at: now)
        ice.close(at: now)
        drainICE(at: now)
    }

    /// Keys, SCTP and what hangs on them end; senders go on under the new keys with a key frame, open channels on their streams.
    private mutating func endAssociation(_ reason: String, keepsChannels: Bool = true, at now: Instant) {
        trace("dtls_renewed", ["reason": reason], at: now)
        data.leaveAssociation(keepsChannels: keepsChannels, at: now)
        while data.nextPacket() != nil {}
        dtls = nil
        dtlsIsConnected = false
        associationClosedAt = nil
        earlyDTLS = []
        dtlsDeadline = now + configuration.handshakeTimeout
        if let media {
            before = (media.congestion.targetBitrate, (media.packetsSent, media.bytesSent, media.batchesSent))
        }
        media = nil
        feedback = FeedbackCollector()
        estimate = ReceiverEstimate()
        for index in videoSenders.indices { videoSenders[index].sender.pause() }
        setState(.connecting, reason: "DTLS: \(reason)")
        drainData(at: now)
    }
}
