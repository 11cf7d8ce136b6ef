/// Which payload type stands for which format in this session. In a bundle a number has one meaning (RFC 9143 clause 9.1), and keeps it.
struct PayloadTypeTable: Sendable {
    struct Format: Sendable, Hashable {
        var kind: CodecKind
        /// H.264: packetization mode and profile, in one number.
        var variant: UInt16 = 0
    }

    struct Numbers: Sendable, Hashable {
        var payloadType: PayloadType
        var retransmission: PayloadType?
    }

    private var known: [Format: Numbers] = [:]
    private var taken: Set<PayloadType> = []

    /// Takes note of what a description uses.
    mutating func learn(_ section: MediaSection) {
        for codec in section.codecs { taken.insert(codec.payloadType) }
        for codec in section.codecs {
            guard let format = CodecMatch.format(of: codec) else { continue }
            let retransmission = section.codecs.first { $0.repairs == codec.payloadType }?.payloadType
            if known[format] == nil {
                known[format] = Numbers(payloadType: codec.payloadType, retransmission: retransmission)
            } else if known[format]?.payloadType == codec.payloadType, let retransmission {
                known[format]?.retransmission = retransmission
            }
        }
    }

    /// The numbers to offer: those in use, else the customary ones, else any free.
    mutating func numbers(for format: Format) -> Numbers? {
        if var numbers = known[format] {
            if numbers.retransmission == nil && format.kind.media == .video {
                numbers.retransmission = take(numbers.payloadType.rawValue &+ 1)
                known[format] = numbers
            }
            return numbers
        }
        let preferred: UInt8 =
            switch format.kind {
            case .vp8: 96
            case .h264: format.variant & 1 == 1 ? 102 : 104
            case .opus: 111
            }
        guard let payloadType = take(preferred) else { return nil }
        let numbers = Numbers(payloadType: payloadType, retransmission: format.kind.media == .video ? take(payloadType.rawValue &+ 1) : nil)
        known[format] = numbers
        return numbers
    }

    /// 96…127, then 35…63: 64…95 would look like RTCP (RFC 5761 clause 4).
    private mutating func take(_ preferred: UInt8) -> PayloadType? {
        let wanted = PayloadType(preferred)
        if (96...127).contains(preferred), taken.insert(wanted).inserted { return wanted }
        for number in Array(UInt8(96)...127) + Array(UInt8(35)...63) where !taken.contains(PayloadType(number)) {
            taken.insert(PayloadType(number))
            return PayloadType(number)
        }
        return nil
    }
}

/// Which id stands for which header extension; one meaning a bundle, kept (RFC 8285 clause 5, RFC 9143 clause 9.2).
struct ExtensionTable: Sendable {
    private var known: [String: UInt8] = [:]
    private var taken: Set<UInt8> = []

    mutating func learn(_ section: MediaSection) {
        for map in section.extensions {
            taken.insert(map.id)
            if known[map.uri] == nil && HeaderExtension(rawValue: map.uri) != nil { known[map.uri] = map.id }
        }
    }

    mutating func id(for uri: String) -> UInt8? {
        if let id = known[uri] { return id }
        guard let id = (UInt8(1)...14).first(where: { !taken.contains($0) }) else { return nil }
        taken.insert(id)
        known[uri] = id
        return id
    }
}
