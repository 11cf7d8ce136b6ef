/// What a robot has and can do, as its driver declares it. Disclosed to every client at session start.
public struct RobotCapabilities: Sendable, Hashable {
    /// What people call this kind of robot: `Waldo Rover`.
    public var model: String
    public var drive: DriveKind
    public var limits: DriveLimits
    /// m/s² of the driver's own controlled deceleration to a stop.
    public var deceleration: Double
    /// The first is the one that people drive by.
    public var cameras: [CameraCapability]
    public var hasMicrophone: Bool
    public var hasSpeaker: Bool
    public var hasLights: Bool
    public var actions: [ActionCapability]
    /// Bearings of the range finder's rays, rad, counter-clockwise from straight ahead; empty: there is none.
    public var rangeBearings: [Double]
    /// m; what a ray that hits nothing measures.
    public var rangeLimit: Double

    public init(
        model: String, drive: DriveKind, limits: DriveLimits, deceleration: Double, cameras: [CameraCapability] = [],
        hasMicrophone: Bool = false, hasSpeaker: Bool = false, hasLights: Bool = false, actions: [ActionCapability] = [],
        rangeBearings: [Double] = [], rangeLimit: Double = 0
    ) {
        (self.model, self.drive, self.limits, self.deceleration, self.cameras) = (model, drive, limits, deceleration, cameras)
        (self.hasMicrophone, self.hasSpeaker, self.hasLights) = (hasMicrophone, hasSpeaker, hasLights)
        (self.actions, self.rangeBearings, self.rangeLimit) = (actions, rangeBearings, rangeLimit)
    }
}

/// How a robot gets about.
public enum DriveKind: Sendable, Hashable {
    case differential(DifferentialDrive)
    /// In every direction: legs, mecanum wheels.
    case omnidirectional
    /// Not at all: a recording of one that did.
    case recorded
}

public struct CameraCapability: Sendable, Hashable {
    /// A word of a URL: `front`.
    public var name: String
    /// Pixels, and pictures a second.
    public var width: Int
    public var height: Int
    public var rate: Int
    /// rad each way from straight ahead; nil: the camera is fixed.
    public var reach: CameraAngles?

    public init(name: String, width: Int, height: Int, rate: Int, reach: CameraAngles? = nil) {
        (self.name, self.width, self.height, self.rate, self.reach) = (name, width, height, rate, reach)
    }
}

/// Something that a robot does once when asked.
public struct ActionCapability: Sendable, Hashable {
    /// `treat`, `light`, `bark`.
    public var name: String
    /// For people: "Drop a treat".
    public var title: String
    /// What its argument may be; empty: it takes none.
    public var choices: [String]

    public init(name: String, title: String, choices: [String] = []) { (self.name, self.title, self.choices) = (name, title, choices) }
}
