import Robot
import Teleop
import Wire

/// What a driven robot tells an operator of ours on the control channel: several times a second, and at once when it matters.
public struct DriveStatus: Sendable, Hashable {
    /// The lease's, for stamps; it is the operator's to drive only when `mayDrive`.
    public var epoch: UInt32
    public var mayDrive: Bool
    /// `idle`, `moving`, `slowing`, `stopped`.
    public var motion: String
    /// Why it stands, where it had to stop.
    public var reason: String?
    public var isLatched: Bool
    /// The stick must be at rest before anything moves.
    public var needsRest: Bool
    /// The rule that refused the newest command of who drives; nil: it was taken.
    public var refused: String?

    public init(
        epoch: UInt32, mayDrive: Bool, motion: String, reason: String?, isLatched: Bool, needsRest: Bool, refused: String?
    ) {
        (self.epoch, self.mayDrive, self.motion, self.reason) = (epoch, mayDrive, motion, reason)
        (self.isLatched, self.needsRest, self.refused) = (isLatched, needsRest, refused)
    }

    public init(_ control: RobotControl, for session: SessionID?) {
        let state = control.gate.state
        self.init(
            epoch: control.lease.epoch, mayDrive: control.lease.authority?.session == session && session != nil, motion: state.name,
            reason: state.reason?.rawValue, isLatched: control.gate.isLatched, needsRest: control.gate.needsRest,
            refused: control.driversVerdict?.refused?.rawValue)
    }

    /// Nil: some other message.
    public static func read(_ text: Span<UInt8>) -> DriveStatus? {
        guard let object = (try? JSON(parsing: text, limits: JSONLimits(depth: 4, bytes: ActionMessage.limit)))?.object,
            object["type"]?.string == "status", let epoch = object["epoch"]?.integer.flatMap({ UInt32(exactly: $0) }),
            let motion = object["motion"]?.string
        else { return nil }
        return DriveStatus(
            epoch: epoch, mayDrive: object["may_drive"]?.bool ?? false, motion: motion, reason: object["reason"]?.string,
            isLatched: object["estop"]?.bool ?? false, needsRest: object["rest_needed"]?.bool ?? true,
            refused: object["refused"]?.string)
    }

    public var json: JSON {
        [
            "type": "status", "epoch": .integer(Int64(epoch)), "may_drive": .bool(mayDrive), "motion": .string(motion),
            "reason": reason.map { .string($0) } ?? nil, "estop": .bool(isLatched), "rest_needed": .bool(needsRest),
            "refused": refused.map { .string($0) } ?? nil,
        ]
    }
}
