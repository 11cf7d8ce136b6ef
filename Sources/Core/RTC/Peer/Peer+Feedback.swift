import Wire

/// When sender and receiver reports are due (RFC 3550 clause 6.2; a fixed second, as WebRTC peers do).
struct ReportSchedule {
    private(set) var deadline: Instant?
    private static let interval = Duration.seconds(1)

    mutating func begin(at now: Instant) { if deadline == nil { deadline = now + .milliseconds(200) } }
    mutating func sent(at now: Instant) { deadline = now + Self.interval }
}

/// RTCP in both directions.
extension Peer {
    mutating func receiveRTCP(_ bytes: Span<UInt8>, at now: Instant) -> PeerRefusal? {
        guard media != nil else { return refuse(.noKeys) }
        // Taken out for the while: a span into it must not hold on to the whole peer.
        var plain: [UInt8] = []
        swap(&plain, &self.plain)
        defer { swap(&plain, &self.plain) }
        plain.removeAll(keepingCapacity: true)
        do throws(SRTPError) { try media!.srtp.unprotectRTCP(bytes, into: &plain) } catch { return refuse(.srtp(error)) }
        do throws(RTCPError) { try RTCPPacket.parse(plain.span, into: &packets, arrivals: &arrivals) } catch {
            packets.removeAll(keepingCapacity: true)
            return refuse(.rtcp(error))
        }
        for index in packets.indices {
            // Taken out, so that an array in it can be used again.
            var packet = RTCPPacket.goodbye([])
            swap(&packet, &packets[index])
            handle(packet, at: now)
        }
        packets.removeAll(keepingCapacity: true)
        media!.flush()
        announceTarget()
        return nil
    }

    private mutating func handle(_ packet: consuming RTCPPacket, at now: Instant) {
        switch consume packet {
        case .senderReport(let ssrc, let information, let blocks):
            if let index = videoReceivers.firstIndex(where: { $0.receiver.ssrc == ssrc }) {
                videoReceivers[index].receiver.received(information, at: now)
            } else if let index = audioReceivers.firstIndex(where: { $0.receiver.ssrc == ssrc }) {
                audioReceivers[index].receiver.received(information, at: now)
            }
            received(blocks, at: now)
        case .receiverReport(_, let blocks): received(blocks, at: now)
        case .nack(_, let source, let numbers):
            guard let index = videoSender(of: source) else { return }
            videoSenders[index].sender.retransmit(numbers, roundTrip: media!.congestion.roundTrip, through: &media!, at: now)
        case .pictureLoss(_, let source):
            guard let index = videoSender(of: source) else { return }
            let isLost = videoSenders[index].sender.receivedPictureLoss(roundTrip: media!.congestion.roundTrip, at: now)
            if isLost { emit(.event(.keyFrameNeeded(videoSenders[index].id))) }
        case .fullIntraRequest(let sender, let entries):
            for entry in entries {
                guard let index = videoSender(of: entry.ssrc) else { continue }
                let isNew = videoSenders[index].sender.receivedIntraRequest(entry.sequence, from: sender)
                if isNew { emit(.event(.keyFrameNeeded(videoSenders[index].id))) }
            }
        case .remb(_, let bitrate, _): media!.congestion.receivedREMB(bitrate, at: now)
        case .transportFeedback(let feedback):
            media!.congestion.received(feedback, at: now)
            arrivals = feedback.deltas
            if configuration.traces { trace("congestion", media!.congestion.traceFields, at: now) }
        case .goodbye, .sourceDescription, .other: break
        }
    }

    private mutating func received(_ blocks: [ReportBlock], at now: Instant) {
        for block in blocks {
            let roundTrip = roundTrip(of: block, at: now)
            if let index = videoSenders.firstIndex(where: { $0.sender.parameters.ssrc == block.ssrc }) {
                videoSenders[index].sender.received(block)
                media!.congestion.receivedReport(fractionLost: block.fractionLost, roundTrip: roundTrip, at: now)
            } else if let index = audioSenders.firstIndex(where: { $0.sender.parameters.ssrc == block.ssrc }) {
                audioSenders[index].sender.received(block)
                if videoSenders.isEmpty {
                    media!.congestion.receivedReport(fractionLost: block.fractionLost, roundTrip: roundTrip, at: now)
                }
            }
        }
    }

    /// RFC 3550 clause 6.4.1: arrival less the sender report's time less the delay at the receiver, in 1/65536 s.
    private func roundTrip(of block: ReportBlock, at now: Instant) -> Duration? {
        guard block.lastSenderReport != 0 else { return nil }
        let middle = UInt32(truncatingIfNeeded: configuration.clock.time(at: now) >> 16)
        let units = Int32(bitPattern: middle &- block.lastSenderReport &- block.delaySinceLastSenderReport)
        guard units >= 0, units < 65_536 * 60 else { return nil }
        return Duration(nanoseconds: Int64(units) * 1_000_000_000 / 65_536)
    }

    private func videoSender(of source: SSRC) -> Int? { videoSenders.firstIndex { $0.sender.parameters.ssrc == source } }

    // MARK: Sending

    mutating func sendReports(at now: Instant) {
        reports.sent(at: now)
        var blocks: [ReportBlock] = []
        for index in videoReceivers.indices { if let block = videoReceivers[index].receiver.report(at: now) { blocks.append(block) } }
        for index in audioReceivers.indices { if let block = audioReceivers[index].receiver.report(at: now) { blocks.append(block) } }
        var senders: [(SSRC, SenderInformation)] = []
        for (_, sender) in videoSenders {
            if let information = sender.senderInformation(clock: configuration.clock, at: now) {
                senders.append((sender.parameters.ssrc, information))
            }
        }
        for (_, sender) in audioSenders {
            if let information = sender.senderInformation(clock: configuration.clock, at: now) {
                senders.append((sender.parameters.ssrc, information))
            }
        }
        guard !senders.isEmpty || !blocks.isEmpty else { return }
        var compound: [RTCPPacket] = []
        for (index, (ssrc, information)) in senders.enumerated() {
            compound.append(.senderReport(ssrc, information, index == 0 ? blocks : []))
        }
        if senders.isEmpty { compound.append(.receiverReport(reportSSRC, blocks)) }
        compound.append(.sourceDescription([SourceDescription(ssrc: senders.first?.0 ?? reportSSRC, cname: cname)]))
        media!.sendRTCP(compound)
    }

    mutating func sendVideoFeedback(_ index: Int, at now: Instant) {
        let (numbers, wantsKeyFrame) = videoReceivers[index].receiver.feedback(roundTrip: iceRoundTrip, at: now)
        while let frame = videoReceivers[index].receiver.nextFrame() { emit(.event(.videoFrame(videoReceivers[index].id, frame))) }
        let source = videoReceivers[index].receiver.ssrc
        var packets: [RTCPPacket] = []
        if !numbers.isEmpty { packets.append(.nack(sender: reportSSRC, media: source, numbers)) }
        if wantsKeyFrame { packets.append(.pictureLoss(sender: reportSSRC, media: source)) }
        if !packets.isEmpty { sendFeedback(packets) }
    }

    /// To senders that know no transport-wide feedback (draft-alvestrand-rmcat-remb-03).
    mutating func sendEstimate(at now: Instant) {
        guard let bitrate = estimate.report(at: now) else { return }
        let sources = videoReceivers.map(\.receiver.ssrc)
        if !sources.isEmpty { sendFeedback([.remb(sender: reportSSRC, bitrate: UInt64(bitrate), sources)]) }
    }

    mutating func sendTransportFeedback(media source: SSRC) {
        guard let report = feedback.feedback(sender: reportSSRC, media: source) else { return }
        sendFeedback([.transportFeedback(report)])
    }

    /// Alone where the peer takes reduced-size RTCP (RFC 5506), else behind an empty report.
    private mutating func sendFeedback(_ packets: [RTCPPacket]) {
        let isReduced = negotiator.session?.media.allSatisfy(\.reducedSizeRTCP) ?? false
        media!.sendRTCP(isReduced ? packets : [.receiverReport(reportSSRC, [])] + packets)
    }

    private var iceRoundTrip: Duration? { ice.statistics.currentRoundTripTime.map { .seconds($0) } }

    mutating func sendGoodbye() {
        let sources = videoSenders.map(\.sender.parameters.ssrc) + audioSenders.map(\.sender.parameters.ssrc)
        guard media != nil, !sources.isEmpty else { return }
        media!.sendRTCP([.receiverReport(reportSSRC, []), .goodbye(sources)])
    }
}
