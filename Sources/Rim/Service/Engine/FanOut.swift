import Media
import RTC
import Reactor
import Wire

/// One encoded source to many peers: cut into packets once, then per peer only headers, encryption and one system call a frame.
/// Lives on the reactor.
public final class FanOut {
    private struct Viewer {
        var session: PeerSession
        var transceiver: TransceiverID
        var target: Int
    }

    private let encoder: EncoderThread
    private var packetiser: VideoPacketiser
    private var viewers: [Int: Viewer] = [:]
    /// Since the last key frame, while that is young: a late joiner begins with them at once.
    private var recent: [PacketisedFrame] = []
    private var lastKeyFrameRequest: Instant?
    /// Asks again for those who asked too soon after the last request: a frame already on its way may be too old for them.
    private var laterRequest: ReactorTimer?
    public private(set) var framesSent = 0
    public private(set) var keyFrames = 0

    /// Key-frame requests of all viewers together reach the encoder at most this often.
    private static let keyFrameInterval = Duration.milliseconds(300)

    public init(_ encoder: EncoderThread, reactor: Reactor) throws(SystemError) {
        self.encoder = encoder
        packetiser = VideoPacketiser(codec: encoder.settings.codec)
        try encoder.frames.open(on: reactor) { [unowned self] frame in send(frame) }
        laterRequest = reactor.makeTimer { [weak self] _ in self?.requestKeyFrame() }
    }

    public var viewerCount: Int { viewers.count }
    public var codec: CodecKind { encoder.settings.codec }

    public func add(_ session: PeerSession, _ transceiver: TransceiverID) {
        guard viewers[session.id] == nil else { return }
        viewers[session.id] = Viewer(session: session, transceiver: transceiver, target: encoder.settings.video.bitrate)
        encoder.setWatched(true)
        if let key = recent.first, key.isKeyFrame, MonotonicClock.now() - key.captureTime < Self.keyFrameInterval {
            session.with { peer, now in
                for frame in recent { peer.send(frame, on: transceiver, at: now) }
            }
        } else {
            requestKeyFrame()
        }
    }

    public func remove(_ session: PeerSession) {
        viewers[session.id] = nil
        encoder.setWatched(!viewers.isEmpty)
        if viewers.isEmpty { recent.removeAll() }
        chooseBitrate()
    }

    public func requestKeyFrame() {
        let now = MonotonicClock.now()
        if let last = lastKeyFrameRequest, now - last < Self.keyFrameInterval {
            laterRequest?.deadline = last + Self.keyFrameInterval
            return
        }
        lastKeyFrameRequest = now
        laterRequest?.deadline = nil
        encoder.requestKeyFrame()
    }

    /// What one viewer's path carries. The encoder follows the slowest, but not below a quarter of what was asked for:
    /// a viewer slower than that loses frames, the others lose nothing.
    public func setTarget(_ bitrate: Int, for session: PeerSession) {
        viewers[session.id]?.target = bitrate
        chooseBitrate()
    }

    private func chooseBitrate() {
        let full = encoder.settings.video.bitrate
        let slowest = viewers.values.map(\.target).min() ?? full
        encoder.setBitrate(min(max(slowest, full / 4), full))
    }

    private func send(_ encoded: EncodedFrame) {
        guard let frame = packetiser.packetise(encoded) else { return }
        framesSent += 1
        remember(frame)
        for viewer in viewers.values { viewer.session.send(frame, on: viewer.transceiver, at: MonotonicClock.now()) }
    }

    private func remember(_ frame: PacketisedFrame) {
        if frame.isKeyFrame {
            keyFrames += 1
            recent = [frame]
        } else if let key = recent.first, frame.captureTime - key.captureTime < Self.keyFrameInterval {
            recent.append(frame)
        } else {
            recent.removeAll()
        }
    }
}
