import Wire

/// The newest that a driver knows of its robot. Values are replaced, never queued.
public struct RobotTelemetry: Sendable, Hashable {
    /// When it was taken, on the clock of the setpoints. A driver whose control loop runs renews it at least every 100 ms.
    public var time: Instant
    /// Odometry: m, m and rad from where the robot was started.
    public var pose: (x: Double, y: Double, yaw: Double) {
        get { (x, y, yaw) }
        set { (x, y, yaw) = newValue }
    }
    private var x = 0.0, y = 0.0, yaw = 0.0
    /// As the robot measures it.
    public var velocity = Velocity.zero
    /// What the driver is making its motors do: zero is the proof of a stop.
    public var commanded = Velocity.zero
    /// Since when the motors have been told zero, and since when the robot has measured that it stands (under 2 cm/s and 0.05 rad/s); nil: they
    /// are told to move, it moves. By these a stop is timed, however late somebody looks.
    public var zeroSince: Instant?
    public var restingSince: Instant?
    /// The number of the newest setpoint that the control loop has carried out.
    public var setpoint: UInt64 = 0
    public var camera = CameraAngles()
    /// m/s² and rad/s, in the body's frame.
    public var acceleration: (x: Double, y: Double, z: Double) {
        get { (ax, ay, az) }
        set { (ax, ay, az) = newValue }
    }
    private var ax = 0.0, ay = 0.0, az = 0.0
    public var turning: (x: Double, y: Double, z: Double) {
        get { (gx, gy, gz) }
        set { (gx, gy, gz) = newValue }
    }
    private var gx = 0.0, gy = 0.0, gz = 0.0
    /// 0…1 of the charge; V; A, positive while discharging. Nil: no battery.
    public var battery: Battery?
    /// °C of what gets hottest.
    public var temperature: Double?
    /// m along each of the capabilities' bearings.
    public var ranges: [Double] = []
    /// 0…1 of full scale: what the microphone hears, what the speaker was last asked to say.
    public var microphoneLevel = 0.0
    public var speakerLevel = 0.0
    /// The colour of the light, `#rrggbb`.
    public var light: String?
    /// How often each action was completed.
    public var completed: [String: Int] = [:]
    /// What is wrong with the robot, for people; nil: nothing. While there is a fault nothing moves.
    public var fault: String?

    public init(time: Instant) { self.time = time }

    /// For the driver's loop, when `time`, `velocity` and `commanded` are new: keeps count of since when it stands.
    public mutating func noteStanding() {
        zeroSince = commanded.isZero ? zeroSince ?? time : nil
        restingSince = velocity.speed < 0.02 && abs(velocity.vyaw) < 0.05 ? restingSince ?? time : nil
    }

    public struct Battery: Sendable, Hashable {
        public var level: Double
        public var volts: Double
        public var amperes: Double

        public init(level: Double, volts: Double, amperes: Double) { (self.level, self.volts, self.amperes) = (level, volts, amperes) }
    }
}
