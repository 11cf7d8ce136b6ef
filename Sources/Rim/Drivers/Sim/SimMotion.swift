internal import CMuJoCo
import Robot
import Wire

/// The way from what the gate wants to what the motors are told: by ramps, and back to zero by the driver's own hand.
struct SimMotion {
    /// What the motors are told now.
    private(set) var commanded = Velocity.zero
    /// The newest setpoint that was carried out.
    private(set) var carriedOut: UInt64?
    private var camera = CameraAngles()

    /// m/s² and rad/s²; growing stays above what the gate allows, which is what limits.
    static let growth = Velocity(vx: 5, vyaw: 20)
    static let deceleration = Velocity(vx: 8, vyaw: 25)
    static let limits = DriveLimits(maximum: Velocity(vx: 0.8, vyaw: 2.5), acceleration: Velocity(vx: 2, vyaw: 8))
    static let reach = CameraAngles(pan: 1.2, tilt: 0.6)

    /// `fence`: the stop up to which nothing is taken; `isHalted`: a fault; nothing moves.
    mutating func follow(_ setpoint: Setpoint?, fence: UInt64, at now: Instant, seconds: Double, isHalted: Bool) {
        var wanted = Velocity.zero
        if let setpoint {
            if now < setpoint.validUntil, !isHalted, setpoint.velocity.isFinite { wanted = Self.limits.clamp(setpoint.velocity) }
            if setpoint.number != carriedOut, let angles = setpoint.camera, angles.pan.isFinite, angles.tilt.isFinite, !isHalted {
                camera = CameraAngles(
                    pan: min(max(angles.pan, -Self.reach.pan), Self.reach.pan),
                    tilt: min(max(angles.tilt, -Self.reach.tilt), Self.reach.tilt))
            }
            carriedOut = setpoint.number
        } else if fence != .max {
            // A stop carries out what it does away with: a zero that it overtook will never be seen here.
            carriedOut = max(carriedOut ?? 0, fence)
        }
        commanded = Velocity(
            vx: Self.ramp(commanded.vx, to: wanted.vx, growth: Self.growth.vx * seconds, deceleration: Self.deceleration.vx * seconds),
            vyaw: Self.ramp(
                commanded.vyaw, to: wanted.vyaw, growth: Self.growth.vyaw * seconds, deceleration: Self.deceleration.vyaw * seconds))
    }

    private static func ramp(_ current: Double, to wanted: Double, growth: Double, deceleration: Double) -> Double {
        // Through zero first, where the direction changes.
        let target = current * wanted < 0 ? 0 : wanted
        let most = abs(target) > abs(current) ? growth : deceleration
        return current + min(max(target - current, -most), most)
    }

    func tellMotors(_ state: SimState) {
        let rover = state.world.rover, controls = unsafe state.controls
        let (left, right) = Self.drive(state).rims(commanded)
        unsafe controls[rover.motors[0].control] = left / rover.wheelRadius
        unsafe controls[rover.motors[1].control] = right / rover.wheelRadius
        unsafe controls[rover.pan.control] = camera.pan
        unsafe controls[rover.tilt.control] = camera.tilt
    }

    /// As the world's wheels stand.
    static func drive(_ state: SimState) -> DifferentialDrive {
        let wheels = unsafe state.world.rover.wheels.map { unsafe waldo_joint_place(state.data, $0.joint)! }
        let (x, y) = unsafe (wheels[0][0] - wheels[1][0], wheels[0][1] - wheels[1][1])
        return DifferentialDrive(track: (x * x + y * y).squareRoot(), wheelSpeed: limits.maximum.vx)
    }
}
