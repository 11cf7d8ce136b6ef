import Wire

/// What a payload says about where a picture begins that can be decoded alone.
enum KeyFrameStart: Sendable {
    case no
    /// H.264: it holds a sequence parameter set; what follows in this picture can be decoded from here. VP8: the first packet of a key frame.
    case yes
    /// H.264: the first slice of an IDR picture, whose parameter sets are not in this packet.
    case ifParametersAreKnown

    init(_ payload: Span<UInt8>, codec: CodecKind) {
        switch codec {
        case .vp8: self = VP8Payload.startsKeyFrame(payload) ? .yes : .no
        case .h264: self.init(h264: payload)
        case .opus: self = .no
        }
    }

    private init(h264 payload: Span<UInt8>) {
        self = .no
        guard payload.count >= 2 else { return }
        switch payload[0] & 0x1F {
        case 24:
            var reader = ByteReader(payload.extracting(1..<payload.count))
            while let length = reader.u16(), length > 0, let unit = reader.take(Int(length)) {
                self = joined(Self.unit(unit, typeFrom: unit[0]))
            }
        case 28:
            // A fragment's slice header follows the two bytes of the fragmentation unit.
            if payload[1] & 0x80 != 0, payload.count >= 3 { self = Self.unit(payload.extracting(1..<payload.count), typeFrom: payload[1]) }
        default: self = Self.unit(payload, typeFrom: payload[0])
        }
    }

    /// `first_mb_in_slice` is 0, a single 1 bit (H.264 clauses 7.3.3 and 9.1), in the slice that begins a picture.
    private static func unit(_ unit: Span<UInt8>, typeFrom header: UInt8) -> KeyFrameStart {
        switch header & 0x1F {
        case 7: .yes
        case 5: unit.count >= 2 && unit[1] & 0x80 != 0 ? .ifParametersAreKnown : .no
        default: .no
        }
    }

    private func joined(_ other: KeyFrameStart) -> KeyFrameStart {
        switch (self, other) {
        case (.yes, _), (_, .yes): .yes
        case (.ifParametersAreKnown, _), (_, .ifParametersAreKnown): .ifParametersAreKnown
        default: .no
        }
    }
}
