extension Negotiator {
    /// An offer of everything wanted now (RFC 8829 clause 5.2). Nothing changes until `setLocal`.
    /// - Parameter isRestart: restarts ICE; `transport` must then hold new credentials.
    public mutating func createOffer(_ transport: TransportDescription, isRestart: Bool = false) throws(NegotiationError)
        -> SessionDescription
    {
        guard signalingState == .stable || signalingState == .haveLocalOffer else {
            throw .wrongState(signalingState, attempted: "createOffer")
        }
        if isRestart, let session, session.localCredentials == transport.iceCredentials { throw .restartNeedsNewCredentials }
        let base = stable?.slots ?? slots
        let plan = try plannedSlots(base)
        guard !plan.isEmpty else { throw .nothingToOffer }
        // Numbers chosen here bind nobody before `setLocal`: the peer's own offer may come first and choose others.
        let numbers = (payloadTypes, extensionIDs)
        defer { (payloadTypes, extensionIDs) = numbers }

        var description = emptyDescription()
        description.allowsMixedExtensions = true
        let bundled = plan.filter { !$0.isFree }.map(\.mid)
        if !bundled.isEmpty { description.groups = [.init(semantics: "BUNDLE", mids: bundled)] }
        for slot in plan {
            var section = offeredSection(slot)
            if slot.isFree {
                section = rejected(slot.kind, slot.protocolName, slot.formats, mid: slot.mid)
            } else {
                describe(&section, transport, setup: .actpass, isTagged: slot.mid == bundled.first)
            }
            description.media.append(section)
        }
        created = Created(
            description: description, slots: plan, kind: .offer, payloadTypes: payloadTypes, extensionIDs: extensionIDs)
        return description
    }

    func emptyDescription() -> SessionDescription {
        var description = SessionDescription(origin: .init(sessionID: String(configuration.sessionID), version: version))
        description.isICELite = configuration.isICELite
        description.msidSemantic = "WMS *"
        // RFC 8838 clause 4.1 and RFC 8445 clause 10.
        description.transport.options = configuration.supportsTrickle ? ["trickle", "ice2"] : ["ice2"]
        return description
    }

    func rejected(_ kind: MediaSection.Kind, _ protocolName: String, _ formats: [String], mid: String) -> MediaSection {
        var section = MediaSection(kind: kind, port: 0, protocolName: protocolName, formats: formats.isEmpty ? ["0"] : formats)
        section.mid = mid
        section.direction = .inactive
        return section
    }

    /// ICE and DTLS lines stand in every section, as browsers print them; candidates only in the one that carries the bundle.
    func describe(_ section: inout MediaSection, _ transport: TransportDescription, setup: TransportAttributes.Setup, isTagged: Bool) {
        section.transport.usernameFragment = transport.iceCredentials.usernameFragment
        section.transport.password = transport.iceCredentials.password
        section.transport.fingerprints = configuration.fingerprints
        section.transport.setup = setup
        guard isTagged else { return }
        section.candidates = transport.candidates
        section.endOfCandidates = transport.gatheringIsComplete
    }

    // MARK: m-lines

    /// The agreed m-lines in their order, ended ones freed, free ones used again, new ones behind (RFC 8829 clause 5.2.2).
    private func plannedSlots(_ base: [Slot]) throws(NegotiationError) -> [Slot] {
        var plan = base
        for index in plan.indices {
            guard case .transceiver(let id) = plan[index].owner, !carriesOthers(plan[index].mid) else { continue }
            if transceiver(id).map({ $0.isStopped || $0.isStopping }) ?? true { plan[index].owner = .nobody }
        }
        let placed = Set(base.compactMap { slot -> TransceiverID? in if case .transceiver(let id) = slot.owner { id } else { nil } })
        var reusable = base.indices.filter { base[$0].isFree }[...]
        var names = Set(base.map(\.mid))
        var additions = transceivers.filter { !$0.isStopped && !$0.isStopping && !placed.contains($0.id) && !codecs(of: $0).isEmpty }.map {
            Slot(mid: "", kind: .init($0.kind), protocolName: "UDP/TLS/RTP/SAVPF", formats: [], owner: .transceiver($0.id))
        }
        if wantsData && !base.contains(where: { $0.owner == .data }) {
            additions.append(
                Slot(mid: "", kind: .application, protocolName: "UDP/DTLS/SCTP", formats: ["webrtc-datachannel"], owner: .data))
        }
        for var slot in additions {
            slot.mid = Self.freshMid(&names)
            if let index = reusable.popFirst() { plan[index] = slot } else { plan.append(slot) }
        }
        guard plan.count <= SDPLimit.sections else { throw .tooMany }
        return plan
    }

    /// True for the section that carries the agreed transport while others use it. Chromium tears the whole bundle down when it is rejected,
    /// so a stopped transceiver stays there as inactive.
    func carriesOthers(_ mid: String?) -> Bool {
        guard let mid, mid == session?.transportMid else { return false }
        return (stable?.slots ?? slots).contains { slot in
            guard slot.mid != mid else { return false }
            switch slot.owner {
            case .nobody: return false
            case .data: return true
            case .transceiver(let id): return transceiver(id).map { !$0.isStopped && !$0.isStopping } ?? false
            }
        }
    }

    static func freshMid(_ names: inout Set<String>) -> String {
        var number = names.count
        while !names.insert(String(number)).inserted { number += 1 }
        return String(number)
    }

    private mutating func offeredSection(_ slot: Slot) -> MediaSection {
        var section = MediaSection(kind: slot.kind, port: 9, protocolName: slot.protocolName, formats: slot.formats)
        section.mid = slot.mid
        switch slot.owner {
        case .nobody: break
        case .data:
            describeData(&section)
        case .transceiver(let id):
            guard let transceiver = transceiver(id) else { break }
            offerMedia(transceiver, in: &section)
        }
        return section
    }

    func describeData(_ section: inout MediaSection) {
        section.sctpPort = 5000
        section.maximumMessage = configuration.maximumMessage
        // In the older form (draft-ietf-mmusic-sctp-sdp-12) the format is the port.
        if section.protocolName == "DTLS/SCTP" { section.formats = ["5000"] }
    }

    private mutating func offerMedia(_ transceiver: Transceiver, in section: inout MediaSection) {
        section.direction = transceiver.isStopping ? .inactive : transceiver.direction
        section.rtcpMux = true
        section.reducedSizeRTCP = true
        for kind in codecs(of: transceiver) {
            for codec in offeredCodecs(kind, receives: transceiver.direction.receives) { section.codecs.append(codec) }
        }
        section.formats = section.codecs.map { String($0.payloadType.rawValue) }
        for headerExtension in HeaderExtension.allCases
        where configuration.headerExtensions.contains(headerExtension) && headerExtension.applies(to: transceiver.kind) {
            if let id = extensionIDs.id(for: headerExtension.rawValue) {
                section.extensions.append(.init(id: id, uri: headerExtension.rawValue))
            }
        }
        describeSource(transceiver, in: &section)
    }

    private mutating func offeredCodecs(_ kind: CodecKind, receives: Bool) -> [CodecDescription] {
        var parameters: [FormatParameters?] = [nil]
        if kind == .opus { parameters = [FormatParameters(configuration.opus.text)] }
        if kind == .h264 {
            parameters = (receives ? [1, 0] : [1]).map { mode in
                FormatParameters(H264Parameters(profileLevel: configuration.h264Level, packetizationMode: mode).text)
            }
        }
        var codecs: [CodecDescription] = []
        for parameters in parameters {
            var codec = CodecDescription(
                payloadType: PayloadType(0), name: kind.name, clockRate: kind.clockRate, channels: kind.channels, parameters: parameters)
            guard let format = CodecMatch.format(of: codec), let numbers = payloadTypes.numbers(for: format) else { continue }
            codec.payloadType = numbers.payloadType
            codec.feedback = kind.feedback
            codecs.append(codec)
            if let retransmission = numbers.retransmission {
                codecs.append(CodecMatch.retransmission(retransmission, of: numbers.payloadType))
            }
        }
        return codecs
    }

    /// `a=msid` and the sources, as Plan B survivors and old receivers still want them beside the mid extension (RFC 8829 clause 5.2.1).
    /// They stay when the sending pauses: Chromium shows nothing of a source that went and came back under the same SSRC.
    func describeSource(_ transceiver: Transceiver, in section: inout MediaSection) {
        guard section.direction?.sends == true || transceiver.hasSent else { return }
        let stream = Self.token(transceiver.streamID) ?? "-"
        let track = Self.token(transceiver.trackID) ?? "track\(transceiver.id.rawValue)"
        section.msids = [.init(stream: stream, track: track)]
        guard let ssrc = transceiver.ssrc else { return }
        var sources = [ssrc]
        if let rtx = transceiver.rtxSSRC, section.codecs.contains(where: { $0.repairs != nil }) {
            sources.append(rtx)
            section.sourceGroups = [.init(semantics: "FID", sources: sources)]
        }
        for source in sources {
            section.sources.append(.init(source: source, name: "cname", value: Self.token(configuration.cname) ?? "-"))
            section.sources.append(.init(source: source, name: "msid", value: "\(stream) \(track)"))
        }
    }

    /// At most 64 characters of a token (RFC 8830 clause 2), so that no name breaks its line; nil when nothing is left.
    private static func token(_ name: String) -> String? {
        let allowed = name.utf8.filter { $0 > 32 && $0 < 127 }.prefix(64)
        return allowed.isEmpty ? nil : String(decoding: allowed, as: UTF8.self)
    }
}

extension HeaderExtension {
    /// Playout delay and frame ids say nothing about audio.
    func applies(to kind: MediaKind) -> Bool {
        switch self {
        case .playoutDelay, .videoFrameTrackingID: kind == .video
        default: true
        }
    }
}
