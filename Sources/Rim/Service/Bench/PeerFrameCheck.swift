import RTC
import Wire

/// What is wrong with a frame that an honest encoder never gets wrong.
enum FrameFault: Error, Hashable {
    case truncated
    /// The forbidden bit, or a NAL unit type that does not stand in a frame.
    case unit(UInt8)
    /// A key frame without its parameter sets or its IDR picture, or another frame with one.
    case keyFrame
    case startCode
    case parameterSet
}

/// Headers of received frames, read as far as they say what kind of frame and how large.
enum FrameCheck {
    /// RFC 6386 clause 9.1. The size, which key frames tell.
    static func vp8(_ bytes: [UInt8], isKeyFrame: Bool) throws(FrameFault) -> (width: Int, height: Int)? {
        guard bytes.count >= 3 else { throw .truncated }
        guard (bytes[0] & 1 == 0) == isKeyFrame else { throw .keyFrame }
        guard isKeyFrame else { return nil }
        guard bytes.count >= 10 else { throw .truncated }
        guard bytes[3] == 0x9D, bytes[4] == 0x01, bytes[5] == 0x2A else { throw .startCode }
        let width = Int(bytes[7] & 0x3F) << 8 | Int(bytes[6]), height = Int(bytes[9] & 0x3F) << 8 | Int(bytes[8])
        return (width, height)
    }

    /// H.264 clause 7.4.1. The size, where a sequence parameter set tells it.
    static func h264(_ bytes: [UInt8], isKeyFrame: Bool) throws(FrameFault) -> (width: Int, height: Int)? {
        var types: Set<UInt8> = []
        var size: (Int, Int)?
        for unit in H264Payload.units(of: bytes.span) {
            let header = bytes[unit.lowerBound]
            guard header & 0x80 == 0, (1...23).contains(header & 31) else { throw .unit(header) }
            types.insert(header & 31)
            if header & 31 == 7 { size = try sequenceParameterSet(Array(bytes[unit])) }
        }
        guard !types.isEmpty else { throw .truncated }
        guard isKeyFrame == types.contains(5) else { throw .keyFrame }
        return size
    }

    /// H.264 clause 7.3.2.1.1, as far as the cropped size.
    private static func sequenceParameterSet(_ unit: [UInt8]) throws(FrameFault) -> (Int, Int) {
        var bits = BitReader(unit)
        try bits.skip(8)
        let profile = try bits.read(8)
        try bits.skip(16)
        _ = try bits.exponential()
        var chroma = 1
        if [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135].contains(profile) {
            chroma = try bits.exponential()
            // Scaling lists, separate planes: no WebRTC encoder sends them.
            guard chroma == 1 else { throw .parameterSet }
            _ = try bits.exponential()
            _ = try bits.exponential()
            try bits.skip(1)
            guard try bits.read(1) == 0 else { throw .parameterSet }
        }
        _ = try bits.exponential()
        switch try bits.exponential() {
        case 0: _ = try bits.exponential()
        case 1: throw .parameterSet
        default: break
        }
        _ = try bits.exponential()
        try bits.skip(1)
        let width = (try bits.exponential() + 1) * 16
        let rows = try bits.exponential() + 1
        let isProgressive = try bits.read(1) == 1
        if !isProgressive { try bits.skip(1) }
        let height = rows * 16 * (isProgressive ? 1 : 2)
        try bits.skip(1)
        guard try bits.read(1) == 1 else { return (width, height) }
        let left = try bits.exponential(), right = try bits.exponential()
        let top = try bits.exponential(), bottom = try bits.exponential()
        return (width - 2 * (left + right), height - (isProgressive ? 2 : 4) * (top + bottom))
    }
}

/// Bits of a NAL unit without its emulation prevention bytes (H.264 clause 7.3.1).
private struct BitReader {
    private var bytes: [UInt8] = []
    private var position = 0

    init(_ unit: [UInt8]) {
        var zeros = 0
        for byte in unit.prefix(256) {
            if zeros >= 2, byte == 3 {
                zeros = 0
                continue
            }
            zeros = byte == 0 ? zeros + 1 : 0
            bytes.append(byte)
        }
    }

    mutating func read(_ count: Int) throws(FrameFault) -> Int {
        var value = 0
        for _ in 0..<count {
            guard position < bytes.count * 8 else { throw .truncated }
            value = value << 1 | Int(bytes[position / 8] >> (7 - UInt8(position % 8)) & 1)
            position += 1
        }
        return value
    }

    mutating func skip(_ count: Int) throws(FrameFault) { _ = try read(count) }

    /// ue(v) of clause 9.1, at most 16 bits.
    mutating func exponential() throws(FrameFault) -> Int {
        var zeros = 0
        while try read(1) == 0 {
            zeros += 1
            guard zeros <= 16 else { throw .parameterSet }
        }
        return (1 << zeros) - 1 + (try read(zeros))
    }
}
