/// The codecs that the engine packetises, and so the only ones that it offers or accepts.
public enum CodecKind: String, Sendable, Hashable, CaseIterable {
    case h264, vp8, opus

    public var media: MediaKind { self == .opus ? .audio : .video }

    /// The name of `a=rtpmap`.
    public var name: String {
        switch self {
        case .h264: "H264"
        case .vp8: "VP8"
        case .opus: "opus"
        }
    }

    public var clockRate: UInt32 { self == .opus ? 48_000 : 90_000 }
    /// Only Opus names channels, always two (RFC 7587 clause 7).
    public var channels: UInt8? { self == .opus ? 2 : nil }

    var feedback: [Feedback] {
        switch self {
        case .h264, .vp8: [.maximumBitrate, .transportWide, .fullIntraRequest, .nack, .pictureLoss]
        case .opus: [.transportWide, .nack]
        }
    }

    init?(_ codec: CodecDescription) {
        let name = codec.lowercasedName
        guard let kind = Self.allCases.first(where: { lowercasedASCII($0.name) == name }), kind.clockRate == codec.clockRate,
            kind != .opus || codec.channels == 2
        else { return nil }
        self = kind
    }
}

/// What `a=fmtp` says of an Opus receiver (RFC 7587 clause 6.1).
public struct OpusParameters: Sendable, Hashable {
    public var isStereo: Bool
    public var usesInbandFEC: Bool
    public var usesDTX: Bool
    /// Shortest packet wanted, in milliseconds.
    public var minimumPacketMilliseconds: UInt32?
    /// Bits a second.
    public var maximumAverageBitrate: UInt32?

    public init(isStereo: Bool = false, usesInbandFEC: Bool = true, usesDTX: Bool = false, minimumPacketMilliseconds: UInt32? = 10) {
        self.isStereo = isStereo
        self.usesInbandFEC = usesInbandFEC
        self.usesDTX = usesDTX
        self.minimumPacketMilliseconds = minimumPacketMilliseconds
    }

    init(_ parameters: FormatParameters?) {
        isStereo = parameters?["stereo"] == "1"
        usesInbandFEC = parameters?["useinbandfec"] == "1"
        usesDTX = parameters?["usedtx"] == "1"
        minimumPacketMilliseconds = parameters?.number("minptime")
        maximumAverageBitrate = parameters?.number("maxaveragebitrate")
    }

    var text: String {
        var parts: [String] = []
        if let minimumPacketMilliseconds { parts.append("minptime=\(minimumPacketMilliseconds)") }
        if isStereo { parts.append("stereo=1") }
        parts.append("useinbandfec=\(usesInbandFEC ? 1 : 0)")
        if usesDTX { parts.append("usedtx=1") }
        return parts.joined(separator: ";")
    }
}
