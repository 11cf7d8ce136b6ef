import Wire

/// What the gate wants the motors to do now. A driver forgets it at `validUntil`: whoever stops saying so stops the robot.
public struct Setpoint: Sendable, Hashable {
    /// Rises by one; tells in telemetry which one was carried out.
    public var number: UInt64
    public var velocity: Velocity
    /// Nil: as it was.
    public var camera: CameraAngles?
    public var validUntil: Instant

    public init(number: UInt64, velocity: Velocity, camera: CameraAngles? = nil, validUntil: Instant) {
        (self.number, self.velocity, self.camera, self.validUntil) = (number, velocity, camera, validUntil)
    }
}

/// One robot's motors, sensors and actions. Made by the folder `Rim/Drivers/<robot>`; its control loop runs on a thread of its own.
///
/// The contract, whatever the robot:
/// - `apply` and `stop` may come from any thread, never wait, and cannot fail: they leave the newest setpoint where the control loop finds it.
/// - The loop carries a setpoint out within 10 ms, and zero velocity by its own controlled deceleration, at once.
/// - A setpoint is zero velocity after its `validUntil`, whoever is to blame.
/// - `telemetry` is renewed at least every 100 ms while the loop runs; `commanded` and `setpoint` in it are what the motors were really told.
///   Who watches it knows within that time that a stop has not been carried out.
/// - After `fault` nothing moves until the driver has found it gone.
public protocol RobotDriver: AnyObject, Sendable {
    var capabilities: RobotCapabilities { get }
    func apply(_ setpoint: Setpoint)
    /// Zero velocity, before anything that `apply` has left, and nothing else until a setpoint with a higher number than `after`. Actions
    /// that have not begun are void (specs: safety clause 6).
    func stop(after number: UInt64)
    /// Begins an action that the capabilities name. The reason for people when it cannot.
    func perform(_ action: RobotAction) throws(RobotActionError)
    var telemetry: RobotTelemetry { get }
    /// Ends the control loop; the robot stands.
    func shutDown()
}

/// Something to do once.
public struct RobotAction: Sendable, Hashable {
    public var name: String
    /// One of the capability's choices, or a colour `#rrggbb` for `light`; empty where it takes none.
    public var argument: String

    public init(name: String, argument: String = "") { (self.name, self.argument) = (name, argument) }
}

public enum RobotActionError: Error, Sendable, Hashable, CustomStringConvertible {
    case unknown(String, known: [String])
    case argument(String, expected: String)
    /// It exists, but not now: for people.
    case notNow(String)

    public var description: String {
        switch self {
        case .unknown(let name, let known): "action: expected one of \(known.joined(separator: ", ")), got \(name)"
        case .argument(let got, let expected): "argument: expected \(expected), got \(got.isEmpty ? "nothing" : got)"
        case .notNow(let reason): reason
        }
    }
}
