/// What a drive can do and may do, each axis on its own.
public struct DriveLimits: Sendable, Hashable {
    /// m/s and rad/s, each zero or more; the same in both directions.
    public var maximum: Velocity
    /// m/s² and rad/s²: how fast a velocity may grow. How fast it may shrink is the driver's own affair and is never limited here.
    public var acceleration: Velocity

    public init(maximum: Velocity, acceleration: Velocity) {
        self.maximum = maximum
        self.acceleration = acceleration
    }

    /// The same with every maximum scaled.
    public func scaled(by factor: Double) -> DriveLimits {
        DriveLimits(maximum: maximum * factor, acceleration: acceleration)
    }

    /// Each axis cut to its maximum.
    public func clamp(_ v: Velocity) -> Velocity {
        Velocity(
            vx: min(max(v.vx, -maximum.vx), maximum.vx), vy: min(max(v.vy, -maximum.vy), maximum.vy),
            vyaw: min(max(v.vyaw, -maximum.vyaw), maximum.vyaw))
    }
}

/// Two driven wheels (or tracks) beside each other.
public struct DifferentialDrive: Sendable, Hashable {
    /// m between the wheels' contact points.
    public var track: Double
    /// m/s at the rim of a wheel that is asked for 1.
    public var wheelSpeed: Double

    public init(track: Double, wheelSpeed: Double) { (self.track, self.wheelSpeed) = (track, wheelSpeed) }

    /// The body's velocity for wheels asked for −1…1 of `wheelSpeed`.
    public func velocity(left: Double, right: Double) -> Velocity {
        Velocity(vx: (left + right) / 2 * wheelSpeed, vyaw: (right - left) * wheelSpeed / track)
    }

    /// m/s at the rims for a body's velocity; sideways motion is not possible and is left out.
    public func rims(_ v: Velocity) -> (left: Double, right: Double) {
        (v.vx - v.vyaw * track / 2, v.vx + v.vyaw * track / 2)
    }
}
