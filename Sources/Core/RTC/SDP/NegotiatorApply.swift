extension Negotiator {
    /// Applies what `createOffer` or `createAnswer` made here; descriptions are not edited in between.
    public mutating func setLocal(_ description: SessionDescription, kind: DescriptionKind) throws(NegotiationError) {
        switch kind {
        case .rollback:
            rollback()
        case .offer:
            guard signalingState == .stable || signalingState == .haveLocalOffer else {
                throw .wrongState(signalingState, attempted: "setLocal(offer)")
            }
            let created = try take(description, .offer)
            rememberStable()
            payloadTypes = created.payloadTypes
            extensionIDs = created.extensionIDs
            pendingOffer = PendingOffer(description: description, slots: created.slots)
            bind(created.slots)
            localDescription = description
            signalingState = .haveLocalOffer
        case .answer, .pranswer:
            guard signalingState == .haveRemoteOffer || signalingState == .haveLocalPranswer, let offer = pendingOffer else {
                throw .wrongState(signalingState, attempted: "setLocal(\(kind.rawValue))")
            }
            let created = try take(description, .answer)
            try agree(local: description, remote: offer.description, slots: created.slots, isOfferer: false, isFinal: kind == .answer)
            localDescription = description
        }
    }

    /// Applies what the peer sent. When it throws nothing has changed.
    public mutating func setRemote(_ description: SessionDescription, kind: DescriptionKind) throws(NegotiationError) {
        var next = self
        try next.applyRemote(description, kind: kind)
        self = next
    }

    private mutating func applyRemote(_ description: SessionDescription, kind: DescriptionKind) throws(NegotiationError) {
        switch kind {
        case .rollback:
            rollback()
        case .offer:
            guard signalingState == .stable || signalingState == .haveRemoteOffer else {
                throw .wrongState(signalingState, attempted: "setRemote(offer)")
            }
            try setRemoteOffer(description)
        case .answer, .pranswer:
            guard signalingState == .haveLocalOffer || signalingState == .haveRemotePranswer, let offer = pendingOffer else {
                throw .wrongState(signalingState, attempted: "setRemote(\(kind.rawValue))")
            }
            try setRemoteAnswer(description, to: offer, isFinal: kind == .answer)
        }
    }

    private mutating func take(_ description: SessionDescription, _ kind: DescriptionKind) throws(NegotiationError) -> Created {
        guard let created, created.kind == kind, created.description.withoutCandidates == description.withoutCandidates else {
            throw .notTheLastCreated
        }
        version += 1
        return created
    }

    private mutating func bind(_ slots: [Slot]) {
        for (index, slot) in slots.enumerated() {
            guard case .transceiver(let id) = slot.owner, let at = transceivers.firstIndex(where: { $0.id == id }) else { continue }
            transceivers[at].mid = slot.mid
            transceivers[at].mLineIndex = index
        }
    }

    // MARK: The peer's offer

    private mutating func setRemoteOffer(_ offer: SessionDescription) throws(NegotiationError) {
        let base = stable?.slots ?? slots
        guard offer.media.count >= base.count else { throw .sectionCount(expected: base.count, found: offer.media.count) }
        let offer = Self.named(offer, base)
        for (index, section) in offer.media.enumerated() where index < base.count && !base[index].isFree {
            guard section.kind == base[index].kind, section.mid == base[index].mid else { throw .sectionChanged(index: index) }
        }
        try checkTransport(offer)
        if signalingState == .haveRemoteOffer { rollback() }
        rememberStable()
        newTransceivers = []
        var slots: [Slot] = []
        for (index, section) in offer.media.enumerated() {
            var slot = Slot(
                mid: section.mid ?? "", kind: section.kind, protocolName: section.protocolName, formats: section.formats, owner: .nobody)
            if index < base.count && !base[index].isFree {
                slot.owner = base[index].owner
            } else if isUsable(section, in: offer) {
                slot.owner = try owner(of: section, offer: offer, taken: slots)
            }
            slots.append(slot)
            payloadTypes.learn(section)
            extensionIDs.learn(section)
        }
        bind(slots)
        pendingOffer = PendingOffer(description: offer, slots: slots)
        remoteDescription = offer
        signalingState = .haveRemoteOffer
    }

    /// Sections without a tag are given one (RFC 8829 clause 5.10).
    private static func named(_ offer: SessionDescription, _ base: [Slot]) -> SessionDescription {
        var offer = offer
        for (index, slot) in base.enumerated() where !slot.isFree && offer.media[index].mid == nil { offer.media[index].mid = slot.mid }
        var names = Set(offer.media.compactMap(\.mid))
        for index in offer.media.indices where offer.media[index].mid == nil { offer.media[index].mid = freshMid(&names) }
        return offer
    }

    /// A waiting transceiver that shares a direction with the section (RFC 8829 clause 5.10), or a new one.
    private mutating func owner(of section: MediaSection, offer: SessionDescription, taken: [Slot]) throws(NegotiationError) -> Slot.Owner {
        guard let kind = section.kind.media else {
            let isFirst = !taken.contains { $0.owner == .data } && !(stable?.slots ?? []).contains { $0.owner == .data }
            return section.isDataChannels && isFirst ? .data : .nobody
        }
        let offered = offer.direction(of: section).reversed
        let waiting = transceivers.first { transceiver in
            transceiver.kind == kind && transceiver.mid == nil && !transceiver.isStopped && !transceiver.isStopping
                && !taken.contains { $0.owner == .transceiver(transceiver.id) } && transceiver.direction.intersection(offered) != .inactive
        }
        if let waiting { return .transceiver(waiting.id) }
        guard transceivers.count < SDPLimit.sections * 4 else { throw .tooMany }
        let direction = offered.receives ? configuration.unexpectedMediaDirection : .inactive
        let id = add(kind, direction: direction, streamID: "-", trackID: "", ssrc: nil, rtxSSRC: nil, codecs: nil, isRemote: true)
        newTransceivers.append(id)
        return .transceiver(id)
    }

    private func checkTransport(_ description: SessionDescription) throws(NegotiationError) {
        guard let section = transportSection(description) else { return }
        let transport = description.transport(of: description.carrier(of: section))
        guard transport.credentials != nil else { throw .missingCredentials(mid: section.mid ?? "") }
        guard !transport.fingerprints.isEmpty else { throw .missingFingerprint(mid: section.mid ?? "") }
    }

    /// The first section that can be used: the one whose transport carries the bundle.
    func transportSection(_ description: SessionDescription) -> MediaSection? {
        description.media.first { isUsable($0, in: description) }
    }

    // MARK: The peer's answer

    private mutating func setRemoteAnswer(_ answer: SessionDescription, to offer: PendingOffer, isFinal: Bool) throws(NegotiationError) {
        guard answer.media.count == offer.slots.count else {
            throw .sectionCount(expected: offer.slots.count, found: answer.media.count)
        }
        var answer = answer
        var slots = offer.slots
        for index in slots.indices {
            // A missing tag is implied by the place (RFC 8829 clause 5.11).
            if answer.media[index].mid == nil { answer.media[index].mid = slots[index].mid }
            guard answer.media[index].mid == slots[index].mid, answer.media[index].kind == slots[index].kind else {
                throw .sectionChanged(index: index)
            }
            let section = answer.media[index]
            if section.isRejected || (section.port == 0 && !answer.bundle.contains(slots[index].mid)) { slots[index].owner = .nobody }
        }
        try agree(local: offer.description, remote: answer, slots: slots, isOfferer: true, isFinal: isFinal)
        remoteDescription = answer
    }
}

extension SessionDescription {
    /// For comparison: candidates may be added to a description after it was made.
    fileprivate var withoutCandidates: SessionDescription {
        var bare = self
        bare.endOfCandidates = false
        for index in bare.media.indices {
            bare.media[index].candidates = []
            bare.media[index].endOfCandidates = false
        }
        return bare
    }
}
