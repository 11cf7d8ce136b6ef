import RTC

/// Which encoder makes which codec: a value, handed to whoever needs encoders.
public struct VideoEncoders: Sendable {
    public typealias Maker = @Sendable (VideoEncoderSettings) throws(MediaError) -> any VideoEncoder

    /// The first that the other side takes, too, is sent.
    public let codecs: [CodecKind]
    private let chosen: Maker?

    /// The usual ones.
    public init() { (codecs, chosen) = ([.h264, .vp8], nil) }

    /// `maker` for this codec, which is then preferred, and the usual ones for others.
    public init(_ codec: CodecKind, _ maker: @escaping Maker) {
        (codecs, chosen) = (codec == .vp8 ? [.vp8, .h264] : [.h264, .vp8], maker)
    }

    public func make(_ codec: CodecKind, _ settings: VideoEncoderSettings) throws(MediaError) -> any VideoEncoder {
        if codec == codecs.first, let chosen { return try chosen(settings) }
        return try makeVideoEncoder(codec, settings)
    }
}
