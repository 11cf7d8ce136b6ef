import Robot
import Wire

/// A driver by the letter of its contract, without a robot: what its motors are told at any time.
struct ModelDriver {
    private var setpoint = Setpoint(number: 0, velocity: .zero, validUntil: .zero)
    private var barred: UInt64 = 0
    private var isBarred = false

    mutating func apply(_ next: Setpoint) {
        if isBarred, next.number <= barred { return }
        isBarred = false
        setpoint = next
    }

    mutating func stop(after number: UInt64) {
        (barred, isBarred) = (number, true)
        setpoint.velocity = .zero
    }

    func velocity(at now: Instant) -> Velocity { now <= setpoint.validUntil ? setpoint.velocity : .zero }
    var number: UInt64 { setpoint.number }
}

extension RobotCapabilities {
    /// A rover that grows its speed fast, so that what a test sees is the gate's doing.
    static let model = RobotCapabilities(
        model: "Model", drive: .differential(DifferentialDrive(track: 0.4, wheelSpeed: 1)),
        limits: DriveLimits(maximum: Velocity(vx: 1, vyaw: 2), acceleration: Velocity(vx: 2, vyaw: 8)), deceleration: 4,
        actions: [
            ActionCapability(name: "treat", title: "Drop a treat"), ActionCapability(name: "sound", title: "Sound", choices: ["beep"]),
        ])
}
