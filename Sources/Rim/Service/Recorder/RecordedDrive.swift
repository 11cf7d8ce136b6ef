import Glibc
import Media
import RTC
import Reactor
import Recording
import Robot
import Synchronization
import Wire

/// A recording as a robot that shows what another did: its pictures, decoded, and its telemetry, at the pace at which they were taken, from the
/// beginning again at the end. Takes no commands. A thread of its own reads the disk while somebody watches.
public final class RecordedDrive: RobotDriver {
    public let capabilities: RobotCapabilities
    public let feed: PictureFeed
    private let path: String
    private let topic: String
    private let codec: CodecKind
    private let isRunning = Atomic<Bool>(true)
    private let hasClients = Atomic<Bool>(false)
    private let newest = Lock<JSON?>(nil)
    private let log: RareLogger
    /// Bytes: as robots' messages are.
    private static let longestTelemetry = 16 << 10

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
    public init(path: String, camera: String? = nil, log: Logger) throws {
        let opening = try RecordingOpening(path: path, camera: camera)
        (self.path, topic, codec) = (path, opening.topic, opening.codec)
        self.log = RareLogger(log)
        let name = topic.split(separator: "/").last.map(String.init) ?? topic
        feed = PictureFeed(name: name, width: opening.picture.width, height: opening.picture.height, rate: 30)
        capabilities = RobotCapabilities(recorded: opening.robot, feed)
        feed.publish(
            CapturedPicture(opening.picture, captured: MonotonicClock.now(), unixNanoseconds: MonotonicClock.unixNanoseconds()))
        try WorkerThread.start("waldo-replay") { [self] in run() }
    }

    /// The newest telemetry as it was recorded, nil: none yet. `clients`: how many look at it now; while there are some it goes on.
    public func telemetry(clients: Int) -> JSON? {
        hasClients.store(clients > 0, ordering: .relaxed)
        return newest.withLock { $0 }
    }

    // MARK: A robot that takes no commands

    public func apply(_ setpoint: Setpoint) {}
    public func stop(after number: UInt64) {}

    public func perform(_ action: RobotAction) throws(RobotActionError) {
        throw .notNow("this is a recording: it shows what a robot did, and does nothing")
    }

    /// That nothing moves; what moved then `telemetry(clients:)` tells.
    public var telemetry: RobotTelemetry {
        var telemetry = RobotTelemetry(time: MonotonicClock.now())
        telemetry.noteStanding()
        return telemetry
    }

    public func shutDown() { isRunning.store(false, ordering: .relaxed) }

    // MARK: The thread

    private var isWatched: Bool { isRunning.load(ordering: .relaxed) && (feed.isWatched || hasClients.load(ordering: .relaxed)) }

    private func run() {
        while isRunning.load(ordering: .relaxed) {
            // A recording whose frames have all gone would else be read in a ring without a rest.
            WorkerThread.sleep(until: MonotonicClock.now() + .milliseconds(50))
            guard isWatched else { continue }
            do { try playOnce() } catch { log.error("the recording cannot be read on", ["error": .text("\(error)")]) }
        }
    }

    private func playOnce() throws {
        let decoder = try makeVideoDecoder(codec)
        var pace = ReplayPace()
        _ = try RecordingReplay.read(path) { reader, record in
            guard isWatched else { return false }
            guard case .message(let message) = record, let channel = reader.channels[message.channel] else { return true }
            if channel.topic == RecordingSchema.telemetryTopic, channel.encoding == "json" {
                guard message.data.count <= Self.longestTelemetry, let telemetry = try? JSON(parsing: message.data.span),
                    telemetry.object != nil
                else {
                    log.warning("telemetry of the recording that is no JSON object, or a long one, is left out")
                    return true
                }
                WorkerThread.sleep(until: pace.moment(of: message.logTime, now: MonotonicClock.now()))
                newest.withLock { $0 = telemetry }
            } else if channel.topic == topic, let video = CompressedVideo(message, on: channel, in: reader) {
                let due = pace.moment(of: video.time, now: MonotonicClock.now())
                do throws(MediaError) {
                    guard let picture = try decoder.decode(video.data) else { return true }
                    WorkerThread.sleep(until: due)
                    feed.publish(
                        CapturedPicture(picture, captured: MonotonicClock.now(), unixNanoseconds: MonotonicClock.unixNanoseconds()))
                } catch {
                    // What is damaged shows nothing, until the next key frame.
                    log.warning("pictures of the recording that cannot be decoded are left out", ["error": .text("\(error)")])
                }
            }
            return true
        }
    }
}

/// What a recording begins with: its first picture that can be decoded, and what its robot is.
struct RecordingOpening {
    let topic: String
    let codec: CodecKind
    let picture: Picture
    /// `robot` of docs/teleop-protocol.md; nil: it was recorded without.
    let robot: JSON?

    /// Messages after the first picture among which the robot is looked for: a part of a recording begins wherever the one before was full.
    private static let patience = 2000

    init(path: String, camera: String?) throws {
        var found: (topic: String, codec: CodecKind, picture: Picture)?
        var robot: JSON?
        var failure: (any Error)?
        var decoder: (any VideoDecoder)?
        var left = Self.patience
        _ = try RecordingReplay.read(path) { reader, record in
            guard case .message(let message) = record, let channel = reader.channels[message.channel] else { return true }
            if channel.topic == RecordingSchema.robotTopic, channel.encoding == "json" {
                robot = robot ?? (try? JSON(parsing: message.data.span))
            }
            if found != nil {
                left -= 1
                return robot == nil && left > 0
            }
            guard let video = CompressedVideo(message, on: channel, in: reader), video.isKeyFrame,
                camera.map({ channel.topic == RecordingSchema.videoTopic($0) }) ?? true
            else { return true }
            do {
                guard let codec = CodecKind(rawValue: video.format), codec.media == .video else {
                    throw RecordedDrive.Failure.format(video.format)
                }
                if decoder?.codec != codec { decoder = try makeVideoDecoder(codec) }
                guard let picture = try decoder?.decode(video.data) else { return true }
                found = (channel.topic, codec, picture)
                return robot == nil
            } catch { failure = error }
            return false
        }
        if let failure { throw failure }
        guard let found else { throw RecordedDrive.Failure.noVideo(path: path, camera: camera) }
        (topic, codec, picture, self.robot) = (found.topic, found.codec, found.picture, robot)
    }
}

extension CompressedVideo {
    /// Nil: the message is none.
    fileprivate init?(_ message: MCAPMessage, on channel: MCAPChannel, in reader: borrowing MCAPReader) {
        guard channel.encoding == "protobuf", reader.schemas[channel.schema]?.name == CompressedVideo.schemaName else { return nil }
        self.init(message.data.span)
    }
}

extension RobotCapabilities {
    /// What the recording tells of its robot; what it does not tell is that of a small one.
    fileprivate init(recorded robot: JSON?, _ feed: PictureFeed) {
        func velocity(_ json: JSON?, _ usual: Velocity) -> Velocity {
            func axis(_ name: String, _ usual: Double) -> Double { json?[name]?.double.map { min(max($0, 0), 1000) } ?? usual }
            return Velocity(vx: axis("vx", usual.vx), vy: axis("vy", usual.vy), vyaw: axis("vyaw", usual.vyaw))
        }
        let limits = DriveLimits(
            maximum: velocity(robot?["limits"], Velocity(vx: 1, vyaw: 2)),
            acceleration: velocity(robot?["acceleration"], Velocity(vx: 1, vyaw: 2)))
        self.init(
            model: robot?["model"]?.string.map { String($0.prefix(64)) } ?? "Robot", drive: .recorded, limits: limits,
            deceleration: min(max(robot?["deceleration"]?.double ?? 1, 0), 1000),
            cameras: [CameraCapability(name: feed.name, width: feed.width, height: feed.height, rate: feed.rate)],
            rangeBearings: (robot?["ranges"]?["bearings"]?.array ?? []).prefix(1024).compactMap(\.double),
            rangeLimit: robot?["ranges"]?["limit"]?.double ?? 0)
    }
}
