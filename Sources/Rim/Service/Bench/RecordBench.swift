import Glibc
import Media
import RTC
import Reactor
import Recording
import Wire

/// `waldo bench record`: records a drive in a circle that nobody drives, with the test pattern as its camera, for tests and measurements.
public actor RecordBench {
    public struct Options: Sendable {
        public var path = ""
        /// Bytes.
        public var limit: Int?
        public var width = 640
        public var height = 480
        /// bit/s.
        public var bitrate = 1_500_000
        public var codec = CodecKind.h264

        public init() {}
    }

    private nonisolated let reactor: Reactor
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private let options: Options
    private let recorder: Recorder
    private let camera: TestCamera
    private let source: VideoSource
    private var ticker: ReactorTimer?
    private var count = 0
    private var began: Instant?

    private static let telemetryInterval = Duration.milliseconds(50)

    /// `onEnd`: the recording cannot go on.
    public init(_ options: Options, onEnd: @escaping @Sendable (RecorderError) -> Void) throws {
        self.options = options
        recorder = try Recorder(path: options.path, limit: options.limit, onEnd: onEnd)
        reactor = try Reactor(name: "waldo-reactor")
        let feed = PictureFeed(name: "front", width: options.width, height: options.height, rate: 30)
        camera = try TestCamera(feed: feed, bitsPerPicture: options.bitrate / 30)
        source = VideoSource(feed: feed, reactor: reactor, bitrate: options.bitrate, usesLadder: false)
    }

    public func start() throws {
        try source.fanOut(for: options.codec).onFrame = { [recorder] frame in recorder.recordVideo(frame, camera: "front") }
        ticker = reactor.makeTimer { [unowned self] now in assumeIsolated { $0.tick(at: now) } }
        ticker?.deadline = MonotonicClock.now()
    }

    public func finish() -> Recorder.Statistics {
        ticker = nil
        source.stop()
        camera.stop()
        recorder.finish()
        return recorder.statistics
    }

    /// A circle of 1 m at 0.5 m/s; every 40th command is refused, every 100th telemetry a stop.
    private func tick(at now: Instant) {
        ticker?.deadline = now + Self.telemetryInterval
        let unix = MonotonicClock.unixNanoseconds()
        let angle = (now - (began ?? now)).seconds * 0.5
        began = began ?? now
        let isRefused = count % 40 == 39
        let velocity: JSON = ["vx": 0.5, "vy": 0, "vyaw": 0.5]
        let command: JSON = [
            "type": "drive", "session": "s1", "seq": .integer(Int64(count)), "asked": velocity, "applied": velocity, "rules": [],
            "refused": isRefused ? "view" : nil, "queue_age": 1, "view_age": .double(50 + Double(count % 10)), "delay": 60,
        ]
        let telemetry: JSON = [
            "type": "telemetry", "time": .double(Double(now.nanoseconds) / 1e6),
            "pose": ["x": .double(sin(angle)), "y": .double(1 - cos(angle)), "yaw": .double(angle)], "velocity": velocity,
            "command": command,
        ]
        record(telemetry, RecordingSchema.telemetryTopic, RecordingSchema.telemetry, unix)
        record(command, RecordingSchema.commandTopic, RecordingSchema.command, unix)
        if count % 100 == 50 {
            let event: JSON = ["type": "stop", "reason": "silence", "time": .double(Double(now.nanoseconds) / 1e6)]
            record(event, RecordingSchema.eventTopic, RecordingSchema.event, unix)
        }
        count += 1
    }

    private func record(_ json: JSON, _ topic: String, _ schema: String, _ unix: Int64) {
        recorder.record(topic: topic, schema: schema, json: json.encoded(), at: unix)
    }
}
