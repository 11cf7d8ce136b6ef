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
    private let reactor: Reactor
    private var packetiser: VideoPacketiser
    /// By the session itself: those of different hosts may have the same `id`.
    private var viewers: [ObjectIdentifier: Viewer] = [:]
    /// Sessions that are still connecting.
    private var expected: Set<ObjectIdentifier> = []
    /// Since the last key frame, while that was made not long ago: a late joiner begins with them at once.
    private var recent: [PacketisedFrame] = []
    private var recentSince = Instant.zero
    private var lastKeyFrameRequest: Instant?
    /// Asks again for those who asked too soon after the last request, when the key frame of that had already left.
    private var laterRequest: ReactorTimer?
    public private(set) var framesSent = 0
    public private(set) var keyFrames = 0

    /// Key-frame requests of all viewers together reach the encoder at most this often.
    private static let keyFrameInterval = Duration.milliseconds(300)
    /// Whoever looks at a recording can begin at any of its key frames.
    private static let recordedKeyFrameInterval = Duration.seconds(10)
    private var lastKeyFrame: Instant?

    public init(_ encoder: EncoderThread, reactor: Reactor) throws(SystemError) {
        (self.encoder, self.reactor) = (encoder, reactor)
        packetiser = VideoPacketiser(codec: encoder.settings.codec)
        try encoder.frames.open(on: reactor) { [weak self] frame in self?.send(frame) }
        laterRequest = reactor.makeTimer { [weak self] _ in self?.requestKeyFrame() }
    }

    public var viewerCount: Int { viewers.count }
    public var codec: CodecKind { encoder.settings.codec }

    /// Who alone may pull the bitrate under a quarter of what was asked for, because this viewer's picture matters most: who drives. An only
    /// viewer needs no naming.
    public weak var leader: PeerSession? { didSet { if leader !== oldValue { chooseBitrate() } } }

    /// Gets every frame beside the viewers, on the reactor: a recorder. The source runs while there is one, and begins with a key frame.
    public var onFrame: ((EncodedFrame) -> Void)? {
        didSet {
            encoder.setWatched(isWatched)
            if oldValue == nil, onFrame != nil { requestKeyFrame() }
        }
    }

    /// Told of every frame on its way to viewers, before they get it; keeps nothing running.
    var onSending: ((EncodedFrame) -> Void)?

    private var isWatched: Bool { onFrame != nil || !viewers.isEmpty || !expected.isEmpty }

    /// No frame comes any more.
    public func stop() {
        encoder.stop()
        encoder.frames.close(on: reactor)
        laterRequest = nil
        viewers.removeAll()
    }

    /// Somebody is on the way: the camera and the encoder run from now on, until that session is added and removed, or is removed.
    func expect(_ session: PeerSession) {
        expected.insert(ObjectIdentifier(session))
        encoder.setWatched(true)
    }

    public func add(_ session: PeerSession, _ transceiver: TransceiverID) {
        guard viewers[ObjectIdentifier(session)] == nil else { return }
        expected.remove(ObjectIdentifier(session))
        viewers[ObjectIdentifier(session)] = Viewer(session: session, transceiver: transceiver, target: encoder.settings.bitrate)
        encoder.setWatched(true)
        if !recent.isEmpty, MonotonicClock.now() - recentSince < Self.keyFrameInterval {
            session.with { peer, now in
                for frame in recent { peer.send(frame, on: transceiver, at: now) }
            }
        } else {
            requestKeyFrame()
        }
    }

    public func remove(_ session: PeerSession) {
        viewers[ObjectIdentifier(session)] = nil
        expected.remove(ObjectIdentifier(session))
        encoder.setWatched(isWatched)
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
    /// a viewer slower than that loses frames, the others lose nothing. Only the leader's or an only viewer's path may ask for less.
    public func setTarget(_ bitrate: Int, for session: PeerSession) {
        viewers[ObjectIdentifier(session)]?.target = bitrate
        chooseBitrate()
    }

    private func chooseBitrate() {
        let full = encoder.settings.bitrate
        let slowest = viewers.values.map { max($0.target, full / 4) }.min() ?? full
        let first = viewers.count == 1 ? viewers.values.first : leader.flatMap { viewers[ObjectIdentifier($0)] }
        let wanted = min(slowest, first.map { max($0.target, encoder.leastBitrate) } ?? full)
        encoder.setBitrate(min(wanted, full))
    }

    private func send(_ encoded: EncodedFrame) {
        onSending?(encoded)
        if let onFrame {
            onFrame(encoded)
            if encoded.isKeyFrame { lastKeyFrame = encoded.captureTime }
            if let last = lastKeyFrame, encoded.captureTime - last > Self.recordedKeyFrameInterval { requestKeyFrame() }
        }
        guard let frame = packetiser.packetise(encoded) else { return }
        framesSent += 1
        remember(frame)
        for viewer in viewers.values { viewer.session.send(frame, on: viewer.transceiver, at: MonotonicClock.now()) }
    }

    private func remember(_ frame: PacketisedFrame) {
        if frame.isKeyFrame {
            keyFrames += 1
            (recent, recentSince) = ([frame], MonotonicClock.now())
            // Whoever has asked until now gets what they asked for.
            laterRequest?.deadline = nil
        } else if !recent.isEmpty, MonotonicClock.now() - recentSince < Self.keyFrameInterval {
            recent.append(frame)
        } else {
            recent.removeAll()
        }
    }
}
