import Contracts
import Media
import RTC
import Reactor
import Recording
import Robot
import Teleop
import Wire

/// Writes down a robot's session: video, telemetry, every command with its verdict, and what happened. Lives on the reactor.
final class StationRecorder {
    private let recorder: Recorder
    private weak var robot: RobotHost?
    private let log: Logger
    private var nextRobot = Instant.zero

    /// Begins to record into `path`, at most `limit` bytes.
    init(_ robot: RobotHost, path: String, limit: Int, log: Logger) throws {
        (self.robot, self.log) = (robot, log)
        recorder = try Recorder(path: path, limit: limit) { [log] error in
            log.error("the recording has ended; the robot goes on", ["reason": .text("\(error)")])
        }
        robot.observers.append { [weak self] event, now in self?.record(event, at: now) }
        robot.onTelemetry = { [weak self] message, now in self?.record(message, at: now) }
        // The front camera is what a driver saw; H.264 as everybody can play it.
        if let camera = robot.unit.cameras.first, let source = robot.video[camera.name] {
            let recorder = recorder
            try source.fanOut(for: .h264).onFrame = { frame in recorder.recordVideo(frame, camera: camera.name) }
        }
        robot.isRecording = true
        recordRobot(at: MonotonicClock.now())
    }

    /// What the robot is: now and again, so that each part of a recording has it.
    private func recordRobot(at now: Instant) {
        guard now >= nextRobot, let robot, case .object(var message) = RobotMessage.robot(robot.id, robot.control.capabilities) else {
            return
        }
        nextRobot = now + .seconds(10)
        message["type"] = "robot"
        write(.object(message), RecordingSchema.robotTopic, RecordingSchema.robot)
    }

    var statistics: Recorder.Statistics { recorder.statistics }

    func finish() { recorder.finish() }

    private func record(_ message: JSON, at now: Instant) {
        recordRobot(at: now)
        write(message, RecordingSchema.telemetryTopic, RecordingSchema.telemetry)
        if recorder.statistics.failure != nil { robot?.isRecording = false }
    }

    private func record(_ event: ControlEvent, at now: Instant) {
        switch event {
        case .verdict(let verdict, let id):
            guard case .object(var message) = RobotMessage.command(verdict) else { return }
            message["session"] = .string("\(id)")
            message["epoch"] = .integer(Int64(verdict.epoch))
            write(.object(message), RecordingSchema.commandTopic, RecordingSchema.command)
        case .decided(let command, let refusal, let id):
            guard case .object(var message) = RobotMessage.command(command, refusal: refusal) else { return }
            message["session"] = .string("\(id)")
            write(.object(message), RecordingSchema.commandTopic, RecordingSchema.command)
        case .leaseChanged:
            guard let control = robot?.control, case .object(var message) = RobotMessage.lease(control, for: nil, at: now) else { return }
            message["type"] = "lease"
            write(.object(message), RecordingSchema.eventTopic, RecordingSchema.event)
        case .stopped(let reason): write(RobotMessage.stop(reason, at: now), RecordingSchema.eventTopic, RecordingSchema.event)
        case .latched(let by):
            write(RobotMessage.emergencyStop(isLatched: true, by: by, at: now), RecordingSchema.eventTopic, RecordingSchema.event)
        case .cleared(let by):
            write(RobotMessage.emergencyStop(isLatched: false, by: by, at: now), RecordingSchema.eventTopic, RecordingSchema.event)
        case .fault(let text):
            write(
                ["type": "fault", "reason": text.map { .string($0) } ?? .null], RecordingSchema.eventTopic, RecordingSchema.event)
        }
    }

    private func write(_ message: JSON, _ topic: String, _ schema: String) {
        recorder.record(topic: topic, schema: schema, json: message.encoded(), at: MonotonicClock.unixNanoseconds())
    }
}
