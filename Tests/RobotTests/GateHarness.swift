import Robot
import Wire

/// A gate with an operator who sees well and holds on, so that a test changes only what it is about.
struct GateHarness {
    static let operatorID = SessionID(1)
    var gate: SafetyGate
    var now = Instant(nanoseconds: 1_000_000_000_000)
    var epoch: UInt32 = 1
    var sequence: UInt32 = 0
    /// The operator's clock, less ours, ms.
    var offset = -123_456.0

    init(_ profile: SafetyProfile = .lan, limits: DriveLimits = GateHarness.limits) {
        gate = SafetyGate(profile: profile, limits: limits)
        gate.authorise(Authority(Self.operatorID, epoch: epoch), at: now)
    }

    static let limits = DriveLimits(
        maximum: Velocity(vx: 1, vy: 0.5, vyaw: 2), acceleration: Velocity(vx: 1000, vy: 1000, vyaw: 1000))

    mutating func pass(_ milliseconds: Int) {
        // As a reactor does: a call every 10 ms while there is a deadline.
        let end = now + .milliseconds(milliseconds)
        while let deadline = gate.deadline, deadline < end {
            now = max(now, deadline)
            gate.advance(to: now)
        }
        now = end
        gate.advance(to: now)
    }

    /// A command that nothing is wrong with, but for what `change` does to it.
    @discardableResult
    mutating func send(
        _ velocity: Velocity = Velocity(vx: 0.5), from session: SessionID = GateHarness.operatorID, viewAge: Int = 20,
        _ change: (inout ContinuousCommand) -> Void = { _ in }
    ) -> Verdict {
        sequence &+= 1
        var command = ContinuousCommand(
            epoch: epoch, sequence: sequence, sent: Double(now.nanoseconds) / 1e6 + offset,
            view: .captured(now - .milliseconds(viewAge)), isHeld: true, velocity: velocity)
        change(&command)
        return gate.submit(command, from: session, at: now)
    }

    /// The stick at rest, as after every take-over, and a moment in which a velocity may grow.
    mutating func rest() {
        send(.zero)
        now += .milliseconds(33)
    }
}
