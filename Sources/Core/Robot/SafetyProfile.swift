import Wire

/// The limits of time and distance that a robot discloses at session start; changed by configuration only (specs: safety clause 4).
public struct SafetyProfile: Sendable, Hashable {
    public var name: String
    /// Commands a second asked of clients.
    public var commandRate: Int
    /// Silence, from the last accepted command, after which the limits halve and then ramp down.
    public var slow: Duration
    /// Silence after which the velocity is zero.
    public var stop: Duration
    /// How old a command may be by queueing.
    public var staleness: Duration
    /// How old the picture may be that a command was given on.
    public var viewAge: Duration
    /// m that the robot may travel during the delay.
    public var delayDistance: Double
    /// m/s of who drives without a picture.
    public var blindSpeed: Double
    /// Silence after which the lease must be confirmed again, and after which it is free.
    public var suspend: Duration
    public var release: Duration
    /// Whether a command needs the dead-man.
    public var needsDeadMan: Bool

    public init(
        name: String, commandRate: Int = 30, slow: Duration, stop: Duration, staleness: Duration, viewAge: Duration,
        delayDistance: Double = 0.15, blindSpeed: Double = 0.1, suspend: Duration, release: Duration, needsDeadMan: Bool = true
    ) {
        precondition(.zero < slow && slow < stop && stop < suspend && suspend < release, "the rungs of the ladder rise")
        (self.name, self.commandRate, self.slow, self.stop) = (name, commandRate, slow, stop)
        (self.staleness, self.viewAge, self.delayDistance, self.blindSpeed) = (staleness, viewAge, delayDistance, blindSpeed)
        (self.suspend, self.release, self.needsDeadMan) = (suspend, release, needsDeadMan)
    }

    public static let lan = SafetyProfile(
        name: "lan", slow: .milliseconds(150), stop: .milliseconds(300), staleness: .milliseconds(100), viewAge: .milliseconds(400),
        suspend: .seconds(2), release: .seconds(10))
    public static let wan = SafetyProfile(
        name: "wan", slow: .milliseconds(250), stop: .milliseconds(500), staleness: .milliseconds(250), viewAge: .milliseconds(800),
        suspend: .seconds(3), release: .seconds(20))

    /// For a source that announces that it speaks at an interval only: its silence is one when the next word is late by 0.3 of that. What
    /// speaks so seldom is to be driven at the blind speed (specs: teleop-client clause 13).
    public func announcing(interval: Duration) -> SafetyProfile {
        let late = Duration.seconds(interval.seconds * 1.3)
        guard late > stop else { return self }
        var profile = self
        profile.name = "\(name), every \(Int(interval.milliseconds)) ms"
        (profile.slow, profile.stop) = (.seconds(interval.seconds * 1.15), late)
        (profile.suspend, profile.release) = (max(suspend, late + late), max(release, late + late + late))
        return profile
    }
}
