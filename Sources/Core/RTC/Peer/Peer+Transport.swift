import Wire

/// Datagrams in, and ICE, DTLS and SCTP on their way up and down.
extension Peer {
    /// Takes one datagram, or one message out of a stream. The answer says why nothing was done with it; nil: it was used.
    @discardableResult
    public mutating func receive(_ bytes: Span<UInt8>, on path: NetworkPath, at now: Instant) -> PeerRefusal? {
        guard state != .closed else { return refuse(.closed) }
        switch ice.receive(bytes, on: path, at: now) {
        case .handled:
            drainICE(at: now)
            return nil
        case .refused(let refusal):
            drainICE(at: now)
            return refuse(.ice(refusal))
        case .application(let range):
            guard !range.isEmpty else { return nil }
            let inner = bytes.extracting(range)
            // RFC 7983 clause 7.
            switch inner[0] {
            case 20...63:
                return receiveDTLS(inner, at: now)
            case 128...191: return RTPPacket.isRTCP(inner) ? receiveRTCP(inner, at: now) : receiveRTP(inner, at: now)
            case let byte: return refuse(.unknownProtocol(byte))
            }
        }
    }

    /// The peer may have a path, or our answer, a round trip before we have: its first flight waits here instead of for a retransmission.
    private mutating func receiveDTLS(_ datagram: Span<UInt8>, at now: Instant) -> PeerRefusal? {
        guard let dtls else {
            if earlyDTLS.count < Self.maximumEarlyDTLS { earlyDTLS.append(datagram.array) }
            return nil
        }
        dtls.receive(datagram, at: now)
        drainDTLS(at: now)
        return nil
    }

    /// A ClientHello with a post-quantum key share is two datagrams; the rest is room for one repetition.
    private static var maximumEarlyDTLS: Int { 4 }

    public mutating func streamOpened(_ transport: TransportID, localAddress: SocketAddress, at now: Instant) {
        ice.streamOpened(transport, localAddress: localAddress, at: now)
        drainICE(at: now)
    }

    /// `reason`: why it ended or could not be opened, where that is known.
    public mutating func streamClosed(_ transport: TransportID, reason: String? = nil, at now: Instant) {
        ice.streamClosed(transport, reason: reason, at: now)
        drainICE(at: now)
    }

    public mutating func resolved(_ name: String, to addresses: [IPAddress], at now: Instant) {
        ice.resolved(name, to: addresses, at: now)
        drainICE(at: now)
    }

    // MARK: ICE

    mutating func drainICE(at now: Instant) {
        while let output = ice.nextOutput() {
            switch output {
            case .transmit(let datagrams): emit(.transmit(datagrams))
            case .openStream(let id, let address, let isTLS, let name):
                emit(.openStream(id, to: address, isTLS: isTLS, serverName: name))
            case .closeStream(let id): emit(.closeStream(id))
            case .resolve(let name): emit(.resolve(name))
            case .event(let event): handle(event, at: now)
            }
        }
        noticeNewPath(at: now)
        startDTLSIfReady(at: now)
    }

    private mutating func handle(_ event: IceEvent, at now: Instant) {
        switch event {
        case .candidate(let candidate): emit(.event(.candidate(candidate, mid: negotiator.session?.transportMid ?? "0")))
        case .gatheringComplete: emit(.event(.gatheringComplete))
        case .selectedPair(let pair):
            trace("selected_pair", ["local": pair.local.description, "remote": pair.remote.description], at: now)
            emit(.event(.selectedPair(pair)))
        case .serverFailed(let url, let code, let reason): emit(.event(.serverFailed(url: url, code: code, reason: reason)))
        case .roleChanged: break
        case .stateChanged(let iceState):
            trace("ice_state", ["state": iceState.rawValue], at: now)
            iceChanged(iceState, at: now)
        }
    }

    private mutating func iceChanged(_ iceState: IceConnectionState, at now: Instant) {
        switch iceState {
        case .connected, .completed: if dtlsIsConnected { setState(.connected, reason: nil) }
        case .disconnected:
            if dtlsIsConnected { setState(.disconnected, reason: "ICE: no reply to consent checks; still trying") }
        // Not the end: an ICE restart brings it back, with DTLS and data channels as they were (W3C webrtc-pc clause 4.3.3).
        case .failed:
            setState(.failed, reason: "ICE: expected a path that carries checks both ways, found none; restart ICE or check the network")
        case .checking:
            if state == .failed { setState(.connecting, reason: "ICE restarts") }
            if state == .connected || state == .disconnected { setState(.connecting, reason: "ICE: the path is gone; looking for another") }
        case .new, .closed: break
        }
    }

    // MARK: DTLS

    mutating func startDTLSIfReady(at now: Instant) {
        guard dtls == nil, ice.route != nil, renewal == nil, let session = negotiator.session, let role = session.dtlsRole,
            state != .closed
        else { return }
        let endpoint = environment.makeDTLS()
        dtls = endpoint
        association = AssociationIdentity(session)
        dtlsDeadline = now + configuration.handshakeTimeout
        endpoint.start(role: role, peerFingerprints: session.remoteFingerprints, at: now)
        for datagram in earlyDTLS { endpoint.receive(datagram.span, at: now) }
        earlyDTLS = []
        drainDTLS(at: now)
    }

    mutating func drainDTLS(at now: Instant) {
        guard let dtls else { return }
        while let event = dtls.nextEvent() {
            switch event {
            case .connected(let keys): dtlsConnected(keys, at: now)
            case .data(let packet):
                data.receive(packet.span, at: now)
                drainData(at: now)
            case .closed:
                associationClosed(at: now)
                // Whatever else it holds is of an association that has ended.
                return
            case .failed(let reason): fail("DTLS: \(reason)", at: now)
            }
        }
        while let datagram = dtls.nextDatagram() { transmit(datagram) }
    }

    private mutating func dtlsConnected(_ keys: SRTPKeyingMaterial?, at now: Instant) {
        dtlsIsConnected = true
        dtlsDeadline = nil
        connectedAt = now
        trace("dtls_connected", ["srtp": keys == nil ? "none" : "\(keys!.profile)"], at: now)
        if let keys {
            var limits = configuration.bitrate
            if let before { limits.start = before.bitrate }
            media = MediaTransport(srtp: environment.makeSRTP(keys), congestion: CongestionController(limits: limits))
            if let before { media!.count(from: before.counts) }
            announcedTarget = limits.start
        }
        setState(.connected, reason: nil)
        if let session = negotiator.session { applyMedia(session, at: now) }
        startDataIfReady(at: now)
    }

    /// Sends one datagram along the selected route.
    mutating func transmit(_ datagram: [UInt8]) {
        switch ice.route {
        case .direct(let path): emit(.transmit(Datagrams(path: path, single: datagram)))
        case .relayed(let path):
            var wrapped: [UInt8] = []
            wrapped.reserveCapacity(datagram.count + 64)
            ice.wrap(datagram.span, into: &wrapped)
            emit(.transmit(Datagrams(path: path, single: wrapped)))
        case nil: break
        }
    }

    // MARK: SCTP

    mutating func startDataIfReady(at now: Instant) {
        guard dtlsIsConnected, !data.isStarted, let session = negotiator.session, let section = session.data, let role = session.dtlsRole
        else { return }
        let limit = min(Int(clamping: section.remoteMaximumMessage ?? 262_144), 262_144)
        let association = environment.makeSCTP(
            SCTPParameters(localPort: section.localPort, remotePort: section.remotePort, maximumMessage: limit))
        data.start(association, role: role, maximumMessage: limit, at: now)
        drainData(at: now)
    }

    mutating func drainData(at now: Instant) {
        while let packet = data.nextPacket() { dtls?.send(packet.span, at: now) }
        while let event = data.nextEvent() { emit(.event(.dataChannel(event))) }
        if let dtls { while let datagram = dtls.nextDatagram() { transmit(datagram) } }
    }
}
