import Wire

/// Which side of a WebSocket this is: a client masks its frames, a server does not (RFC 6455 clause 5.1).
public enum WebSocketRole: Sendable, Hashable { case server, client }

/// What a message holds.
public enum WebSocketMessageKind: UInt8, Sendable, Hashable {
    case text = 1
    case binary = 2
}

/// RFC 6455 clause 5.2.
enum WebSocketOpcode: UInt8, Sendable {
    case continuation = 0
    case text = 1
    case binary = 2
    case close = 8
    case ping = 9
    case pong = 10

    var isControl: Bool { rawValue >= 8 }
}

/// A frame's head as bytes, and masking.
enum WebSocketFrame {
    /// Appends a whole frame. A client's is masked by a key that nobody can foretell (RFC 6455 clause 5.3).
    static func write(
        _ opcode: WebSocketOpcode, _ payload: Span<UInt8>, isCompressed: Bool = false, mask: UInt32?, to out: inout [UInt8]
    ) {
        out.append(0x80 | (isCompressed ? 0x40 : 0) | opcode.rawValue)
        let isMasked: UInt8 = mask == nil ? 0 : 0x80
        switch payload.count {
        case ..<126: out.append(isMasked | UInt8(payload.count))
        case ..<65_536:
            out.append(isMasked | 126)
            out.append(u16: UInt16(payload.count))
        default:
            out.append(isMasked | 127)
            out.append(u32: UInt32(payload.count >> 32))
            out.append(u32: UInt32(truncatingIfNeeded: payload.count))
        }
        guard let mask else { return out.append(span: payload) }
        out.append(u32: mask)
        let start = out.count
        out.append(span: payload)
        var bytes = out.mutableSpan
        apply(mask, to: &bytes, start..<(start + payload.count), phase: 0)
    }

    /// Masks or unmasks in place, eight bytes at a time (RFC 6455 clause 5.3). `phase`: bytes of the frame before the range.
    static func apply(_ mask: UInt32, to bytes: inout MutableSpan<UInt8>, _ range: Range<Int>, phase: Int) {
        let shift = UInt32(phase & 3) * 8
        // The key's first byte comes first: in memory order it is the big end.
        let key = UInt64(shift == 0 ? mask : mask << shift | mask >> (32 - shift))
        let wide = (key << 32 | key).bigEndian
        unsafe bytes.withUnsafeMutableBytes { raw in
            var index = range.lowerBound
            while index + 8 <= range.upperBound {
                let word = unsafe raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                unsafe raw.storeBytes(of: word ^ wide, toByteOffset: index, as: UInt64.self)
                index += 8
            }
            var rest = wide
            while index < range.upperBound {
                unsafe raw[index] ^= UInt8(truncatingIfNeeded: rest)
                rest >>= 8
                index += 1
            }
        }
    }
}
