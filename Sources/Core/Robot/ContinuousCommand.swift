import Wire

/// One client's place at one robot, for as long as it is connected.
public struct SessionID: Sendable, Hashable, CustomStringConvertible {
    public let rawValue: UInt32

    public init(_ rawValue: UInt32) { self.rawValue = rawValue }

    public var description: String { "s\(rawValue)" }
}

/// Who may drive at present. The epoch rises with every change and with every emergency stop: what was asked before it is never done after it.
public struct Authority: Sendable, Hashable {
    public var session: SessionID
    public var epoch: UInt32

    public init(_ session: SessionID, epoch: UInt32) { (self.session, self.epoch) = (session, epoch) }
}

/// What a lease holder asks for and must go on asking for (specs: safety clause 2).
public struct ContinuousCommand: Sendable, Hashable {
    public var epoch: UInt32
    /// Rises by one a command within an epoch; wraps.
    public var sequence: UInt32
    /// Milliseconds on the sender's monotonic clock, never compared with ours. Nil: a plain client, whose age cannot be told.
    public var sent: Double?
    public var view: View
    /// The dead-man is held.
    public var isHeld: Bool
    public var velocity: Velocity
    /// Where the camera is to look; nil: as it was.
    public var camera: CameraAngles?

    /// What the person saw who gave the command.
    public enum View: Sendable, Hashable {
        /// The newest presented picture was taken then, on our clock.
        case captured(Instant)
        /// Nothing yet, or a picture that we do not know.
        case unknown
        /// The client has declared that it drives without a picture.
        case none
    }

    public init(
        epoch: UInt32, sequence: UInt32, sent: Double?, view: View, isHeld: Bool, velocity: Velocity, camera: CameraAngles? = nil
    ) {
        (self.epoch, self.sequence, self.sent, self.view) = (epoch, sequence, sent, view)
        (self.isHeld, self.velocity, self.camera) = (isHeld, velocity, camera)
    }

    /// All zero: to stand still.
    public var isStop: Bool { velocity.isZero }
}
