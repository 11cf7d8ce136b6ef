import Robot

/// What happens once and is acknowledged, in contrast to what must be refreshed (specs: safety clause 1).
public enum DiscreteCommand: Sendable, Hashable {
    case lease(LeaseAction)
    case action(RobotAction, epoch: UInt32)
    case mode(DriveMode, epoch: UInt32)
    /// Of the emergency stop.
    case clear(epoch: UInt32)

    /// As the wire, metrics and recordings name it.
    public var kind: String {
        switch self {
        case .lease: "lease"
        case .action: "action"
        case .mode: "mode"
        case .clear: "clear"
        }
    }
}
