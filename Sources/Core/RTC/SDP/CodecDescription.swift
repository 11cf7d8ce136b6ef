/// What the lines of one payload type say: `a=rtpmap`, `a=fmtp`, `a=rtcp-fb`.
public struct CodecDescription: Sendable, Hashable {
    public var payloadType: PayloadType
    /// As printed; compare `lowercasedName`.
    public var name: String
    public var clockRate: UInt32
    public var channels: UInt8?
    public var parameters: FormatParameters?
    public var feedback: [Feedback] = []

    public init(payloadType: PayloadType, name: String, clockRate: UInt32, channels: UInt8? = nil, parameters: FormatParameters? = nil) {
        self.payloadType = payloadType
        self.name = name
        self.clockRate = clockRate
        self.channels = channels
        self.parameters = parameters
    }

    public var lowercasedName: String { lowercasedASCII(name) }

    /// The payload type that a retransmission format repairs (RFC 4588 clause 8.1).
    public var repairs: PayloadType? {
        guard lowercasedName == "rtx", let text = parameters?["apt"], let value = ArraySlice(text.utf8).decimal(UInt8.self), value < 128
        else { return nil }
        return PayloadType(value)
    }
}

/// The value of `a=fmtp`: kept as it came, and read as `key=value;…`.
public struct FormatParameters: Sendable, Hashable {
    public struct Pair: Sendable, Hashable {
        /// Lower case.
        public var key: String
        public var value: String?
    }

    public let raw: String
    public let pairs: [Pair]

    public init(_ raw: String) {
        self.raw = raw
        pairs = ArraySlice(raw.utf8).split(separator: UInt8(ascii: ";")).prefix(64).compactMap { part in
            let part = part.trimmed
            guard !part.isEmpty else { return nil }
            guard let (key, value) = part.parted(at: "=") else { return Pair(key: lowercasedASCII(part.text), value: nil) }
            return Pair(key: lowercasedASCII(key.trimmed.text), value: value.trimmed.text)
        }
    }

    /// The value of `key` (lower case).
    public subscript(key: String) -> String? { pairs.first { $0.key == key }?.value }

    func number(_ key: String) -> UInt32? { self[key].flatMap { ArraySlice($0.utf8).decimal() } }
}

/// What a receiver reports (RFC 4585 clause 4.2, RFC 5104 clause 7.1, and the two of congestion control).
public enum Feedback: Sendable, Hashable {
    case nack
    case pictureLoss
    case fullIntraRequest
    case maximumBitrate
    case transportWide
    case other(String)

    public init(_ text: String) {
        switch text {
        case "nack": self = .nack
        case "nack pli": self = .pictureLoss
        case "ccm fir": self = .fullIntraRequest
        case "goog-remb": self = .maximumBitrate
        case "transport-cc": self = .transportWide
        default: self = .other(text)
        }
    }

    public var text: String {
        switch self {
        case .nack: "nack"
        case .pictureLoss: "nack pli"
        case .fullIntraRequest: "ccm fir"
        case .maximumBitrate: "goog-remb"
        case .transportWide: "transport-cc"
        case .other(let text): text
        }
    }
}
