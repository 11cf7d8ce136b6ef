import RTC

/// What a video encoder is asked for.
public struct VideoEncoderSettings: Sendable, Hashable {
    /// Pixels; both even, 16…4096.
    public var width: Int
    public var height: Int
    /// Frames a second, 1…120.
    public var rate: Int
    /// bit/s.
    public var bitrate: Int

    public init(width: Int, height: Int, rate: Int, bitrate: Int) {
        self.width = width
        self.height = height
        self.rate = rate
        self.bitrate = bitrate
    }

    package static let bitrates = 30_000...100_000_000

    package func check() throws(MediaError) {
        guard (16...4096).contains(width), (16...4096).contains(height), width % 2 == 0, height % 2 == 0 else {
            throw .settings("size: expected even numbers from 16 to 4096, got \(width)x\(height)")
        }
        guard (1...120).contains(rate) else { throw .settings("rate: expected 1 to 120 frames a second, got \(rate)") }
        guard Self.bitrates.contains(bitrate) else {
            throw .settings("bitrate: expected 30 to 100000 kbit/s, got \(bitrate / 1000)")
        }
    }
}

public enum MediaError: Error, Sendable, Hashable, CustomStringConvertible {
    case settings(String)
    /// The library refused; its own code.
    case library(String, code: Int)
    /// An encoder that was chosen by name, and why it cannot be had or gives nothing.
    case encoder(String, reason: String)

    public var description: String {
        switch self {
        case .settings(let text): text
        case .library(let call, let code): "\(call) failed with code \(code)"
        case .encoder(let name, let reason): "encoder `\(name)`: \(reason)"
        }
    }
}

/// One encoder in real-time mode: a picture in, at most one frame out at once. Used by one thread at a time.
public protocol VideoEncoder: AnyObject {
    var codec: CodecKind { get }
    /// Appends the encoded frame to `frame` (H.264: Annex B with parameter sets before each key frame) and answers whether it is a key frame;
    /// nil when the encoder left the picture out.
    func encode(_ picture: Picture, forcesKeyFrame: Bool, into frame: inout [UInt8]) throws(MediaError) -> Bool?
    /// From the next picture on, bit/s; brought into the range that settings may have.
    func setBitrate(_ bitrate: Int) throws(MediaError)
}

/// Makes the usual encoder for a video codec; `VideoEncoders` says when it is another.
public func makeVideoEncoder(_ codec: CodecKind, _ settings: VideoEncoderSettings) throws(MediaError) -> any VideoEncoder {
    switch codec {
    case .h264: return try OpenH264Encoder(settings)
    case .vp8: return try VP8Encoder(settings)
    case .opus: throw .settings("codec: expected a video codec, got opus")
    }
}
