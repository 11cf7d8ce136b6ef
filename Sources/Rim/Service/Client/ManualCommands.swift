import Contracts
import Teleop
import Wire

/// What hands ask for, as messages: thirty a second while they ask for motion, and as signs of life ten times a second while they rest at a robot
/// that drives.
///
/// A wish holds only for a while: who moves their hands, or holds them still, says so again. A display that hangs tells of no key that comes up.
struct ManualCommands {
    /// How long a wish to move holds.
    static let patience = Duration.milliseconds(300)

    /// RTP time of the picture that is shown; 0: none yet.
    var seen: UInt32 = 0
    /// When the next message is due; nil: hands are still, and nothing waits for them.
    private(set) var deadline: Instant?

    private let format: ActionMessage.Format
    private var wish: (x: Double, y: Double, isHeld: Bool, until: Instant)?
    /// Of all that was said on this channel: who says something without a number counts, too (`RobotControl`).
    private var sequence: UInt32 = 0
    private var isMoving = false

    private static let pace = Duration(nanoseconds: 1_000_000_000 / 30)
    /// Within the time after which silence would be a stop, and the stick have to rest anew.
    private static let restingPace = Duration.milliseconds(100)

    init(_ format: ActionMessage.Format) { self.format = format }

    /// Nothing that hands do is said just now.
    var isIdle: Bool { !isMoving }

    mutating func set(x: Double, y: Double, isHeld: Bool, at now: Instant) { wish = (x, y, isHeld, now + Self.patience) }

    mutating func forget() { (seen, sequence, deadline, isMoving, wish) = (0, 0, nil, false, nil) }

    /// Nil: nothing to say now. `status`: a driven robot's. `rests`: hands at rest say so; not where somebody else gives the commands.
    mutating func next(_ status: DriveStatus?, rests: Bool, at now: Instant) -> String? {
        guard let wish else {
            deadline = nil
            return nil
        }
        let isHeld = wish.isHeld && now < wish.until
        let wants = isHeld && (wish.x != 0 || wish.y != 0)
        let wasMoving = isMoving
        isMoving = wants
        guard wants || wasMoving || status != nil && rests else {
            deadline = nil
            return nil
        }
        // What the robot would refuse until hands have rested is said as rest, so that it need not wait for them to come off.
        let pause = wants ? Self.pace : Self.restingPace
        if let deadline, now < deadline, wants == wasMoving { return nil }
        deadline = now + pause
        return message(wants ? (wish.x, wish.y) : (0, 0), isHeld: isHeld, status, at: now)
    }

    /// Something was said to the robot, by hands or otherwise.
    mutating func said() { sequence &+= 1 }

    /// Stand still.
    mutating func rest(_ status: DriveStatus?, at now: Instant) -> String { message((0, 0), isHeld: false, status, at: now) }

    private mutating func message(_ motion: (x: Double, y: Double), isHeld: Bool, _ status: DriveStatus?, at now: Instant) -> String {
        var stamp: DriveCommand.Stamp?
        if let status, status.mayDrive {
            stamp = DriveCommand.Stamp(
                epoch: status.epoch, sequence: sequence &+ 1, sent: Double(now.nanoseconds) / 1e6, seen: seen, isHeld: isHeld)
        }
        return ActionMessage.motion(x: motion.x, y: motion.y, format, stamp: stamp).description
    }
}
