import Robot
import Teleop
import Wire
import XCTest

/// A robot's control machine with a driver, on a clock of its own.
struct ControlHarness {
    var control: RobotControl
    var driver = ModelDriver()
    var events: [ControlEvent] = []
    var now = Instant(nanoseconds: 1_000_000_000_000)
    private var sequence: UInt32 = 0

    init(_ profile: SafetyProfile = .lan, _ capabilities: RobotCapabilities = .model) {
        control = RobotControl(capabilities: capabilities, profile: profile, mode: .full, at: now)
    }

    mutating func join(_ rights: Rights = .operate) -> SessionID { control.join(name: "", rights: rights)! }

    /// A session that holds the lease with its stick at rest.
    mutating func driver(_ rights: Rights = .operate) throws -> SessionID {
        let id = join(rights)
        try act { control, now throws(TeleopRefusal) in try control.lease(.acquire, id, at: now) }
        drive(id, .zero)
        pass(33)
        return id
    }

    mutating func act(_ body: (inout RobotControl, Instant) throws(TeleopRefusal) -> Void) throws(TeleopRefusal) {
        defer { drain() }
        try body(&control, now)
    }

    mutating func drive(_ id: SessionID, _ velocity: Velocity, epoch: UInt32? = nil, isHeld: Bool = true, age: Int = 20) {
        sequence += 1
        let captured = now - .milliseconds(age)
        let ticks = UInt32(truncatingIfNeeded: captured.nanoseconds / 1000)
        control.captured(ticks: ticks, at: captured)
        let stamp = DriveCommand.Stamp(
            epoch: epoch ?? control.lease.epoch, sequence: sequence, sent: Double(now.nanoseconds) / 1e6, seen: ticks, isHeld: isHeld)
        control.drive(DriveCommand(.velocity(velocity), stamp: stamp), seenTicks: ticks, from: id, at: now)
        drain()
    }

    mutating func pass(_ milliseconds: Int) {
        let end = now + .milliseconds(milliseconds)
        while let deadline = control.deadline, deadline < end {
            now = max(now, deadline)
            control.advance(to: now)
            drain()
        }
        now = end
        control.advance(to: now)
        drain()
    }

    mutating func drain() {
        while let output = control.nextOutput() {
            switch output {
            case .setpoint(let setpoint): driver.apply(setpoint)
            case .stop(let number): driver.stop(after: number)
            case .event(let event): events.append(event)
            }
        }
    }

    var velocity: Velocity { driver.velocity(at: now) }
    var stops: [StopReason] { events.compactMap { if case .stopped(let reason) = $0 { reason } else { nil } } }
}
