/// How a robot moves over the ground, in its own frame (REP-103: x forward, y left, counter-clockwise positive).
public struct Velocity: Sendable, Hashable {
    /// m/s forward.
    public var vx: Double
    /// m/s to the left; 0 for robots that cannot move sideways.
    public var vy: Double
    /// rad/s counter-clockwise.
    public var vyaw: Double

    public init(vx: Double = 0, vy: Double = 0, vyaw: Double = 0) { (self.vx, self.vy, self.vyaw) = (vx, vy, vyaw) }

    public static let zero = Velocity()

    public var isZero: Bool { self == .zero }
    public var isFinite: Bool { vx.isFinite && vy.isFinite && vyaw.isFinite }
    /// m/s over the ground, whatever the direction.
    public var speed: Double { (vx * vx + vy * vy).squareRoot() }
    /// The largest component's magnitude, units mixed: for telling absurd numbers.
    var largest: Double { max(abs(vx), abs(vy), abs(vyaw)) }

    public static func * (v: Velocity, factor: Double) -> Velocity { Velocity(vx: v.vx * factor, vy: v.vy * factor, vyaw: v.vyaw * factor) }
}

/// Where a camera head looks, relative to the body.
public struct CameraAngles: Sendable, Hashable {
    /// rad, counter-clockwise positive: to the left.
    public var pan: Double
    /// rad, positive: up.
    public var tilt: Double

    public init(pan: Double = 0, tilt: Double = 0) { (self.pan, self.tilt) = (pan, tilt) }

    var isFinite: Bool { pan.isFinite && tilt.isFinite }
}
