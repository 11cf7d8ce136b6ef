internal import CMuJoCo
import Glibc
import Robot
import Wire

/// What the robot feels: its wheels, its inertial unit, its range finder, its battery.
struct SimSensing {
    private var pose = (x: 0.0, y: 0.0, yaw: 0.0)
    private var velocity = Velocity.zero
    private var acceleration = (x: 0.0, y: 0.0, z: 0.0)
    private var turning = (x: 0.0, y: 0.0, z: 0.0)
    private var camera = CameraAngles()
    private var ranges: [Double]
    private var angles: [Double]
    private var battery = SimBattery()
    private let drive: DifferentialDrive
    /// rad
    private var encoders: (left: Double, right: Double)
    private var rangesDue = Instant.zero
    /// m/s, both wheels added.
    private(set) var rimSpeed = 0.0

    /// rad, from right to left.
    static let bearings: [Double] = (-7...7).map { Double($0) * 1.2 / 7 }
    static let rangeLimit = 4.0
    private static let rangePause = Duration.milliseconds(50)

    init(_ state: SimState) {
        drive = SimMotion.drive(state)
        ranges = Array(repeating: Self.rangeLimit, count: Self.bearings.count)
        angles = ranges
        encoders = Self.encoders(state)
    }

    /// Wheels stand elsewhere all at once; odometry goes on from where it was.
    mutating func beginAgain(_ state: SimState) { encoders = Self.encoders(state) }

    mutating func feel(_ state: SimState, _ motion: SimMotion, seconds: Double, light: SimColour, at now: Instant) {
        let rover = state.world.rover
        count(Self.encoders(state), radius: rover.wheelRadius, seconds: seconds)
        let speed = state.sensor(rover.velocimeter)
        turning = state.sensor(rover.gyro)
        acceleration = state.sensor(rover.accelerometer)
        velocity = Velocity(vx: speed.x, vy: speed.y, vyaw: turning.z)
        unsafe camera = CameraAngles(pan: state.positions[rover.pan.angle], tilt: state.positions[rover.tilt.angle])
        battery.drain(state, seconds: seconds, light: light)
        if now >= rangesDue {
            rangesDue = now + Self.rangePause
            look(state)
        }
    }

    /// Odometry, as wheels tell it: both ways of a step, and the angle between.
    private mutating func count(_ now: (left: Double, right: Double), radius: Double, seconds: Double) {
        let left = (now.left - encoders.left) * radius, right = (now.right - encoders.right) * radius
        encoders = now
        let turn = (right - left) / drive.track, middle = pose.yaw + turn / 2, way = (left + right) / 2
        pose = (pose.x + way * cos(middle), pose.y + way * sin(middle), remainder(pose.yaw + turn, 2 * .pi))
        rimSpeed = (abs(left) + abs(right)) / seconds
    }

    private static func encoders(_ state: SimState) -> (left: Double, right: Double) {
        let wheels = state.world.rover.wheels
        return unsafe (state.positions[wheels[0].position], state.positions[wheels[1].position])
    }

    private mutating func look(_ state: SimState) {
        let site = state.world.rover.range, ahead = state.yaw(ofSite: site)
        for index in angles.indices { angles[index] = ahead + Self.bearings[index] }
        ranges = state.distances(from: state.site(site), angles: angles, limit: Self.rangeLimit)
    }

    func write(to telemetry: inout RobotTelemetry) {
        telemetry.pose = pose
        telemetry.velocity = velocity
        telemetry.acceleration = acceleration
        telemetry.turning = turning
        telemetry.camera = camera
        telemetry.ranges = ranges
        telemetry.battery = battery.reading
        telemetry.temperature = battery.temperature
    }
}

/// Three lithium cells of 40 Wh, and the warmth of what they drive. When they are all but empty somebody puts fresh ones in: nobody would
/// want to find the robot dead after a night.
struct SimBattery {
    private(set) var level = 0.97
    private(set) var temperature = 27.0
    private var amperes = 0.0

    private static let joules = 40.0 * 3600
    /// W: computer, camera and radio; the light at its brightest; a charger's.
    private static let idle = 6.0, lightPower = 2.0, charger = 24.0
    private static let spent = 0.02
    private static let ohms = 0.09
    private static let efficiency = 0.55
    private static let room = 22.0
    /// m from the dock at which it charges.
    private static let chargingReach = 0.3

    mutating func drain(_ state: SimState, seconds: Double, light: SimColour) {
        let rover = state.world.rover, outputs = unsafe waldo_outputs(state.data)!
        var motors = 0.0
        for (motor, wheel) in zip(rover.motors, rover.wheelVelocities) {
            let (torque, speed) = unsafe (outputs[motor.output], state.velocities[wheel])
            // Turning a wheel costs friction in its gear, too; holding one costs warmth.
            motors += abs(torque * speed) / Self.efficiency + abs(speed) * 0.25 + torque * torque * 1.5
        }
        let brightness = (Double(light.red) + Double(light.green) + Double(light.blue)) / 765
        var power = Self.idle + Self.lightPower * brightness + motors
        temperature += seconds * (motors * 0.06 + 0.02 * (5 + Self.room - temperature))
        if isAtDock(state), level < 1 { power -= Self.charger }
        level = min(level - power * seconds / Self.joules, 1)
        if level < Self.spent { level = 1 }
        // What is read is smoothed over some 0.2 s.
        amperes += (power / openVolts - amperes) * min(1, seconds * 5)
    }

    private func isAtDock(_ state: SimState) -> Bool {
        guard let dock = state.world.dock else { return false }
        let place = state.site(dock), rover = state.pose(state.world.rover.free)
        return hypot(place.x - rover.x, place.y - rover.y) < Self.chargingReach
    }

    private var openVolts: Double { 9.6 + 2.2 * level + 0.75 * level * level * level }

    var reading: RobotTelemetry.Battery { .init(level: level, volts: openVolts - amperes * Self.ohms, amperes: amperes) }
}
