import Contracts
import RTC

/// What an operator knows of the robot and its picture.
public struct OperatorStatus: Sendable {
    public var state = PeerState.new
    /// What the robot drives; nil: it only reports commands.
    public var drives: String?
    /// The robot knows our extra messages.
    public var isOurs = false
    /// The newest that a driven robot has told.
    public var drive: DriveStatus?
    /// Whole frames since the beginning.
    public var frames = 0
    /// Bytes of them.
    public var bytes = 0
    /// Pixels, as the newest key frame says.
    public var width = 0
    public var height = 0
    /// RTP time of the newest.
    public var newest: UInt32?

    public init() {}

    mutating func add(_ frame: ReceivedFrame) {
        frames += 1
        bytes += frame.bytes.count
        newest = frame.timestamp
        guard frame.isKeyFrame else { return }
        let size =
            frame.codec == .vp8 ? try? FrameCheck.vp8(frame.bytes, isKeyFrame: true) : try? FrameCheck.h264(frame.bytes, isKeyFrame: true)
        if let size { (width, height) = size }
    }
}
