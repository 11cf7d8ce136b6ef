import Glibc
import Media
import RTC
import Reactor
import Synchronization
import Wire

/// A camera and its encoder on a thread of their own: one encode for all viewers. Frames go to the reactor through a bounded mailbox.
public final class EncoderThread: Sendable {
    public struct Settings: Sendable {
        public var codec: CodecKind
        public var video: VideoEncoderSettings
        /// Encodes two seconds at first and then sends them again and again: what is measured then holds no encoder.
        public var replays: Bool

        public init(codec: CodecKind, video: VideoEncoderSettings, replays: Bool = false) {
            self.codec = codec
            self.video = video
            self.replays = replays
        }
    }

    public let frames: Mailbox<EncodedFrame>
    public let settings: Settings
    private let wantsKeyFrame = Atomic<Bool>(true)
    private let bitrate: Atomic<Int>
    private let isRunning = Atomic<Bool>(true)
    /// Nothing is drawn or encoded while nobody watches.
    private let isWatched = Atomic<Bool>(false)
    private let encodeNanoseconds = Atomic<Int>(0)
    private let encodedFrames = Atomic<Int>(0)

    public init(_ settings: Settings) throws {
        self.settings = settings
        bitrate = Atomic(settings.video.bitrate)
        frames = try Mailbox(limit: 8)
        // Refused settings show here, not on the thread.
        _ = try makeVideoEncoder(settings.codec, settings.video)
        let context = unsafe Unmanaged.passRetained(self).toOpaque()
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                unsafe Unmanaged<EncoderThread>.fromOpaque(context!).takeRetainedValue().run()
                return nil
            }, context)
        guard code == 0 else { throw SystemError("pthread_create", "encoder", code: code) }
        pthread_detach(thread)
    }

    public func requestKeyFrame() { wantsKeyFrame.store(true, ordering: .relaxed) }
    public func setBitrate(_ bitsPerSecond: Int) { bitrate.store(bitsPerSecond, ordering: .relaxed) }
    public func setWatched(_ watched: Bool) { isWatched.store(watched, ordering: .relaxed) }
    public func stop() { isRunning.store(false, ordering: .relaxed) }

    public var statistics: (frames: Int, seconds: Double) {
        (encodedFrames.load(ordering: .relaxed), Double(encodeNanoseconds.load(ordering: .relaxed)) / 1e9)
    }

    private func run() {
        Reactor.nameThisThread("waldo-encoder")
        do {
            if settings.replays { try replay() } else { try loop() }
        } catch {
            // The settings were accepted a moment ago: what fails here is the machine.
            let text = "waldo: the encoder stopped: \(error). Restart; if it stays, check memory and the codec library.\n"
            _ = unsafe write(2, text, text.utf8.count)
        }
    }

    private func loop() throws {
        let video = settings.video
        var camera = TestPattern(width: video.width, height: video.height, bitsPerPicture: video.bitrate / max(video.rate, 1))
        let encoder = try makeVideoEncoder(settings.codec, settings.video)
        let interval = Duration(nanoseconds: 1_000_000_000 / Int64(settings.video.rate))
        var current = settings.video.bitrate
        var next = MonotonicClock.now()
        while isRunning.load(ordering: .relaxed) {
            sleep(until: next)
            next = max(next + interval, MonotonicClock.now())
            guard isWatched.load(ordering: .relaxed) else { continue }
            let wanted = bitrate.load(ordering: .relaxed)
            if wanted != current {
                try encoder.setBitrate(wanted)
                current = wanted
            }
            try encodeOne(&camera, encoder)
        }
    }

    /// A wish for a key frame begins from the start, where the key frame is.
    private func replay() throws {
        let video = settings.video
        var camera = TestPattern(width: video.width, height: video.height, bitsPerPicture: video.bitrate / max(video.rate, 1))
        let encoder = try makeVideoEncoder(settings.codec, settings.video)
        var recorded: [(bytes: [UInt8], isKeyFrame: Bool)] = []
        for _ in 0..<(2 * settings.video.rate) {
            let picture = camera.next(unixMilliseconds: MonotonicClock.unixNanoseconds() / 1_000_000)
            var bytes: [UInt8] = []
            if let isKeyFrame = try encoder.encode(picture, forcesKeyFrame: false, into: &bytes) { recorded.append((bytes, isKeyFrame)) }
        }
        let interval = Duration(nanoseconds: 1_000_000_000 / Int64(settings.video.rate))
        var next = MonotonicClock.now(), index = 0
        while isRunning.load(ordering: .relaxed) {
            sleep(until: next)
            next = max(next + interval, MonotonicClock.now())
            guard isWatched.load(ordering: .relaxed) else { continue }
            if wantsKeyFrame.exchange(false, ordering: .relaxed) { index = 0 }
            let frame = recorded[index]
            index = (index + 1) % recorded.count
            put(frame.bytes, isKeyFrame: frame.isKeyFrame, captured: MonotonicClock.now(), unix: MonotonicClock.unixNanoseconds())
        }
    }

    private func encodeOne(_ camera: inout TestPattern, _ encoder: any VideoEncoder) throws {
        let isForced = wantsKeyFrame.exchange(false, ordering: .relaxed)
        let unix = MonotonicClock.unixNanoseconds()
        let captured = MonotonicClock.now()
        let picture = camera.next(unixMilliseconds: unix / 1_000_000)
        let began = MonotonicClock.now()
        var bytes: [UInt8] = []
        bytes.reserveCapacity(settings.video.bitrate / 8 / settings.video.rate * 2)
        let isKeyFrame = try encoder.encode(picture, forcesKeyFrame: isForced, into: &bytes)
        encodeNanoseconds.add(Int((MonotonicClock.now() - began).nanoseconds), ordering: .relaxed)
        encodedFrames.add(1, ordering: .relaxed)
        // A picture that the rate control skipped leaves the wish open.
        if isForced, isKeyFrame != true { requestKeyFrame() }
        guard let isKeyFrame else { return }
        put(bytes, isKeyFrame: isKeyFrame, captured: captured, unix: unix)
    }

    private func put(_ bytes: [UInt8], isKeyFrame: Bool, captured: Instant, unix: Int64) {
        let frame = EncodedFrame(
            codec: settings.codec, bytes: bytes, isKeyFrame: isKeyFrame, captureTime: captured,
            captureNTP: NTPClock(unixNanoseconds: unix, at: captured).time(at: captured),
            timestamp: UInt32(truncatingIfNeeded: captured.nanoseconds * 9 / 100_000))
        // The reactor is behind: what was lost is only made good by a key frame.
        if !frames.put(frame) { requestKeyFrame() }
    }

    private func sleep(until instant: Instant) {
        var time = timespec(tv_sec: Int(instant.nanoseconds / 1_000_000_000), tv_nsec: Int(instant.nanoseconds % 1_000_000_000))
        _ = unsafe clock_nanosleep(CLOCK_MONOTONIC, Int32(TIMER_ABSTIME), &time, nil)
    }
}
