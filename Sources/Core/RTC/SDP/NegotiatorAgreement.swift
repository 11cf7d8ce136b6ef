extension Negotiator {
    /// Reads what an offer and its answer say together; with a final answer this becomes what holds.
    mutating func agree(
        local: SessionDescription, remote: SessionDescription, slots: [Slot], isOfferer: Bool, isFinal: Bool
    ) throws(NegotiationError) {
        var slots = slots
        let agreed = try agreement(local: local, remote: remote, slots: &slots, isOfferer: isOfferer)
        session = agreed
        guard isFinal else {
            signalingState = isOfferer ? .haveRemotePranswer : .haveLocalPranswer
            return
        }
        // A peer that refuses data channels is not asked again and again.
        if isOfferer, wantsData, pendingOffer?.slots.contains(where: { $0.owner == .data }) == true, agreed?.data == nil {
            wantsData = false
        }
        self.slots = slots
        for section in remote.media {
            payloadTypes.learn(section)
            extensionIDs.learn(section)
        }
        // Those that ended in an earlier exchange have been seen to end.
        transceivers.removeAll(where: \.isStopped)
        for index in transceivers.indices {
            settle(&transceivers[index], local: local, remote: remote, slots: slots, isOfferer: isOfferer)
        }
        let living = Set(transceivers.filter { !$0.isStopped }.map(\.id))
        newTransceivers.removeAll { !living.contains($0) }
        stable = nil
        pendingOffer = nil
        created = nil
        signalingState = .stable
    }

    private func settle(
        _ transceiver: inout Transceiver, local: SessionDescription, remote: SessionDescription, slots: [Slot], isOfferer: Bool
    ) {
        guard let index = transceiver.mLineIndex, transceiver.mid != nil, slots.indices.contains(index) else { return }
        guard slots[index].owner == .transceiver(transceiver.id) else {
            transceiver.isStopped = true
            transceiver.currentDirection = nil
            transceiver.mid = nil
            transceiver.mLineIndex = nil
            return
        }
        let localDirection = local.direction(of: local.media[index])
        let remoteDirection = remote.direction(of: remote.media[index])
        transceiver.currentDirection = localDirection.intersection(remoteDirection.reversed)
        if transceiver.currentDirection?.sends == true { transceiver.hasSent = true }
        transceiver.signalled = .init(
            local: localDirection, remote: remoteDirection, localWasOffer: isOfferer, sourceKey: transceiver.sourceKey)
    }

    private func agreement(
        local: SessionDescription, remote: SessionDescription, slots: inout [Slot], isOfferer: Bool
    ) throws(NegotiationError) -> NegotiatedSession? {
        let accepted = slots.indices.filter { !slots[$0].isFree }
        guard let first = accepted.first else {
            var ended = session
            ended?.media = []
            ended?.data = nil
            return ended
        }
        let answer = isOfferer ? remote : local
        if accepted.count > 1 {
            for index in accepted where !answer.bundle.contains(slots[index].mid) { throw .notBundled(mid: slots[index].mid) }
        }
        let tagged = remote.carrier(of: remote.media[first])
        let transport = remote.transport(of: tagged)
        guard let credentials = transport.credentials, let localCredentials = local.transport(of: local.media[first]).credentials
        else { throw .missingCredentials(mid: slots[first].mid) }
        guard !transport.fingerprints.isEmpty else { throw .missingFingerprint(mid: slots[first].mid) }
        var agreed = NegotiatedSession(
            remoteCredentials: credentials, remoteIsLite: remote.isICELite, remoteCandidates: tagged.candidates,
            remoteEndOfCandidates: tagged.endOfCandidates || remote.endOfCandidates,
            remoteSupportsTrickle: transport.options.contains("trickle"), remoteFingerprints: transport.fingerprints,
            dtlsRole: try role(local: local, remote: remote, index: first, isOfferer: isOfferer), transportMid: slots[first].mid,
            isOfferer: isOfferer, localCredentials: localCredentials, media: [], data: nil)
        for index in accepted {
            switch slots[index].owner {
            case .nobody: break
            case .data: agreed.data = data(index, slots[index], local.media[index], remote.media[index])
            case .transceiver(let id):
                guard let transceiver = transceiver(id) else { continue }
                guard remote.media[index].rtcpMux else { throw .missingMux(mid: slots[index].mid) }
                let media = media(transceiver, index, slots[index].mid, local: local, remote: remote, isOfferer: isOfferer)
                agreed.media.append(media)
            }
        }
        return agreed
    }

    /// Ours, from what the answer says (RFC 8842 clause 5).
    private func role(
        local: SessionDescription, remote: SessionDescription, index: Int, isOfferer: Bool
    ) throws(NegotiationError) -> DTLSRole {
        let remoteTransport = remote.transport(of: remote.carrier(of: remote.media[index]))
        let answer = isOfferer ? remoteTransport.setup : local.transport(of: local.media[index]).setup
        let role: DTLSRole
        switch answer {
        case .active: role = isOfferer ? .server : .client
        case .passive: role = isOfferer ? .client : .server
        // An answer without the line means active (RFC 4145 clause 4.1); anything else is no answer.
        case nil: role = isOfferer ? .server : .client
        default: throw .setup(mid: remote.media[index].mid ?? "")
        }
        let isSameAssociation =
            session.map {
                $0.transportMid == local.media[index].mid && !Set($0.remoteFingerprints).isDisjoint(with: remoteTransport.fingerprints)
            } ?? false
        // A running association keeps its roles (RFC 8842 clause 5.5). Firefox answers active to a second actpass whatever its role, and means
        // nothing by it.
        if isSameAssociation, let running = session?.dtlsRole { return running }
        return role
    }

    private func data(_ index: Int, _ slot: Slot, _ local: MediaSection, _ remote: MediaSection) -> NegotiatedData {
        // Absent: 64 KiB; 0: no limit (RFC 8841 clause 6.1).
        let size = remote.maximumMessage ?? 65_536
        return NegotiatedData(
            mid: slot.mid, mLineIndex: index, localPort: local.sctpPort ?? 5000, remotePort: remote.sctpPort ?? 5000,
            remoteMaximumMessage: size == 0 ? nil : size)
    }

    private func media(
        _ transceiver: Transceiver, _ index: Int, _ mid: String, local: SessionDescription, remote: SessionDescription, isOfferer: Bool
    ) -> NegotiatedMedia {
        let ours = local.media[index], theirs = remote.media[index]
        let direction = local.direction(of: ours).intersection(remote.direction(of: theirs).reversed)
        var media = NegotiatedMedia(
            transceiver: transceiver.id, mid: mid, mLineIndex: index, kind: transceiver.kind, sends: direction.sends,
            receives: direction.receives, codecs: Self.codecs(ours, theirs, isOfferer: isOfferer), extensions: [:], receivedExtensions: [:],
            remoteSSRCs: remote.direction(of: theirs).sends ? theirs.primarySources : [], remoteRTXSSRCs: [:], localSSRC: transceiver.ssrc,
            localRTXSSRC: transceiver.rtxSSRC,
            remoteStreamIDs: theirs.msids.map(\.stream).filter { $0 != "-" }, remoteTrackID: theirs.msids.first?.track,
            remoteCNAME: theirs.sources.first { $0.name == "cname" }?.value,
            reducedSizeRTCP: ours.reducedSizeRTCP && theirs.reducedSizeRTCP,
            remoteMaximumBitrate: nil)
        if theirs.msids.isEmpty { Self.readSourceIdentity(theirs, into: &media) }
        for source in media.remoteSSRCs { media.remoteRTXSSRCs[source] = theirs.retransmissionSource(of: source) }
        media.remoteMaximumBitrate =
            theirs.bandwidths["TIAS"] ?? theirs.bandwidths["AS"].map { min($0, UInt64.max / 1000) * 1000 }
        let allowsTwoBytes =
            (local.allowsMixedExtensions || ours.allowsMixedExtensions) && (remote.allowsMixedExtensions || theirs.allowsMixedExtensions)
        for map in (isOfferer ? theirs : ours).extensions {
            guard let known = HeaderExtension(rawValue: map.uri), map.id <= 14 || allowsTwoBytes,
                let other = (isOfferer ? ours : theirs).extensions.first(where: { $0.id == map.id && $0.uri == map.uri })
            else { continue }
            // The peer's own direction says which way it goes (RFC 8285 clause 8).
            let direction = (isOfferer ? map : other).direction ?? .sendrecv
            if direction.receives { media.extensions[known] = map.id }
            if direction.sends { media.receivedExtensions[known] = map.id }
        }
        return media
    }

    /// `a=ssrc:… msid:stream track`, where a peer names its track only there.
    private static func readSourceIdentity(_ section: MediaSection, into media: inout NegotiatedMedia) {
        guard let words = section.sources.first(where: { $0.name == "msid" })?.value?.split(separator: " "), let stream = words.first
        else { return }
        media.remoteStreamIDs = stream == "-" ? [] : [String(stream)]
        media.remoteTrackID = words.count > 1 ? String(words[1]) : nil
    }

    /// The formats of the answer that the offer has too, in the answer's order.
    private static func codecs(_ ours: MediaSection, _ theirs: MediaSection, isOfferer: Bool) -> [NegotiatedCodec] {
        let (answer, offer) = isOfferer ? (theirs, ours) : (ours, theirs)
        var agreed: [NegotiatedCodec] = []
        for answered in answer.codecs {
            guard let kind = CodecKind(answered), let format = CodecMatch.format(of: answered) else { continue }
            let candidates = offer.codecs.filter { CodecMatch.format(of: $0) == format }
            // Some answer an offered payload type with a profile of their own; the number then says which one is meant.
            guard
                let offered = candidates.first(where: { $0.payloadType == answered.payloadType }) ?? candidates.first
                    ?? offer.codecs.first(where: { $0.payloadType == answered.payloadType && CodecKind($0) == kind })
            else { continue }
            let (local, remote) = isOfferer ? (offered, answered) : (answered, offered)
            let localRetransmission = ours.codecs.first { $0.repairs == local.payloadType }?.payloadType
            let remoteRetransmission = theirs.codecs.first { $0.repairs == remote.payloadType }?.payloadType
            let isRepaired = localRetransmission != nil && remoteRetransmission != nil
            var codec = NegotiatedCodec(
                kind: kind, payloadType: remote.payloadType, receivePayloadType: local.payloadType,
                rtxPayloadType: isRepaired ? remoteRetransmission : nil, receiveRTXPayloadType: isRepaired ? localRetransmission : nil,
                clockRate: kind.clockRate, channels: kind.channels, parameters: .none,
                feedback: Set(local.feedback).intersection(remote.feedback), isSendable: true)
            switch kind {
            case .vp8: break
            case .opus: codec.parameters = .opus(OpusParameters(remote.parameters))
            case .h264:
                guard let parameters = H264Parameters(remote.parameters) else { continue }
                codec.parameters = .h264(parameters)
                codec.isSendable = CodecMatch.isSendable(parameters)
            }
            agreed.append(codec)
        }
        return agreed
    }
}
