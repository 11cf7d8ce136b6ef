import Media
public import Robot

/// Another robot's driver, which tells of other eyes and ears than that robot has: everything else is left to it.
public final class CameraDriver: RobotDriver {
    public let capabilities: RobotCapabilities
    private let robot: any RobotDriver
    private let endSources: @Sendable () -> Void

    /// `cameras`: each in place of the robot's camera of that name, or one more. `hasMicrophone`: there is one, in place of the robot's own.
    /// `endSources` is called when the robot is shut down.
    public init(_ robot: any RobotDriver, cameras: [PictureFeed], hasMicrophone: Bool, endSources: @escaping @Sendable () -> Void) {
        (self.robot, self.endSources) = (robot, endSources)
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
    public var telemetry: RobotTelemetry { robot.telemetry }

    public func shutDown() {
        robot.shutDown()
        endSources()
    }
}
