import Wire

/// RTP and RTCP: from frames to datagrams and back.
extension Peer {
    // MARK: Sending

    /// Sends one frame of the transceiver's source. Frames come in order; nothing happens before the connection is there.
    public mutating func send(_ frame: PacketisedFrame, on transceiver: TransceiverID, at now: Instant) {
        guard media != nil, let index = videoSenders.firstIndex(where: { $0.id == transceiver }) else { return }
        let share = videoShare()
        videoSenders[index].sender.enqueue(frame, targetBitrate: share, at: now)
        if videoSenders[index].sender.wantsKeyFrame(at: now) { emit(.event(.keyFrameNeeded(transceiver))) }
        videoSenders[index].sender.advance(to: now, through: &media!)
        media!.flush()
    }

    public mutating func send(_ audio: EncodedAudio, on transceiver: TransceiverID, at now: Instant) {
        guard media != nil, let index = audioSenders.firstIndex(where: { $0.id == transceiver }) else { return }
        audioSenders[index].sender.send(audio, hasVideo: !videoSenders.isEmpty, through: &media!, at: now)
        media!.flush()
    }

    /// The codec agreed for what this transceiver sends, as soon as the descriptions are; nil: nothing is sent.
    public func sendingCodec(of transceiver: TransceiverID) -> CodecKind? {
        negotiator.session?.media.first { $0.transceiver == transceiver && $0.sends }?.codecs.first(where: \.isSendable)?.kind
    }

    /// The RTP timestamp under which this peer sees a frame.
    public func timestamp(of frame: PacketisedFrame, on transceiver: TransceiverID) -> UInt32? {
        videoSenders.first { $0.id == transceiver }?.sender.timestamp(of: frame)
    }

    /// The source's own timestamp, as frames bear it, of what this peer calls `timestamp`; nil: the transceiver sends no video.
    public func sourceTimestamp(_ timestamp: UInt32, on transceiver: TransceiverID) -> UInt32? {
        videoSenders.first { $0.id == transceiver }.map { timestamp &- $0.sender.timestampOffset }
    }

    /// What the frames and sounds of this peer may cost together, without packet headers, bit/s.
    public var targetBitrate: Int { media?.congestion.payloadBitrate ?? configuration.bitrate.start }
    private mutating func currentTarget() -> Int { media == nil ? configuration.bitrate.start : media!.congestion.payloadBitrate }

    /// Tells congestion control how much the sources would send at most, bit/s.
    public mutating func setDemand(_ bitrate: Int, at now: Instant) { media?.congestion.setDemand(bitrate, at: now) }

    /// Asks the peer for a key frame of what it sends.
    public mutating func requestKeyFrame(of transceiver: TransceiverID) {
        for index in videoReceivers.indices where videoReceivers[index].id == transceiver {
            videoReceivers[index].receiver.requestKeyFrame()
        }
    }

    private mutating func videoShare() -> Int {
        let audio = audioSenders.contains { !$0.sender.isCut } ? 40_000 : 0
        return max(currentTarget() - audio, 50_000) / max(videoSenders.count, 1)
    }

    mutating func nextMediaBatch() -> PeerOutput? {
        guard let batch = media?.nextBatch() else { return nil }
        switch ice.route {
        case .direct(let path): return .transmit(Datagrams(path: path, bytes: batch.bytes, segmentSize: batch.segmentSize))
        case .relayed:
            // Each datagram is wrapped by itself for the relay.
            var start = 0
            while start < batch.bytes.count {
                let end = min(start + batch.segmentSize, batch.bytes.count)
                transmit(Array(batch.bytes[start..<end]))
                start = end
            }
            return outputs.popFirst()
        case nil: return nil
        }
    }

    // MARK: Applying what was agreed

    mutating func applyMedia(_ session: NegotiatedSession, at now: Instant) {
        guard media != nil else { return }
        let sending = Set(session.media.filter(\.sends).map(\.transceiver))
        pauseSenders { !sending.contains($0) }
        let receiving = Set(session.media.filter(\.receives).map(\.transceiver))
        videoReceivers.removeAll { !receiving.contains($0.id) }
        audioReceivers.removeAll { !receiving.contains($0.id) }
        // What the descriptions say of a source counts from now on, until a packet says otherwise.
        streamMids.removeAll()
        for section in session.media where section.sends { applySender(section) }
        reports.begin(at: now)
    }

    private mutating func pauseSenders(_ isPaused: (TransceiverID) -> Bool) {
        for index in videoSenders.indices.reversed() where isPaused(videoSenders[index].id) {
            var paused = videoSenders.remove(at: index)
            paused.sender.pause()
            pausedVideoSenders.append(paused)
        }
        for index in audioSenders.indices.reversed() where isPaused(audioSenders[index].id) {
            pausedAudioSenders.append(audioSenders.remove(at: index))
        }
    }

    private mutating func applySender(_ section: NegotiatedMedia) {
        guard let codec = section.codecs.first(where: \.isSendable), let ssrc = section.localSSRC else { return }
        let extensions = HeaderExtensionMap(section.extensions)
        switch section.kind {
        case .video:
            let parameters = VideoSenderParameters(
                mid: section.mid, codec: codec.kind, payloadType: codec.payloadType, rtxPayloadType: codec.rtxPayloadType, ssrc: ssrc,
                rtxSSRC: section.localRTXSSRC, extensions: extensions)
            if let index = videoSenders.firstIndex(where: { $0.id == section.transceiver }) {
                videoSenders[index].sender.update(parameters)
            } else if let index = pausedVideoSenders.firstIndex(where: { $0.sender.parameters.ssrc == ssrc }) {
                videoSenders.append(pausedVideoSenders.remove(at: index))
                videoSenders[videoSenders.count - 1].sender.update(parameters)
                emit(.event(.keyFrameNeeded(section.transceiver)))
            } else {
                videoSenders.append((section.transceiver, VideoSender(parameters: parameters, random: environment.random())))
                emit(.event(.keyFrameNeeded(section.transceiver)))
            }
        case .audio:
            let parameters = AudioSenderParameters(
                mid: section.mid, payloadType: codec.payloadType, ssrc: ssrc, extensions: extensions)
            if let index = audioSenders.firstIndex(where: { $0.id == section.transceiver }) {
                audioSenders[index].sender.update(parameters)
            } else if let index = pausedAudioSenders.firstIndex(where: { $0.sender.parameters.ssrc == ssrc }) {
                audioSenders.append(pausedAudioSenders.remove(at: index))
                audioSenders[audioSenders.count - 1].sender.update(parameters)
            } else {
                audioSenders.append((section.transceiver, AudioSender(parameters: parameters, random: environment.random())))
            }
        }
    }

    // MARK: Receiving RTP

    mutating func receiveRTP(_ bytes: Span<UInt8>, at now: Instant) -> PeerRefusal? {
        guard media != nil, let session = negotiator.session else { return refuse(.noKeys) }
        // Taken out for the while: a span into it must not hold on to the whole peer.
        var plain: [UInt8] = []
        swap(&plain, &self.plain)
        defer { swap(&plain, &self.plain) }
        plain.removeAll(keepingCapacity: true)
        do throws(SRTPError) { try media!.srtp.unprotectRTP(bytes, into: &plain) } catch { return refuse(.srtp(error)) }
        return receivePlainRTP(plain.span, session, at: now)
    }

    private mutating func receivePlainRTP(_ plain: Span<UInt8>, _ session: NegotiatedSession, at now: Instant) -> PeerRefusal? {
        let packet: RTPPacket
        do throws(RTPError) { packet = try RTPPacket(plain) } catch { return refuse(.rtp(error)) }
        guard let section = section(of: packet, plain, in: session) else { return refuse(.unknownStream(packet.ssrc)) }
        if let id = section.extensions[.transportSequence], let range = packet.element(id, in: plain), range.count == 2 {
            if feedback.received(plain.u16(at: range.lowerBound), at: now) { sendTransportFeedback(media: packet.ssrc) }
        }
        noteArrival(packet, plain, section, at: now)
        switch section.kind {
        case .audio: receiveAudio(packet, plain, section, at: now)
        case .video: return receiveVideo(packet, plain, section, at: now)
        }
        return nil
    }

    /// Where the sender takes REMB and nothing better, we estimate what the path carries.
    private mutating func noteArrival(_ packet: RTPPacket, _ plain: Span<UInt8>, _ section: NegotiatedMedia, at now: Instant) {
        let hasBetter =
            section.receivedExtensions[.transportSequence] != nil && section.codecs.contains { $0.feedback.contains(.transportWide) }
        guard section.kind == .video, !hasBetter, section.codecs.contains(where: { $0.feedback.contains(.maximumBitrate) })
        else { return }
        var sent: UInt32?
        if let id = section.receivedExtensions[.absoluteSendTime], let range = packet.element(id, in: plain), range.count == 3 {
            let start = range.lowerBound
            sent = UInt32(plain[start]) << 16 | UInt32(plain.u16(at: start + 1))
        }
        estimate.received(bytes: plain.count, sendTime: sent, at: now)
        if let due = estimate.deadline, due <= now { sendEstimate(at: now) }
    }

    /// RFC 9143 clause 9.2: by the MID extension, which may also give a known SSRC to another section; by what was learned of the SSRC so or
    /// from the description; by a payload type that only one section uses.
    private mutating func section(of packet: RTPPacket, _ plain: Span<UInt8>, in session: NegotiatedSession) -> NegotiatedMedia? {
        let learned = streamMids[packet.ssrc]
        if let id = session.media.lazy.compactMap({ $0.receivedExtensions[.mid] }).first, let range = packet.element(id, in: plain),
            learned.map({ Int16(bitPattern: packet.sequenceNumber &- $0.since) > 0 }) ?? true
        {
            let section = session.media.first { plain.extracting(range).elementsEqual(Array($0.mid.utf8).span) }
            // Of a section that is not there: nothing that is here.
            guard let section, section.receives else { return nil }
            learn(packet, isOf: section)
            return section
        }
        if let learned { return session.media.first { $0.mid == learned.mid && $0.receives } }
        if let section = session.media.first(where: {
            $0.receives && ($0.remoteSSRCs.contains(packet.ssrc) || $0.remoteRTXSSRCs.values.contains(packet.ssrc))
        }) {
            return section
        }
        let candidates = session.media.filter { section in
            section.receives
                && section.codecs.contains {
                    $0.receivePayloadType == packet.payloadType || $0.receiveRTXPayloadType == packet.payloadType
                }
        }
        return candidates.count == 1 ? candidates[0] : nil
    }

    private mutating func learn(_ packet: RTPPacket, isOf section: NegotiatedMedia) {
        let known = streamMids[packet.ssrc]
        if known == nil, streamMids.count >= Self.maximumLearned { streamMids.removeAll() }
        streamMids[packet.ssrc] = (section.mid, packet.sequenceNumber)
        guard known?.mid != section.mid else { return }
        // What was put together of it belongs to the other section.
        videoReceivers.removeAll { $0.receiver.ssrc == packet.ssrc && $0.id != section.transceiver }
        audioReceivers.removeAll { $0.receiver.ssrc == packet.ssrc && $0.id != section.transceiver }
    }

    private static var maximumReceivers: Int { 16 }
    private static var maximumLearned: Int { 64 }

    private mutating func receiveAudio(_ packet: RTPPacket, _ plain: Span<UInt8>, _ section: NegotiatedMedia, at now: Instant) {
        guard section.codecs.contains(where: { $0.receivePayloadType == packet.payloadType }) else { return }
        var index = audioReceivers.firstIndex { $0.receiver.ssrc == packet.ssrc }
        if index == nil {
            if audioReceivers.count >= Self.maximumReceivers {
                let silent = audioReceivers.indices.min { audioReceivers[$0].receiver.lastPacket < audioReceivers[$1].receiver.lastPacket }
                if let silent { audioReceivers.remove(at: silent) }
            }
            audioReceivers.append((section.transceiver, AudioReceiver(ssrc: packet.ssrc)))
            index = audioReceivers.count - 1
        }
        guard let index else { return }
        audioReceivers[index].receiver.receive(packet, payload: plain.extracting(packet.payload), at: now)
        drainAudio(index)
    }

    mutating func drainAudio(_ index: Int) {
        while let audio = audioReceivers[index].receiver.nextAudio() { emit(.event(.audio(audioReceivers[index].id, audio))) }
    }

    private mutating func receiveVideo(
        _ packet: RTPPacket, _ plain: Span<UInt8>, _ section: NegotiatedMedia, at now: Instant
    ) -> PeerRefusal? {
        var packet = packet
        let codec: NegotiatedCodec
        let isRetransmission: Bool
        if let direct = section.codecs.first(where: { $0.receivePayloadType == packet.payloadType }) {
            (codec, isRetransmission) = (direct, false)
        } else if let repaired = section.codecs.first(where: { $0.receiveRTXPayloadType == packet.payloadType }) {
            // RFC 4588 clause 4: the original sequence number precedes the original payload. Padding alone is a probe.
            guard packet.payload.count > 2 else { return nil }
            packet.sequenceNumber = plain.u16(at: packet.payload.lowerBound)
            packet.payload = (packet.payload.lowerBound + 2)..<packet.payload.upperBound
            guard let primary = primarySource(of: packet.ssrc, in: section) else { return refuse(.unknownStream(packet.ssrc)) }
            packet.ssrc = primary
            (codec, isRetransmission) = (repaired, true)
        } else {
            return refuse(.unknownStream(packet.ssrc))
        }
        let index = videoReceiver(for: packet.ssrc, section, usesNack: codec.feedback.contains(.nack))
        videoReceivers[index].receiver.receive(
            packet, payload: plain.extracting(packet.payload), codec: codec.kind, isRetransmission: isRetransmission, at: now)
        while let frame = videoReceivers[index].receiver.nextFrame() { emit(.event(.videoFrame(videoReceivers[index].id, frame))) }
        if let due = videoReceivers[index].receiver.deadline, due <= now { sendVideoFeedback(index, at: now) }
        return nil
    }

    private func primarySource(of rtx: SSRC, in section: NegotiatedMedia) -> SSRC? {
        if let known = section.remoteRTXSSRCs.first(where: { $0.value == rtx })?.key { return known }
        return videoReceivers.first { $0.id == section.transceiver }?.receiver.ssrc
    }

    private mutating func videoReceiver(for ssrc: SSRC, _ section: NegotiatedMedia, usesNack: Bool) -> Int {
        if let index = videoReceivers.firstIndex(where: { $0.receiver.ssrc == ssrc }) { return index }
        if videoReceivers.count >= Self.maximumReceivers {
            // The one that has been silent for longest makes room.
            let silent = videoReceivers.indices.min { videoReceivers[$0].receiver.lastPacket < videoReceivers[$1].receiver.lastPacket }
            if let silent { videoReceivers.remove(at: silent) }
        }
        videoReceivers.append((section.transceiver, VideoReceiver(ssrc: ssrc, usesNack: usesNack)))
        return videoReceivers.count - 1
    }

    // MARK: Time

    mutating func advanceMedia(to now: Instant) {
        guard media != nil else { return }
        media!.congestion.advance(to: now)
        for index in videoSenders.indices {
            if let due = videoSenders[index].sender.deadline, due <= now {
                videoSenders[index].sender.advance(to: now, through: &media!)
            }
        }
        sendProbes(at: now)
        media!.flush()
        for index in videoReceivers.indices {
            if let due = videoReceivers[index].receiver.deadline, due <= now { sendVideoFeedback(index, at: now) }
        }
        for index in audioReceivers.indices {
            audioReceivers[index].receiver.advance(to: now)
            drainAudio(index)
        }
        if let due = feedback.deadline, due <= now {
            sendTransportFeedback(media: videoReceivers.first?.receiver.ssrc ?? audioReceivers.first?.receiver.ssrc ?? SSRC(0))
        }
        if let due = estimate.deadline, due <= now { sendEstimate(at: now) }
        if let due = reports.deadline, due <= now { sendReports(at: now) }
        announceTarget()
    }

    private mutating func sendProbes(at now: Instant) {
        let bytes = media!.congestion.probeBytes(at: now)
        guard bytes > 0, !videoSenders.isEmpty else { return }
        _ = videoSenders[0].sender.probe(bytes, through: &media!, at: now)
    }

    /// Says how much may be sent when it changed by 2 % or more.
    mutating func announceTarget() {
        let target = currentTarget()
        guard abs(target - announcedTarget) * 50 >= announcedTarget else { return }
        announcedTarget = target
        emit(.event(.targetBitrate(target)))
    }
}
