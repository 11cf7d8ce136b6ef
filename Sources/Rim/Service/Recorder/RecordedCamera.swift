import Glibc
import Media
import RTC
import Reactor
import Recording
import Synchronization
import Wire

/// A camera out of a recording: its pictures, decoded, at the pace at which they were taken, from the beginning again at the end. A thread of
/// its own reads the disk while the feed is watched.
public final class RecordedCamera: Sendable {
    public let feed: PictureFeed
    private let path: String
    private let topic: String
    private let codec: CodecKind
    private let isRunning = Atomic<Bool>(true)

    public enum Failure: Error, Sendable, CustomStringConvertible {
        case noVideo(path: String, camera: String?)
        case format(String)

        public var description: String {
            switch self {
            case .noVideo(let path, let camera?): "\(path) holds no video of a camera `\(camera)`"
            case .noVideo(let path, nil): "\(path) holds no video that can be shown"
            case .format(let name): "expected video as h264 or vp8, the recording holds `\(name)`"
            }
        }
    }

    /// `camera`: nil: the first that the recording tells of.
    public init(path: String, camera: String? = nil) throws {
        var found: (topic: String, codec: CodecKind, picture: Picture)?
        var failure: (any Error)?
        var decoder: (any VideoDecoder)?
        _ = try RecordingReplay.read(path) { reader, record in
            guard let (topic, video) = Self.video(record, reader), camera.map({ topic == RecordingSchema.videoTopic($0) }) ?? true,
                video.isKeyFrame
            else { return true }
            do {
                guard let codec = CodecKind(rawValue: video.format), codec.media == .video else { throw Failure.format(video.format) }
                if decoder?.codec != codec { decoder = try makeVideoDecoder(codec) }
                guard let picture = try decoder?.decode(video.data) else { return true }
                found = (topic, codec, picture)
            } catch { failure = error }
            return false
        }
        if let failure { throw failure }
        guard let found else { throw Failure.noVideo(path: path, camera: camera) }
        (self.path, topic, codec) = (path, found.topic, found.codec)
        feed = PictureFeed(name: found.topic, width: found.picture.width, height: found.picture.height, rate: 30)
        feed.publish(
            CapturedPicture(found.picture, captured: MonotonicClock.now(), unixNanoseconds: MonotonicClock.unixNanoseconds()))
        try WorkerThread.start("waldo-replay") { [self] in run() }
    }

    public func stop() { isRunning.store(false, ordering: .relaxed) }

    private static func video(_ record: MCAPRecord, _ reader: borrowing MCAPReader) -> (topic: String, video: CompressedVideo)? {
        guard case .message(let message) = record, let channel = reader.channels[message.channel], channel.encoding == "protobuf",
            reader.schemas[channel.schema]?.name == CompressedVideo.schemaName, let video = CompressedVideo(message.data.span)
        else { return nil }
        return (channel.topic, video)
    }

    // MARK: The thread

    private func run() {
        do {
            while isRunning.load(ordering: .relaxed) {
                // A recording whose frames have all gone would else be read in a ring without a rest.
                WorkerThread.sleep(until: MonotonicClock.now() + .milliseconds(50))
                if feed.isWatched { try playOnce() }
            }
        } catch {
            let text = "waldo: the replay stopped: \(error)\n"
            _ = unsafe write(2, text, text.utf8.count)
        }
    }

    private func playOnce() throws {
        let decoder = try makeVideoDecoder(codec)
        var pace = ReplayPace()
        _ = try RecordingReplay.read(path) { reader, record in
            guard isRunning.load(ordering: .relaxed), feed.isWatched else { return false }
            guard let (topic, video) = Self.video(record, reader), topic == self.topic else { return true }
            let due = pace.moment(of: video.time, now: MonotonicClock.now())
            // What is damaged shows nothing, until the next key frame.
            guard let picture = try? decoder.decode(video.data) else { return true }
            WorkerThread.sleep(until: due)
            feed.publish(CapturedPicture(picture, captured: MonotonicClock.now(), unixNanoseconds: MonotonicClock.unixNanoseconds()))
            return true
        }
    }
}

/// When each frame is due: as far from the first as it was taken, but never long after the one before.
package struct ReplayPace {
    private var last: (recorded: UInt64, due: Instant)?
    /// A pause of the recording is not waited for, and who was held up goes on from there and does not hurry after.
    private static let longest = Duration.seconds(1)
    private static let late = Duration.milliseconds(200)

    package init() {}

    package mutating func moment(of recorded: UInt64, now: Instant) -> Instant {
        guard let last else {
            self.last = (recorded, now)
            return now
        }
        let gap = recorded > last.recorded ? Duration(nanoseconds: Int64(clamping: recorded - last.recorded)) : .milliseconds(1)
        let due = max(last.due + min(gap, Self.longest), now - Self.late)
        self.last = (recorded, due)
        return due
    }
}
