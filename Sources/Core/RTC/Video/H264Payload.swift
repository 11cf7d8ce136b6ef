import Wire

public enum PayloadError: Error, Sendable, Hashable {
    case empty
    case truncated
    /// A NAL unit or descriptor type that the format does not allow here.
    case unsupported(UInt8)
    /// A fragment without its beginning.
    case orphanFragment
    /// The frame would pass the size limit.
    case tooLarge
}

/// RTP payload format for H.264 (RFC 6184): non-interleaved mode out, single-NAL and non-interleaved modes in.
public enum H264Payload {
    /// Finds NAL units between Annex B start codes (H.264 annex B.1). Trailing zero bytes do not belong to a unit.
    public static func units(of bytes: Span<UInt8>) -> [Range<Int>] {
        var units: [Range<Int>] = []
        var start: Int?
        var at = 0
        let count = bytes.count
        func close(_ end: Int) {
            guard let begin = start else { return }
            var end = end
            while end > begin, bytes[end - 1] == 0 { end -= 1 }
            if end > begin { units.append(begin..<end) }
        }
        while at + 2 < count {
            if bytes[at + 2] > 1 {
                at += 3
            } else if bytes[at] == 0, bytes[at + 1] == 0, bytes[at + 2] == 1 {
                close(at)
                start = at + 3
                at += 3
            } else {
                at += 1
            }
        }
        close(count)
        return units
    }

    static func packetise(_ bytes: Span<UInt8>, maximum: Int, _ payloads: inout [UInt8], _ boundaries: inout [Int32]) {
        let units = units(of: bytes).filter { bytes[$0.lowerBound] & 0x1F != 9 }  // access unit delimiters say nothing here
        var index = 0
        while index < units.count {
            let group = aggregate(units[index...], maximum: maximum)
            if group > 1 {
                writeSTAP(bytes, units[index..<(index + group)], &payloads)
                boundaries.append(Int32(payloads.count))
            } else if units[index].count <= maximum {
                payloads.append(span: bytes.extracting(units[index]))
                boundaries.append(Int32(payloads.count))
            } else {
                fragment(bytes.extracting(units[index]), maximum: maximum, &payloads, &boundaries)
            }
            index += group
        }
    }

    /// How many of the units at the front fit one STAP-A together (RFC 6184 clause 5.7.1).
    private static func aggregate(_ units: ArraySlice<Range<Int>>, maximum: Int) -> Int {
        var size = 1, count = 0
        for unit in units {
            size += 2 + unit.count
            if size > maximum { break }
            count += 1
        }
        return max(count, 1)
    }

    private static func writeSTAP(_ bytes: Span<UInt8>, _ units: ArraySlice<Range<Int>>, _ payloads: inout [UInt8]) {
        let importance = units.map { bytes[$0.lowerBound] & 0x60 }.max() ?? 0
        payloads.append(importance | 24)
        for unit in units {
            payloads.append(u16: UInt16(unit.count))
            payloads.append(span: bytes.extracting(unit))
        }
    }

    /// FU-A (RFC 6184 clause 5.8).
    private static func fragment(_ unit: Span<UInt8>, maximum: Int, _ payloads: inout [UInt8], _ boundaries: inout [Int32]) {
        let header = unit[0]
        let (count, size) = evenPieces(of: unit.count - 1, maximum: maximum - 2)
        for piece in 0..<count {
            let start = 1 + piece * size
            let end = min(start + size, unit.count)
            payloads.append(header & 0xE0 | 28)
            payloads.append(header & 0x1F | (piece == 0 ? 0x80 : 0) | (piece == count - 1 ? 0x40 : 0))
            payloads.append(span: unit.extracting(start..<end))
            boundaries.append(Int32(payloads.count))
        }
    }

    /// Appends one payload's NAL units to `frame` as Annex B. Payloads of a frame come in order and without gaps.
    public static func depacketise(_ payload: Span<UInt8>, into frame: inout [UInt8], limit: Int) throws(PayloadError) {
        guard payload.count >= 1 else { throw .empty }
        guard frame.count + payload.count + 64 <= limit else { throw .tooLarge }
        switch payload[0] & 0x1F {
        case 1...23: appendUnit(payload, to: &frame)
        case 24: try splitSTAP(payload, into: &frame)
        case 28:
            guard payload.count >= 3 else { throw .truncated }
            if payload[1] & 0x80 != 0 {
                frame.append(contentsOf: [0, 0, 0, 1, payload[0] & 0xE0 | payload[1] & 0x1F])
            } else if frame.isEmpty {
                throw .orphanFragment
            }
            frame.append(span: payload.extracting(2..<payload.count))
        case let type: throw .unsupported(type)
        }
    }

    private static func appendUnit(_ unit: Span<UInt8>, to frame: inout [UInt8]) {
        frame.append(contentsOf: [0, 0, 0, 1])
        frame.append(span: unit)
    }

    private static func splitSTAP(_ payload: Span<UInt8>, into frame: inout [UInt8]) throws(PayloadError) {
        var reader = ByteReader(payload.extracting(1..<payload.count))
        while !reader.isAtEnd {
            guard let length = reader.u16(), length > 0, let unit = reader.take(Int(length)) else { throw .truncated }
            appendUnit(unit, to: &frame)
        }
    }

    /// Whether the payload begins a picture that can be decoded alone: it holds a sequence parameter set or an IDR slice (beginning).
    public static func startsKeyFrame(_ payload: Span<UInt8>) -> Bool {
        guard payload.count >= 2 else { return false }
        switch payload[0] & 0x1F {
        case 5, 7: return true
        case 24: return payload.count >= 4 && [5, 7].contains(payload[3] & 0x1F)
        case 28: return payload[1] & 0x80 != 0 && [5, 7].contains(payload[1] & 0x1F)
        default: return false
        }
    }
}
