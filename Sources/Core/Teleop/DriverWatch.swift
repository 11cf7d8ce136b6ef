import Robot
import Wire

/// Whether the driver still does what it is told: a stop that fails must not fail silently.
struct DriverWatch: Sendable {
    /// When the control loop last gave a sign.
    private var heard: Instant
    private var pending: (number: UInt64, since: Instant)?

    /// A driver renews its telemetry every 100 ms; one that has missed two is not running.
    static let silence = Duration.milliseconds(250)
    /// From the order to the motors' own report that they are at zero.
    private let stopping: Duration

    init(since now: Instant, stopping: Duration) { (heard, self.stopping) = (now, stopping) }

    mutating func expectStop(_ number: UInt64, at now: Instant) { if pending == nil { pending = (number, now) } }

    /// What is wrong, for people; nil: nothing.
    mutating func observe(_ telemetry: RobotTelemetry, at now: Instant) -> String? {
        heard = max(heard, min(telemetry.time, now))
        if let pending, telemetry.setpoint > pending.number || telemetry.setpoint == pending.number && telemetry.commanded.isZero {
            self.pending = nil
        }
        if let fault = telemetry.fault { return fault }
        if now - heard > Self.silence {
            return "the robot's control loop does not report; its motors stop by themselves"
        }
        if let pending, now - pending.since > stopping {
            return "the motors have not confirmed a stop: use the hardware stop"
        }
        return nil
    }
}
