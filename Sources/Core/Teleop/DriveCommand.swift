import Robot
import Wire

/// A continuous command as a client wrote it.
public struct DriveCommand: Sendable, Hashable {
    public var value: Value
    /// Nil: a plain client's.
    public var stamp: Stamp?
    public var camera: CameraAngles?

    public enum Value: Sendable, Hashable {
        case velocity(Velocity)
        /// −1…1 of the fastest.
        case wheels(left: Double, right: Double)
    }

    /// What makes a command judgeable (specs: safety clause 2).
    public struct Stamp: Sendable, Hashable {
        public var epoch: UInt32
        public var sequence: UInt32
        /// Milliseconds on the sender's monotonic clock.
        public var sent: Double
        /// The RTP timestamp of the newest presented picture; 0: none yet.
        public var seen: UInt32
        public var isHeld: Bool

        public init(epoch: UInt32, sequence: UInt32, sent: Double, seen: UInt32, isHeld: Bool) {
            (self.epoch, self.sequence, self.sent, self.seen, self.isHeld) = (epoch, sequence, sent, seen, isHeld)
        }
    }

    public init(_ value: Value, stamp: Stamp?, camera: CameraAngles? = nil) {
        (self.value, self.stamp, self.camera) = (value, stamp, camera)
    }
}

/// What is asked of a lease.
public enum LeaseAction: Sendable, Hashable {
    case acquire, confirm, release, grant, refuse, take
    case transfer(to: SessionID)
}

/// How much of what the robot can do its driver is allowed.
public enum DriveMode: String, Sendable, Hashable, CaseIterable {
    case slow, normal, full

    /// Of the capabilities' limits.
    public var factor: Double {
        switch self {
        case .slow: 0.4
        case .normal: 0.7
        case .full: 1
        }
    }
}
