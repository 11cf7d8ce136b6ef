import Media
import RTC
import Reactor
import Synchronization
import Wire

/// Decodes one video stream on a thread of its own, as the frames come. What builds on a frame that was left out shows nothing: a key frame is
/// asked for.
public final class DecoderThread: Sendable {
    public struct Statistics: Sendable, Hashable {
        public var pictures = 0
        /// Time spent decoding.
        public var seconds = 0.0
        /// Frames that were left out because the decoder is too slow, or that it did not understand.
        public var lost = 0
    }

    /// A picture, and the frame that it came out of.
    public struct Decoded: Sendable {
        public var picture: Picture
        /// RTP time, 90 kHz.
        public var timestamp: UInt32
        /// When the frame was whole.
        public var completed: Instant
    }

    private let frames: Inbox<ReceivedFrame>
    private let onPicture: @Sendable (Decoded) -> Void
    private let onLoss: @Sendable () -> Void
    private let needsKeyFrame = Atomic<Bool>(true)
    private let figures = Lock(Statistics())
    /// A second of pictures: who is further behind does not catch up by decoding.
    private static let longestQueue = 30

    /// `onPicture` and `onLoss`, which asks for a key frame, are called on the decoder's thread, `onLoss` also on the thread of `put`.
    public init(onPicture: @escaping @Sendable (Decoded) -> Void, onLoss: @escaping @Sendable () -> Void) throws(SystemError) {
        (self.onPicture, self.onLoss) = (onPicture, onLoss)
        frames = try Inbox(limit: Self.longestQueue, leavesOut: .newest)
        try WorkerThread.start("waldo-decoder") { [self] in run() }
    }

    /// From any thread.
    public func put(_ frame: ReceivedFrame) {
        if needsKeyFrame.load(ordering: .relaxed) {
            guard frame.isKeyFrame else { return }
            needsKeyFrame.store(false, ordering: .relaxed)
        }
        if !frames.put(frame) { lose() }
    }

    private func lose() {
        figures.withLock { $0.lost += 1 }
        needsKeyFrame.store(true, ordering: .relaxed)
        onLoss()
    }

    public var statistics: Statistics { figures.withLock { $0 } }

    public func stop() { frames.close() }

    private func run() {
        var decoder: (any VideoDecoder)?
        while case .element(let frame) = frames.next() {
            let began = MonotonicClock.now()
            do throws(MediaError) {
                if decoder?.codec != frame.codec { decoder = try makeVideoDecoder(frame.codec) }
                guard let picture = try decoder?.decode(frame.bytes) else { continue }
                figures.withLock {
                    $0.pictures += 1
                    $0.seconds += (MonotonicClock.now() - began).seconds
                }
                onPicture(Decoded(picture: picture, timestamp: frame.timestamp, completed: frame.completed))
            } catch {
                decoder = nil
                lose()
            }
        }
    }
}
