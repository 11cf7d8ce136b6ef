import Media
public import Robot

/// Another robot's driver, which tells of other eyes and ears than that robot has: everything else is left to it.
public final class CameraDriver: RobotDriver {
    public let capabilities: RobotCapabilities
    private let robot: any RobotDriver
    private let endSources: @Sendable () -> Void
    private let trouble: @Sendable () -> String?

    /// `cameras`: each in place of the robot's camera of that name, or one more. `hasMicrophone`: there is one, in place of the robot's own.
    /// `trouble`: what is wrong with the eyes that the robot is driven by; while there is something, nothing moves. `endSources` is called when
    /// the robot is shut down.
    public init(
        _ robot: any RobotDriver, cameras: [PictureFeed], hasMicrophone: Bool, trouble: @escaping @Sendable () -> String? = { nil },
        endSources: @escaping @Sendable () -> Void
    ) {
        (self.robot, self.trouble, self.endSources) = (robot, trouble, endSources)
        var capabilities = robot.capabilities
        for feed in cameras {
            let camera = CameraCapability(name: feed.name, width: feed.width, height: feed.height, rate: feed.rate)
            let place = capabilities.cameras.firstIndex { $0.name == feed.name }
            if let place { capabilities.cameras[place] = camera } else { capabilities.cameras.append(camera) }
        }
        if hasMicrophone { capabilities.hasMicrophone = true }
        self.capabilities = capabilities
    }

    public func apply(_ setpoint: Setpoint) { robot.apply(setpoint) }
    public func stop(after number: UInt64) { robot.stop(after: number) }
    public func perform(_ action: RobotAction) throws(RobotActionError) { try robot.perform(action) }

    public var telemetry: RobotTelemetry {
        var telemetry = robot.telemetry
        telemetry.fault = telemetry.fault ?? trouble()
        return telemetry
    }

    public func shutDown() {
        robot.shutDown()
        endSources()
    }
}
