import Glibc
import Media
import RTC
import Reactor
import Synchronization
import Wire

/// The encoder of one source and codec on a thread of its own: one encode for all viewers. Takes the newest picture of a feed while it is
/// watched; frames go to the reactor through a bounded mailbox.
public final class EncoderThread: Sendable {
    public struct Settings: Sendable {
        public var codec: CodecKind
        /// bit/s at most.
        public var bitrate: Int
        /// Encodes a smaller picture when the bitrate is not worth the full size.
        public var usesLadder: Bool
        /// Encodes two seconds of the test pattern at first and then sends them again and again: what is measured then holds no encoder.
        public var replays: Bool
        public var encoders: VideoEncoders

        public init(
            codec: CodecKind, bitrate: Int, usesLadder: Bool = true, replays: Bool = false, encoders: VideoEncoders = VideoEncoders()
        ) {
            self.codec = codec
            self.bitrate = bitrate
            self.usesLadder = usesLadder
            self.replays = replays
            self.encoders = encoders
        }
    }

    public struct Statistics: Sendable, Hashable {
        public var frames = 0
        /// Time spent encoding, scaling included.
        public var seconds = 0.0
        /// Pictures that were not encoded because a newer one came.
        public var leftOut = 0
        /// Frames that the reactor was too late for.
        public var lost = 0
        /// Bit/s asked of the encoder now.
        public var bitrate = 0
        /// Pixels of the pictures that are encoded now.
        public var width = 0
        public var height = 0
    }

    public let frames: Mailbox<EncodedFrame>
    public let settings: Settings
    private let feed: PictureFeed
    private let pictures: Inbox<CapturedPicture>
    /// The number in the feed while the encoder is watched.
    private let subscription = Lock<Int?>(nil)
    private let wantsKeyFrame = Atomic<Bool>(true)
    private let bitrate: Atomic<Int>
    private let isRunning = Atomic<Bool>(true)
    private let encoded = Lock(Statistics())
    /// A resting camera takes a picture a second: an older one means that it is not well.
    private static let oldestFirst = Duration.milliseconds(1500)

    public init(feed: PictureFeed, settings: Settings) throws {
        self.feed = feed
        self.settings = settings
        bitrate = Atomic(settings.bitrate)
        frames = try Mailbox(limit: 8)
        pictures = try Inbox(limit: 1, leavesOut: .oldest)
        // Refused settings show here, not on the thread; what an encoder takes to make must not keep the caller.
        guard settings.codec.media == .video else { throw MediaError.settings("codec: expected a video codec, got \(settings.codec.name)") }
        try settings.video(feed).check()
        try WorkerThread.start("waldo-encoder") { [self] in run() }
    }

    /// bit/s that are still worth encoding for a single viewer: with smaller pictures less is.
    var leastBitrate: Int { settings.usesLadder ? min(settings.bitrate, max(settings.bitrate / 10, 100_000)) : settings.bitrate / 4 }

    public func requestKeyFrame() { wantsKeyFrame.store(true, ordering: .relaxed) }
    public func setBitrate(_ bitsPerSecond: Int) { bitrate.store(bitsPerSecond, ordering: .relaxed) }

    /// Nothing is encoded while nobody watches, and the feed's camera may rest. Whoever comes first gets the picture that it took last, as a key
    /// frame and with its own age, while the next is being made.
    public func setWatched(_ watched: Bool) {
        subscription.withLock { number in
            if watched, number == nil, isRunning.load(ordering: .relaxed) {
                requestKeyFrame()
                if let newest = feed.newest, MonotonicClock.now() - newest.captured < Self.oldestFirst { pictures.put(newest) }
                number = feed.subscribe { [weak self] picture in self?.pictures.put(picture) }
            } else if !watched, let old = number {
                feed.unsubscribe(old)
                number = nil
            }
        }
    }

    public func stop() {
        isRunning.store(false, ordering: .relaxed)
        setWatched(false)
        pictures.close()
    }

    public var statistics: Statistics {
        var statistics = encoded.withLock { $0 }
        (statistics.leftOut, statistics.lost) = (pictures.leftOut, frames.refused)
        statistics.bitrate = bitrate.load(ordering: .relaxed)
        return statistics
    }

    private var isWatched: Bool { subscription.withLock { $0 != nil } }

    // MARK: The thread

    private func run() {
        // The settings were accepted a moment ago: what fails here is the machine, or the library. A fresh encoder may do better.
        while isRunning.load(ordering: .relaxed) {
            do {
                if settings.replays { try replay() } else { try loop() }
            } catch {
                let text = "waldo: the \(settings.codec.name) encoder failed and is made anew: \(error). If it stays, check memory.\n"
                _ = unsafe write(2, text, text.utf8.count)
                requestKeyFrame()
                WorkerThread.sleep(until: MonotonicClock.now() + .seconds(1))
            }
        }
    }

    /// Returns when it is told to stop.
    private func loop() throws {
        var stage = try EncoderStage(settings, settings.video(feed))
        var last: Instant?
        while case .element(let captured) = pictures.next(), isRunning.load(ordering: .relaxed) {
            // Two frames of one time are one to a receiver.
            guard captured.captured != last else { continue }
            last = captured.captured
            let isForced = wantsKeyFrame.exchange(false, ordering: .relaxed)
            let began = MonotonicClock.now()
            try stage.follow(bitrate.load(ordering: .relaxed), at: began)
            let frame = try stage.encode(captured.picture, forcesKeyFrame: isForced)
            let seconds = (MonotonicClock.now() - began).seconds
            encoded.withLock { encoded in
                encoded.frames += 1
                encoded.seconds += seconds
                (encoded.width, encoded.height) = stage.size
            }
            // A picture that the rate control skipped leaves the wish open.
            if isForced, frame?.isKeyFrame != true { requestKeyFrame() }
            guard let frame else { continue }
            put(frame.bytes, isKeyFrame: frame.isKeyFrame, captured: captured.captured, unix: captured.unixNanoseconds)
        }
    }

    /// A wish for a key frame begins from the start, where the key frame is.
    private func replay() throws {
        let video = settings.video(feed)
        var camera = TestPattern(width: video.width, height: video.height, bitsPerPicture: video.bitrate / max(video.rate, 1))
        let encoder = try settings.encoders.make(settings.codec, video)
        var recorded: [(bytes: [UInt8], isKeyFrame: Bool)] = []
        for _ in 0..<(2 * video.rate) {
            let picture = camera.next(unixMilliseconds: MonotonicClock.unixNanoseconds() / 1_000_000)
            var bytes: [UInt8] = []
            if let isKeyFrame = try encoder.encode(picture, forcesKeyFrame: false, into: &bytes) { recorded.append((bytes, isKeyFrame)) }
        }
        let interval = Duration(nanoseconds: 1_000_000_000 / Int64(video.rate))
        var next = MonotonicClock.now(), index = 0
        while isRunning.load(ordering: .relaxed) {
            WorkerThread.sleep(until: next)
            next = max(next + interval, MonotonicClock.now())
            guard isWatched else { continue }
            if wantsKeyFrame.exchange(false, ordering: .relaxed) { index = 0 }
            let frame = recorded[index]
            index = (index + 1) % recorded.count
            put(frame.bytes, isKeyFrame: frame.isKeyFrame, captured: MonotonicClock.now(), unix: MonotonicClock.unixNanoseconds())
        }
    }

    private func put(_ bytes: [UInt8], isKeyFrame: Bool, captured: Instant, unix: Int64) {
        let frame = EncodedFrame(
            codec: settings.codec, bytes: bytes, isKeyFrame: isKeyFrame, captureTime: captured,
            captureNTP: NTPClock(unixNanoseconds: unix, at: captured).time(at: captured),
            timestamp: UInt32(truncatingIfNeeded: captured.nanoseconds * 9 / 100_000))
        // The reactor is behind: what was lost is only made good by a key frame.
        if !frames.put(frame) { requestKeyFrame() }
    }
}

extension EncoderThread.Settings {
    func video(_ feed: PictureFeed) -> VideoEncoderSettings {
        VideoEncoderSettings(width: feed.width, height: feed.height, rate: feed.rate, bitrate: bitrate)
    }
}

/// An encoder at the size that its bitrate is worth.
private struct EncoderStage: ~Copyable {
    private var settings: EncoderThread.Settings
    private let video: VideoEncoderSettings
    private var encoder: any VideoEncoder
    private var ladder: ResolutionLadder
    private var bitrate: Int
    /// What is encoded when that is not the camera's own size.
    private var scaled: Picture?
    /// Bytes that a frame is given room for at first.
    private let room: Int

    init(_ settings: EncoderThread.Settings, _ video: VideoEncoderSettings) throws {
        (self.settings, self.video) = (settings, video)
        ladder = ResolutionLadder(width: video.width, height: video.height, rate: video.rate, bitrate: video.bitrate)
        bitrate = video.bitrate
        size = (video.width, video.height)
        room = video.bitrate / 8 / video.rate * 2
        encoder = try settings.encoders.make(settings.codec, video)
    }

    /// Of the encoder at hand.
    private(set) var size: (width: Int, height: Int)

    /// A new size means a new encoder, whose first frame is a key frame.
    mutating func follow(_ wanted: Int, at now: Instant) throws {
        if settings.usesLadder, ladder.choose(wanted, at: now) {
            var smaller = video
            (smaller.width, smaller.height) = ladder.size
            smaller.bitrate = max(wanted, 30_000)
            do throws(MediaError) {
                (encoder, bitrate, scaled) = (try settings.encoders.make(settings.codec, smaller), wanted, nil)
                size = ladder.size
                return
            } catch {
                // Some hardware takes no small pictures: the one at hand goes on, at its size.
                settings.usesLadder = false
                let text =
                    "waldo: the \(settings.codec.name) encoder refuses \(smaller.width)x\(smaller.height), so \(size.width)x\(size.height) stays: \(error)\n"
                _ = unsafe write(2, text, text.utf8.count)
            }
        }
        if wanted != bitrate {
            try encoder.setBitrate(wanted)
            bitrate = wanted
        }
    }

    mutating func encode(_ picture: Picture, forcesKeyFrame: Bool) throws -> (bytes: [UInt8], isKeyFrame: Bool)? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(room)
        let isKeyFrame: Bool?
        if picture.width == size.width, picture.height == size.height {
            isKeyFrame = try encoder.encode(picture, forcesKeyFrame: forcesKeyFrame, into: &bytes)
        } else {
            // Taken out while it is written, so that nothing is copied.
            var target = scaled.take() ?? Picture(width: size.width, height: size.height)
            picture.scale(into: &target)
            isKeyFrame = try encoder.encode(target, forcesKeyFrame: forcesKeyFrame, into: &bytes)
            scaled = target
        }
        return isKeyFrame.map { (bytes, $0) }
    }
}
