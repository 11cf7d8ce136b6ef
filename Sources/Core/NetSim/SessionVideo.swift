import RTC
import Wire

/// A camera and encoder in place of real ones: frames of about the target bitrate, whose every byte follows from their number.
public struct ModelledVideo: Sendable {
    public let codec: CodecKind
    public let frameRate: Int
    public private(set) var framesMade = 0
    public private(set) var bytesMade = 0
    private var random: SeededRandom
    private var lastKeyFrame: Instant?
    /// Bytes that frames took beyond their share; encoders make up for it over the next ones.
    private var debt = 0.0

    private static let keyFrameFactor = 4.5
    /// Requests within this are answered together.
    private static let keyFrameInterval = Duration.milliseconds(300)

    public init(codec: CodecKind, frameRate: Int, seed: UInt64) {
        self.codec = codec
        self.frameRate = frameRate
        random = SeededRandom(seed: seed)
    }

    /// Whether a key frame asked for now may be made now.
    public func mayMakeKeyFrame(at now: Instant) -> Bool { lastKeyFrame.map { now - $0 >= Self.keyFrameInterval } ?? true }

    public mutating func frame(bitrate: Int, isKeyFrame: Bool, at now: Instant) -> EncodedFrame {
        let share = Double(bitrate) / 8 / Double(frameRate)
        // About normal, a quarter of the mean wide.
        var spread = 0.0
        for _ in 0..<4 { spread += random.fraction() - 0.5 }
        var size = share * (1 + 0.43 * spread) * (isKeyFrame ? Self.keyFrameFactor : 1)
        if !isKeyFrame {
            let back = min(debt, size * 0.2)
            size -= back
        }
        debt = min(max(debt + size - share, 0), share * 8)
        if isKeyFrame { lastKeyFrame = now }
        let bytes = Self.content(codec, number: framesMade, size: max(Int(size), 60), isKeyFrame: isKeyFrame)
        let ticks = UInt32(truncatingIfNeeded: now.nanoseconds * 9 / 100_000)
        defer {
            framesMade += 1
            bytesMade += bytes.count
        }
        return EncodedFrame(codec: codec, bytes: bytes, isKeyFrame: isKeyFrame, captureTime: now, timestamp: ticks)
    }

    /// The bytes that frame `number` must have.
    static func content(_ codec: CodecKind, number: Int, size: Int, isKeyFrame: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size + 40)
        switch codec {
        case .h264:
            if isKeyFrame {
                bytes += [0, 0, 0, 1, 0x67, 0x42, 0xE0, 0x1F, 0x99]
                bytes += [0, 0, 0, 1, 0x68, 0xCE, 0x3C, 0x80]
            }
            bytes += [0, 0, 0, 1, isKeyFrame ? 0x65 : 0x61, 0x88]
        default: bytes.append(isKeyFrame ? 0x10 : 0x11)
        }
        for field in [number, size] {
            for shift in stride(from: 20, through: 0, by: -4) { bytes.append(UInt8(field >> shift & 0xF) | 0x40) }
        }
        var fill = SeededRandom(seed: UInt64(number))
        while bytes.count < size {
            // No byte is 0 or 1: nothing looks like a start code (H.264 annex B).
            let word = fill.next() | 0x8282_8282_8282_8282
            bytes.append(u32: UInt32(truncatingIfNeeded: word >> 32))
            bytes.append(u32: UInt32(truncatingIfNeeded: word))
        }
        return bytes
    }

    /// The number of a received frame; nil when any byte is not as it was sent.
    public static func number(of frame: ReceivedFrame) -> Int? {
        let bytes = frame.bytes
        let at: Int
        switch frame.codec {
        case .h264: at = frame.isKeyFrame ? 9 + 8 + 6 : 6
        default: at = 1
        }
        guard bytes.count >= at + 12 else { return nil }
        var number = 0, size = 0
        for i in 0..<6 {
            number = number << 4 | Int(bytes[at + i] & 0xF)
            size = size << 4 | Int(bytes[at + 6 + i] & 0xF)
        }
        guard size <= bytes.count, bytes.count - size < 60 else { return nil }
        return bytes == content(frame.codec, number: number, size: size, isKeyFrame: frame.isKeyFrame) ? number : nil
    }
}
