extension Negotiator {
    /// An answer to the peer's pending offer (RFC 8829 clause 5.3): its m-lines, in its order, with its numbers.
    public mutating func createAnswer(_ transport: TransportDescription) throws(NegotiationError) -> SessionDescription {
        guard signalingState == .haveRemoteOffer || signalingState == .haveLocalPranswer, let pendingOffer else {
            throw .wrongState(signalingState, attempted: "createAnswer")
        }
        if remoteRestartsICE, let session, session.localCredentials == transport.iceCredentials { throw .restartNeedsNewCredentials }
        let offer = pendingOffer.description
        let setup = try answeredSetup(offer)
        var description = emptyDescription()
        var plan = pendingOffer.slots
        var accepted: [String] = []
        for (index, offered) in offer.media.enumerated() {
            let mid = plan[index].mid
            var section: MediaSection?
            if isUsable(offered, in: offer), canBundle(mid, with: accepted.first, in: offer) {
                section = answeredSection(offered, offer: offer, slot: plan[index])
            }
            guard var section else {
                plan[index].owner = .nobody
                description.media.append(rejected(offered.kind, offered.protocolName, offered.formats, mid: mid))
                continue
            }
            section.mid = mid
            describe(&section, transport, setup: setup, isTagged: accepted.isEmpty)
            accepted.append(mid)
            description.media.append(section)
        }
        description.allowsMixedExtensions = offer.allowsMixedExtensions
        if !accepted.isEmpty && !offer.bundle.isEmpty { description.groups = [.init(semantics: "BUNDLE", mids: accepted)] }
        created = Created(
            description: description, slots: plan, kind: .answer, payloadTypes: payloadTypes, extensionIDs: extensionIDs)
        return description
    }

    /// RFC 8842 clause 5.3, with the role kept while the association lives (clause 5.5).
    private func answeredSetup(_ offer: SessionDescription) throws(NegotiationError) -> TransportAttributes.Setup {
        guard let first = offer.media.first(where: { isUsable($0, in: offer) }) else { return .active }
        let transport = offer.transport(of: offer.carrier(of: first))
        let running = session.flatMap { session in
            Set(session.remoteFingerprints).isDisjoint(with: transport.fingerprints) ? nil : session.dtlsRole
        }
        let isSameTransport = session?.transportMid == first.mid
        switch transport.setup {
        case .active:
            guard running != .client || !isSameTransport else { throw .setup(mid: first.mid ?? "") }
            return .passive
        case .passive:
            guard running != .server || !isSameTransport else { throw .setup(mid: first.mid ?? "") }
            return .active
        case .holdconn: throw .setup(mid: first.mid ?? "")
        case .actpass, nil:
            if let running { return running == .client ? .active : .passive }
            return configuration.answersPassive ? .passive : .active
        }
    }

    /// A section that we could accept, its codecs aside.
    func isUsable(_ section: MediaSection, in offer: SessionDescription) -> Bool {
        guard !section.isRejected else { return false }
        if section.isDataChannels { return true }
        return section.isSecureMedia && section.rtcpMux
    }

    /// One transport: what is accepted shares a BUNDLE group, or stands alone (RFC 9143 clause 7.3).
    private func canBundle(_ mid: String, with first: String?, in offer: SessionDescription) -> Bool {
        guard let first else { return true }
        let bundle = offer.bundle
        return bundle.contains(first) && bundle.contains(mid)
    }

    private func answeredSection(_ offered: MediaSection, offer: SessionDescription, slot: Slot) -> MediaSection? {
        switch slot.owner {
        case .nobody: return nil
        case .data:
            var section = MediaSection(kind: offered.kind, port: 9, protocolName: offered.protocolName, formats: offered.formats)
            describeData(&section)
            return section
        case .transceiver(let id):
            guard let transceiver = transceiver(id), !transceiver.isStopped, !transceiver.isStopping || carriesOthers(slot.mid)
            else { return nil }
            return answeredMedia(offered, offer: offer, transceiver)
        }
    }

    private func answeredMedia(_ offered: MediaSection, offer: SessionDescription, _ transceiver: Transceiver) -> MediaSection? {
        let matches = CodecMatch.matches(in: offered, kinds: codecs(of: transceiver), configuration: configuration)
        guard !matches.isEmpty else { return nil }
        var section = MediaSection(kind: offered.kind, port: 9, protocolName: offered.protocolName, formats: [])
        section.direction = offer.direction(of: offered).reversed.intersection(transceiver.isStopping ? .inactive : transceiver.direction)
        section.rtcpMux = true
        section.reducedSizeRTCP = offered.reducedSizeRTCP
        section.allowsMixedExtensions = offered.allowsMixedExtensions && !offer.allowsMixedExtensions
        section.codecs = matches.flatMap { $0.answer(configuration) }
        section.formats = section.codecs.map { String($0.payloadType.rawValue) }
        let allowsTwoBytes = offered.allowsMixedExtensions || offer.allowsMixedExtensions
        for map in offered.extensions {
            guard let known = HeaderExtension(rawValue: map.uri), configuration.headerExtensions.contains(known),
                map.id <= 14 || allowsTwoBytes, !section.extensions.contains(where: { $0.uri == map.uri || $0.id == map.id })
            else { continue }
            section.extensions.append(.init(id: map.id, direction: map.direction?.reversed, uri: map.uri))
        }
        describeSource(transceiver, in: &section)
        return section
    }
}
