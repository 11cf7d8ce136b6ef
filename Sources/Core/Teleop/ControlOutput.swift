import Robot
import Wire

/// What `RobotControl` wants done, in order.
public enum ControlOutput: Sendable, Hashable {
    /// For the driver, newest wins.
    case setpoint(Setpoint)
    /// For the driver, before everything: zero, and nothing with a number up to this one.
    case stop(after: UInt64)
    case event(ControlEvent)
}

/// What happened, for clients, metrics, the log and the recorder.
public enum ControlEvent: Sendable, Hashable {
    /// The newest verdict; every continuous command has one.
    case verdict(Verdict, from: SessionID)
    /// The lease, its epoch or who asks for it is not what it was.
    case leaseChanged
    /// The robot was moving and has been stopped by something other than its driver's hand.
    case stopped(StopReason)
    case latched(by: String)
    case cleared(by: String)
    case fault(String?)
    /// What a session asked for that happens once. Refusal nil: it was done, or control was asked of who has it.
    case decided(DiscreteCommand, refusal: TeleopRefusal?, from: SessionID)
}
