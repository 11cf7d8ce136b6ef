import Contracts
import Robot
import Teleop
import Wire

/// What clients of a robot say: every line is one message, which is also carried out. Whatever it is, what the motors are told stays finite
/// and within the limits, and nothing moves while the emergency stop is latched.
extension FuzzTarget {
    static func teleop(_ bytes: Span<UInt8>) {
        var now = Instant(nanoseconds: 1_000_000_000)
        var control = RobotControl(capabilities: .fuzzed, profile: .lan, mode: .full, at: now)
        let ada = control.join(name: "a", rights: .supervise)!, bob = control.join(name: "b", rights: .operate)!
        _ = try? control.lease(.acquire, ada, at: now)
        for line in bytes.array.split(separator: 10, maxSplits: 64) {
            let id = line.count % 5 == 0 ? bob : ada
            for channel in [ClientMessage.Channel.control, .state] {
                guard let message = try? ClientMessage(parsing: Array(line).span, on: channel) else { continue }
                carryOut(message, id, &control, at: now)
                now += .milliseconds(7)
                control.captured(ticks: UInt32(line.count), at: now)
                control.advance(to: now)
                while let output = control.nextOutput() {
                    guard case .setpoint(let setpoint) = output else { continue }
                    let velocity = setpoint.velocity, most = control.capabilities.limits.maximum
                    precondition(abs(velocity.vx) <= most.vx && abs(velocity.vyaw) <= most.vyaw && velocity.vy == 0, "\(velocity)")
                    precondition(!control.gate.isLatched || velocity.isZero, "moves while latched")
                }
            }
        }
    }

    private static func carryOut(_ message: ClientMessage, _ id: SessionID, _ control: inout RobotControl, at now: Instant) {
        switch message {
        case .drive(let command): control.drive(command, seenTicks: command.stamp?.seen, from: id, at: now)
        case .emergencyStop: control.emergencyStop(by: "f", at: now)
        case .ping: break
        case .hello(let name, let isBlind): control.introduce(id, name: name, isBlind: isBlind)
        case .lease(let action, _): _ = try? control.lease(action, id, at: now)
        case .action(let action, let epoch, _): _ = try? control.action(action, epoch: epoch, from: id, at: now) { _ in }
        case .mode(let mode, let epoch, _): _ = try? control.setMode(mode, epoch: epoch, from: id, at: now)
        case .clear(let epoch, _): _ = try? control.clearEmergencyStop(id, epoch: epoch, at: now)
        }
    }
}

extension RobotCapabilities {
    fileprivate static let fuzzed = RobotCapabilities(
        model: "f", drive: .differential(DifferentialDrive(track: 0.4, wheelSpeed: 1)),
        limits: DriveLimits(maximum: Velocity(vx: 1, vyaw: 2), acceleration: Velocity(vx: 2, vyaw: 8)), deceleration: 4,
        actions: [ActionCapability(name: "treat", title: "t")])
}
