import Robot
import Teleop
import Wire

extension RobotMessage {
    /// The newest of everything, as one session sees it (docs/teleop-protocol.md, `telemetry`). Nil telemetry: the driver has not reported yet.
    public static func telemetry(
        _ telemetry: RobotTelemetry?, _ control: RobotControl, for id: SessionID?, isRecording: Bool, viewers: Int, at now: Instant
    ) -> JSON {
        var message = JSONObject()
        message["type"] = "telemetry"
        message["time"] = milliseconds(telemetry?.time ?? now)
        message["command"] = control.lastVerdict(for: id, at: now).map(command) ?? .null
        message["counts"] = counts(control.counts)
        message["safety"] = safety(control)
        message["lease"] = lease(control, for: id, at: now)
        if let telemetry { add(telemetry, to: &message) }
        message["viewers"] = .integer(Int64(viewers))
        message["recording"] = .bool(isRecording)
        return .object(message)
    }

    /// The same of a recording: what was recorded stands in place of ours, but for what is so now. Nobody who looks at it has its lease.
    public static func telemetry(recorded: JSONObject, over message: JSON) -> JSON {
        guard case .object(var ours) = message else { return message }
        for (name, value) in recorded.members where !["type", "time", "viewers", "recording"].contains(name) { ours[name] = value }
        if case .object(var lease) = ours["lease"] {
            (lease["yours"], lease["request"]) = (false, .null)
            ours["lease"] = .object(lease)
        }
        return .object(ours)
    }

    public static func command(_ verdict: Verdict) -> JSON {
        [
            "seq": .integer(Int64(verdict.sequence)), "asked": velocity(verdict.asked), "applied": velocity(verdict.applied),
            "rules": .array(verdict.changes.map { .string($0.rawValue) }), "refused": verdict.refused.map { .string($0.rawValue) } ?? .null,
            "queue_age": age(verdict.queueingAge), "view_age": age(verdict.viewAge), "delay": age(verdict.delay),
        ]
    }

    /// One that happens once, and what became of it, as recordings have it.
    public static func command(_ command: DiscreteCommand, refusal: TeleopRefusal?) -> JSON {
        let (name, argument, epoch) = words(of: command)
        var message: JSONObject = [
            "type": .string(command.kind), "name": .string(name), "argument": .string(argument), "ok": .bool(refusal == nil),
            "refused": refusal.map { .string($0.code) } ?? .null,
        ]
        if let epoch { message["epoch"] = .integer(Int64(epoch)) }
        return .object(message)
    }

    private static func words(of command: DiscreteCommand) -> (name: String, argument: String, epoch: UInt32?) {
        switch command {
        case .action(let action, let epoch): (action.name, action.argument, epoch)
        case .mode(let mode, let epoch): (mode.rawValue, "", epoch)
        case .clear(let epoch): ("", "", epoch)
        case .lease(.transfer(let receiver)): ("transfer", "\(receiver)", nil)
        case .lease(let action): ("\(action)", "", nil)
        }
    }

    private static func age(_ duration: Duration?) -> JSON { duration.map { number($0.milliseconds) } ?? .null }

    private static func counts(_ counts: ControlCounts) -> JSON {
        let byRule = counts.byRule.sorted { $0.key.rawValue < $1.key.rawValue }
        return [
            "accepted": .integer(Int64(counts.accepted)), "changed": .integer(Int64(counts.changed)),
            "refused": .integer(Int64(counts.refused)),
            "by_rule": .object(JSONObject(byRule.map { ($0.key.rawValue, .integer(Int64($0.value))) })),
        ]
    }

    private static func safety(_ control: RobotControl) -> JSON {
        let gate = control.gate
        return [
            "state": .string(gate.state.name), "reason": gate.state.reason.map { .string($0.rawValue) } ?? .null,
            "latched": .bool(gate.isLatched), "latched_by": control.latchedBy.map { .string($0) } ?? .null,
            "rest_needed": .bool(gate.needsRest), "mode": .string(control.mode.rawValue), "fault": gate.fault.map { .string($0) } ?? .null,
        ]
    }

    private static func add(_ telemetry: RobotTelemetry, to message: inout JSONObject) {
        let (pose, imu, turning) = (telemetry.pose, telemetry.acceleration, telemetry.turning)
        message["pose"] = ["x": number(pose.x), "y": number(pose.y), "yaw": number(pose.yaw)]
        message["velocity"] = velocity(telemetry.velocity)
        message["commanded"] = velocity(telemetry.commanded)
        message["camera"] = ["pan": number(telemetry.camera.pan), "tilt": number(telemetry.camera.tilt)]
        message["battery"] = telemetry.battery.map {
            ["level": number($0.level), "volts": number($0.volts), "amperes": number($0.amperes)]
        }
        message["temperature"] = telemetry.temperature.map(number)
        message["imu"] = [
            "acceleration": .array([imu.x, imu.y, imu.z].map(number)), "turning": .array([turning.x, turning.y, turning.z].map(number)),
        ]
        message["ranges"] = .array(telemetry.ranges.map(number))
        message["light"] = telemetry.light.map { .string($0) }
        message["microphone"] = number(telemetry.microphoneLevel)
        message["speaker"] = number(telemetry.speakerLevel)
        let completed = telemetry.completed.sorted { $0.key < $1.key }
        message["completed"] = .object(JSONObject(completed.map { ($0.key, .integer(Int64($0.value))) }))
    }
}
