import Robot
import Teleop
import Wire

/// What a robot says to its clients (docs/teleop-protocol.md). Times are milliseconds on the robot's clock.
public enum RobotMessage {
    public static func pong(_ t: Double, at now: Instant) -> JSON { ["type": "pong", "t": .double(t), "now": milliseconds(now)] }

    public static func error(_ message: String) -> JSON { ["type": "error", "message": .string(message)] }

    public static func ack(_ nonce: Int64, _ refusal: TeleopRefusal?) -> JSON {
        guard let refusal else { return ["type": "ack", "nonce": .integer(nonce), "ok": true] }
        return [
            "type": "ack", "nonce": .integer(nonce), "ok": false,
            "error": ["code": .string(refusal.code), "message": .string(refusal.message)],
        ]
    }

    public static func stop(_ reason: StopReason, at now: Instant) -> JSON {
        ["type": "stop", "reason": .string(reason.rawValue), "time": milliseconds(now)]
    }

    public static func emergencyStop(isLatched: Bool, by: String, at now: Instant) -> JSON {
        ["type": "estop", "latched": .bool(isLatched), "by": .string(by), "time": milliseconds(now)]
    }

    // MARK: Session start

    public static func welcome(_ id: SessionID, robot: String, _ control: RobotControl) -> JSON {
        let rights = control.sessions[id]?.rights.names ?? []
        return [
            "type": "welcome", "protocol": 1, "session": .string("\(id)"), "robot": Self.robot(robot, control.capabilities),
            "profile": profile(control.profile, mode: control.mode), "rights": .array(rights.map { .string($0) }),
        ]
    }

    public static func robot(_ id: String, _ robot: RobotCapabilities) -> JSON {
        let drive =
            switch robot.drive {
            case .differential: "differential"
            case .omnidirectional: "omnidirectional"
            case .recorded: "recorded"
            }
        return [
            "id": .string(id), "model": .string(robot.model), "drive": .string(drive), "limits": velocity(robot.limits.maximum),
            "acceleration": velocity(robot.limits.acceleration), "deceleration": number(robot.deceleration),
            "cameras": .array(robot.cameras.map(camera)), "microphone": .bool(robot.hasMicrophone), "speaker": .bool(robot.hasSpeaker),
            "lights": .bool(robot.hasLights), "actions": .array(robot.actions.map(action)),
            "ranges": ["bearings": .array(robot.rangeBearings.map(number)), "limit": number(robot.rangeLimit)],
        ]
    }

    private static func camera(_ camera: CameraCapability) -> JSON {
        let reach: JSON = camera.reach.map { ["pan": number($0.pan), "tilt": number($0.tilt)] } ?? .null
        return [
            "name": .string(camera.name), "width": .integer(Int64(camera.width)), "height": .integer(Int64(camera.height)),
            "rate": .integer(Int64(camera.rate)), "reach": reach,
        ]
    }

    private static func action(_ action: ActionCapability) -> JSON {
        ["name": .string(action.name), "title": .string(action.title), "choices": .array(action.choices.map { .string($0) })]
    }

    public static func profile(_ profile: SafetyProfile, mode: DriveMode) -> JSON {
        [
            "name": .string(profile.name), "rate": .integer(Int64(profile.commandRate)), "slow_ms": number(profile.slow.milliseconds),
            "stop_ms": number(profile.stop.milliseconds), "staleness_ms": number(profile.staleness.milliseconds),
            "view_age_ms": number(profile.viewAge.milliseconds), "delay_distance": number(profile.delayDistance),
            "blind_speed": number(profile.blindSpeed), "suspend_ms": number(profile.suspend.milliseconds),
            "release_ms": number(profile.release.milliseconds), "deadman": .bool(profile.needsDeadMan), "mode": .string(mode.rawValue),
            "modes": .array(DriveMode.allCases.map { ["name": .string($0.rawValue), "factor": number($0.factor)] }),
        ]
    }

    // MARK: Lease

    /// As one session sees it; nil: nobody in particular.
    public static func lease(_ control: RobotControl, for id: SessionID?, at now: Instant) -> JSON {
        let lease = control.lease
        var request = JSON.null
        if let asked = lease.request {
            request = person(asked.session, control)
            if case .object(var members) = request {
                members["seconds"] = number(max((asked.until - now).seconds, 0))
                request = .object(members)
            }
        }
        return [
            "state": .string(lease.state.rawValue), "epoch": .integer(Int64(lease.epoch)),
            "holder": lease.holder.map { person($0, control) } ?? .null, "yours": .bool(id != nil && lease.holder == id),
            "request": request,
        ]
    }

    private static func person(_ id: SessionID, _ control: RobotControl) -> JSON {
        ["session": .string("\(id)"), "name": .string(control.sessions[id]?.name ?? "\(id)")]
    }

    // MARK: Values

    static func velocity(_ v: Velocity) -> JSON { ["vx": number(v.vx), "vy": number(v.vy), "vyaw": number(v.vyaw)] }

    static func milliseconds(_ instant: Instant) -> JSON { number(Double(instant.nanoseconds) / 1e6) }

    /// Four digits behind the point say all that a robot knows; what is not finite cannot be written.
    static func number(_ value: Double) -> JSON {
        guard value.isFinite, abs(value) < 1e14 else { return .null }
        return .double((value * 1e4).rounded() / 1e4)
    }
}
