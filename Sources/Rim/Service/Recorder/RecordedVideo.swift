import Glibc
import RTC
import Reactor
import Recording
import Synchronization
import Wire

/// The video of one camera out of a recording, as a source for viewers: at the pace at which it was taken, from the beginning again when it
/// has ended. Reads the disk on a thread of its own, and only while it is watched.
public final class RecordedVideo: FrameSource {
    public let codec: CodecKind
    public let topic: String
    public let frames: Mailbox<EncodedFrame>
    private let path: String
    private let isRunning = Atomic<Bool>(true)
    private let isWatched = Atomic<Bool>(false)

    public enum Failure: Error, Sendable, CustomStringConvertible {
        case noVideo(path: String, camera: String?)
        case format(String)

        public var description: String {
            switch self {
            case .noVideo(let path, let camera?): "\(path) holds no video of a camera `\(camera)`"
            case .noVideo(let path, nil): "\(path) holds no video"
            case .format(let name): "expected video as h264 or vp8, the recording holds `\(name)`"
            }
        }
    }

    /// `camera`: nil: the first that comes.
    public init(path: String, camera: String? = nil) throws {
        var first: (topic: String, format: String)?
        _ = try RecordingReplay.read(path) { reader, record in
            guard let (topic, video) = Self.video(record, reader), camera.map({ topic == RecordingSchema.videoTopic($0) }) ?? true else {
                return true
            }
            first = (topic, video.format)
            return false
        }
        guard let first else { throw Failure.noVideo(path: path, camera: camera) }
        guard let codec = CodecKind(rawValue: first.format), codec.media == .video else { throw Failure.format(first.format) }
        (self.path, self.codec, topic) = (path, codec, first.topic)
        frames = try Mailbox(limit: 8)
        try WorkerThread.start("waldo-replay") { [self] in run() }
    }

    /// It is what it was: nobody's path changes it, and who comes late waits for its next key frame.
    public var fullBitrate: Int { 100_000_000 }
    public var leastBitrate: Int { fullBitrate }
    public func setBitrate(_ bitsPerSecond: Int) {}
    public func requestKeyFrame() {}
    public func setWatched(_ watched: Bool) { isWatched.store(watched, ordering: .relaxed) }
    public func stop() { isRunning.store(false, ordering: .relaxed) }

    private static func video(_ record: MCAPRecord, _ reader: borrowing MCAPReader) -> (topic: String, video: CompressedVideo)? {
        guard case .message(let message) = record, let channel = reader.channels[message.channel], channel.encoding == "protobuf",
            reader.schemas[channel.schema]?.name == CompressedVideo.schemaName, let video = CompressedVideo(message.data.span)
        else { return nil }
        return (channel.topic, video)
    }

    // MARK: The thread

    private func run() {
        while isRunning.load(ordering: .relaxed) {
            waitForWatchers()
            do throws(RecordingReplay.Failure) {
                try playOnce()
            } catch {
                let text = "waldo: the replay stopped: \(error)\n"
                _ = unsafe write(2, text, text.utf8.count)
                return
            }
        }
    }

    private func waitForWatchers() {
        while !isWatched.load(ordering: .relaxed), isRunning.load(ordering: .relaxed) {
            WorkerThread.sleep(until: MonotonicClock.now() + .milliseconds(50))
        }
    }

    private func playOnce() throws(RecordingReplay.Failure) {
        var pace = ReplayPace(), isWhole = false
        _ = try RecordingReplay.read(path) { reader, record in
            guard isRunning.load(ordering: .relaxed), isWatched.load(ordering: .relaxed) else { return false }
            guard let (topic, video) = Self.video(record, reader), topic == self.topic else { return true }
            let moment = pace.moment(of: video.time, now: MonotonicClock.now())
            WorkerThread.sleep(until: moment)
            // What builds on a frame that was lost shows nothing.
            isWhole = (isWhole || video.isKeyFrame) && put(video, at: moment)
            return true
        }
        // A recording without frames to wait for would be read in a ring without a rest.
        WorkerThread.sleep(until: MonotonicClock.now() + .milliseconds(100))
    }

    private func put(_ video: CompressedVideo, at moment: Instant) -> Bool {
        let ntp = NTPClock(unixNanoseconds: MonotonicClock.unixNanoseconds(), at: moment).time(at: moment)
        return frames.put(
            EncodedFrame(
                codec: codec, bytes: video.data, isKeyFrame: video.isKeyFrame, captureTime: moment, captureNTP: ntp,
                timestamp: UInt32(truncatingIfNeeded: moment.nanoseconds * 9 / 100_000)))
    }
}

/// When each frame is due: as far from the first as it was taken, but never long after the one before.
struct ReplayPace {
    private var last: (recorded: UInt64, due: Instant)?
    /// A pause of the recording is not waited for.
    private static let longest = Duration.seconds(1)

    mutating func moment(of recorded: UInt64, now: Instant) -> Instant {
        guard let last else {
            self.last = (recorded, now)
            return now
        }
        let gap = recorded > last.recorded ? Duration(nanoseconds: Int64(clamping: recorded - last.recorded)) : .milliseconds(1)
        // Who was held up goes on from here, and does not hurry after.
        let due = max(last.due + min(gap, Self.longest), now - .milliseconds(200))
        self.last = (recorded, due)
        return due
    }
}
