import Media
import Robot

/// One robot as its driver's folder hands it to a station.
public struct RobotUnit: Sendable {
    /// A word of a URL: `rover`.
    public var id: String
    public var driver: any RobotDriver
    /// In the order of the capabilities' cameras.
    public var cameras: [PictureFeed]
    public var microphone: SoundFeed?
    /// Takes 20 ms of what a person says, 960 samples at 48 kHz; nil: no speaker.
    public var hear: (@Sendable ([Int16]) -> Void)?
    /// What the robot shows in place of its own, where it is a recording.
    public var recorded: RecordedDrive?
    /// Figures of the driver's own, read when metrics are.
    public var figures: [Figure] = []

    public struct Figure: Sendable {
        public var name: String
        public var text: String
        public var isCounter: Bool
        public var read: @Sendable () -> Double

        public init(_ name: String, _ text: String, isCounter: Bool = false, read: @escaping @Sendable () -> Double) {
            (self.name, self.text, self.isCounter, self.read) = (name, text, isCounter, read)
        }
    }

    public init(
        id: String, driver: any RobotDriver, cameras: [PictureFeed], microphone: SoundFeed? = nil,
        hear: (@Sendable ([Int16]) -> Void)? = nil
    ) {
        (self.id, self.driver, self.cameras, self.microphone, self.hear) = (id, driver, cameras, microphone, hear)
    }

    /// A recording as a robot.
    public init(id: String, recorded: RecordedDrive) {
        self.init(id: id, driver: recorded, cameras: [recorded.feed])
        self.recorded = recorded
    }
}
