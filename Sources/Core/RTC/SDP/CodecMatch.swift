/// One format of a peer's section that we can use.
struct CodecMatch {
    var kind: CodecKind
    var codec: CodecDescription
    var retransmission: CodecDescription?
    var h264: H264Parameters?

    /// What we can use of a section, in our order of preference; within one codec our encoder's form first, then as offered.
    static func matches(in section: MediaSection, kinds: [CodecKind], configuration: NegotiationConfiguration) -> [CodecMatch] {
        var matches: [CodecMatch] = []
        for kind in kinds {
            var ofKind: [CodecMatch] = []
            for codec in section.codecs where CodecKind(codec) == kind {
                var match = CodecMatch(kind: kind, codec: codec, retransmission: section.codecs.first { $0.repairs == codec.payloadType })
                if kind == .h264 {
                    guard let parameters = H264Parameters(codec.parameters),
                        configuration.h264Profiles.contains(parameters.profileLevel.profile) || isSendable(parameters)
                    else { continue }
                    match.h264 = parameters
                }
                ofKind.append(match)
            }
            matches += ofKind.enumerated().sorted { ($0.element.rank, $0.offset) < ($1.element.rank, $1.offset) }.map(\.element)
        }
        return matches
    }

    /// Our packetiser speaks mode 1, our encoder constrained baseline.
    static func isSendable(_ parameters: H264Parameters) -> Bool {
        parameters.packetizationMode == 1 && parameters.profileLevel.takesConstrainedBaseline
    }

    /// Lower is preferred.
    private var rank: Int {
        guard let h264 else { return 0 }
        return (Self.isSendable(h264) ? 0 : 4) + (h264.packetizationMode == 1 ? 0 : 2)
            + (h264.profileLevel.profile == .constrainedBaseline ? 0 : 1)
    }

    /// Two descriptions with one format are the same to RFC 6184 clause 8.2.2; nil for codecs that we do not know.
    static func format(of codec: CodecDescription) -> PayloadTypeTable.Format? {
        guard let kind = CodecKind(codec) else { return nil }
        guard kind == .h264 else { return .init(kind: kind) }
        guard let parameters = H264Parameters(codec.parameters) else { return nil }
        let profile: UInt16 =
            switch parameters.profileLevel.profile {
            case .constrainedBaseline: 0
            case .baseline: 1
            case .main: 2
            case .extended: 3
            case .constrainedHigh: 4
            case .high: 5
            case .other(let byte): 6 + UInt16(byte)
            }
        return .init(kind: kind, variant: profile << 1 | UInt16(parameters.packetizationMode))
    }

    /// The lines of our answer: the offered numbers, our parameters, the feedback that both know.
    func answer(_ configuration: NegotiationConfiguration) -> [CodecDescription] {
        var answer = CodecDescription(
            payloadType: codec.payloadType, name: kind.name, clockRate: kind.clockRate, channels: kind.channels)
        answer.feedback = kind.feedback.filter { codec.feedback.contains($0) }
        switch kind {
        case .h264: answer.parameters = h264.map { FormatParameters($0.answer(ownLevel: configuration.h264Level).text) }
        case .opus: answer.parameters = FormatParameters(configuration.opus.text)
        case .vp8: break
        }
        guard let retransmission else { return [answer] }
        return [answer, Self.retransmission(retransmission.payloadType, of: codec.payloadType)]
    }

    static func retransmission(_ payloadType: PayloadType, of repaired: PayloadType) -> CodecDescription {
        CodecDescription(
            payloadType: payloadType, name: "rtx", clockRate: 90_000, parameters: FormatParameters("apt=\(repaired.rawValue)"))
    }
}
