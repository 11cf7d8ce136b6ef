import Media
import RTC
import Reactor
import Wire

/// A camera for any number of viewers, whatever codec each of them takes: one encoder a codec, made when the first viewer asks for it.
/// Lives on the reactor.
public final class VideoSource {
    public let feed: PictureFeed
    private let reactor: Reactor
    private let bitrate: Int
    private let usesLadder: Bool
    private let encoders: VideoEncoders
    /// Told of every frame on its way to viewers, whatever the codec. To be set before the first viewer.
    var onSending: ((EncodedFrame) -> Void)?
    private var fanOuts: [CodecKind: (encoder: EncoderThread, fanOut: FanOut)] = [:]

    /// `bitrate`: bit/s at most, for each codec. `usesLadder`: smaller pictures where the bitrate is not worth the full size.
    public init(feed: PictureFeed, reactor: Reactor, bitrate: Int, usesLadder: Bool = true, encoders: VideoEncoders = VideoEncoders()) {
        (self.feed, self.reactor, self.bitrate, self.usesLadder, self.encoders) = (feed, reactor, bitrate, usesLadder, encoders)
    }

    /// The same one each time. Throws what the codec's library says of the settings.
    public func fanOut(for codec: CodecKind) throws -> FanOut {
        if let made = fanOuts[codec] { return made.fanOut }
        let settings = EncoderThread.Settings(codec: codec, bitrate: bitrate, usesLadder: usesLadder, encoders: encoders)
        let encoder = try EncoderThread(feed: feed, settings: settings)
        let fanOut = try FanOut(encoder, reactor: reactor)
        fanOut.onSending = onSending
        fanOuts[codec] = (encoder, fanOut)
        return fanOut
    }

    /// Those made so far.
    public var all: [FanOut] { fanOuts.values.map(\.fanOut) }
    public var viewerCount: Int { fanOuts.values.map(\.fanOut.viewerCount).reduce(0, +) }
    /// Of each encoder that was made.
    public var statistics: [CodecKind: EncoderThread.Statistics] { fanOuts.mapValues(\.encoder.statistics) }

    public func stop() {
        for made in fanOuts.values { made.fanOut.stop() }
        fanOuts.removeAll()
    }
}
