import Wire

/// What the gate answered to one command: an event for telemetry, metrics and the recorder. No command goes without.
public struct Verdict: Sendable, Hashable {
    public var epoch: UInt32
    public var sequence: UInt32
    public var asked: Velocity
    /// What the motors are to do at once; further growth follows as acceleration allows.
    public var applied: Velocity
    /// The rule that refused it; nil: accepted.
    public var refused: GateRule?
    /// The rules that changed it, in the gate's order.
    public var changes: [GateRule] = []
    /// How long it waited on its way, beyond the fastest of the last 30 s; nil: unknown.
    public var queueingAge: Duration?
    /// From the taking of the picture that the person saw to the command's arrival; nil: no picture.
    public var viewAge: Duration?
    /// The 95th percentile of the view ages of the last second: τ.
    public var delay: Duration?

    public var isAccepted: Bool { refused == nil }
}

/// The rules of the gate (specs: safety clauses 3 and 5), by the names that telemetry uses.
public enum GateRule: String, Sendable, Hashable, CaseIterable {
    // These refuse.
    case estop, fault, authority, sequence, finite, stale, view, deadman, rest
    // These change.
    case clamp, blind
    case delayCap = "delay_cap"
    case slew
}

/// Why the robot is in its safe state (specs: safety clause 1).
public enum StopReason: String, Sendable, Hashable, CaseIterable {
    case silence, estop
    case leaseLost = "lease_lost"
    case linkLost = "link_lost"
    case viewStale = "view_stale"
    case deadman
    case robotFault = "robot_fault"
    case manual
}

/// What the robot is doing, as far as the gate is concerned.
public enum MotionState: Sendable, Hashable {
    /// Nobody asks for motion.
    case idle
    case moving
    /// Silence has begun.
    case slowing
    /// In the safe state. Stays until the stick has been at rest.
    case stopped(StopReason)

    public var name: String {
        switch self {
        case .idle: "idle"
        case .moving: "moving"
        case .slowing: "slowing"
        case .stopped: "stopped"
        }
    }

    public var reason: StopReason? { if case .stopped(let reason) = self { reason } else { nil } }
}
