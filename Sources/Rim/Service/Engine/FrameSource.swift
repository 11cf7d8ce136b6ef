import RTC
import Reactor

/// Where a fan-out's frames come from: an encoder, or a recording.
public protocol FrameSource: AnyObject, Sendable {
    var codec: CodecKind { get }
    var frames: Mailbox<EncodedFrame> { get }
    /// bit/s: what was asked for, and the least that a single viewer's path can make of it.
    var fullBitrate: Int { get }
    var leastBitrate: Int { get }
    func requestKeyFrame()
    func setBitrate(_ bitsPerSecond: Int)
    func setWatched(_ watched: Bool)
    func stop()
}
