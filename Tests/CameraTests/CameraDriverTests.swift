import CameraDriver
import Media
import Robot
import Synchronization
import Wire
import XCTest

final class CameraDriverTests: XCTestCase {
    private final class Rover: RobotDriver {
        let capabilities = RobotCapabilities(
            model: "Rover", drive: .omnidirectional, limits: DriveLimits(maximum: .zero, acceleration: .zero), deceleration: 1,
            cameras: [
                CameraCapability(name: "front", width: 640, height: 480, rate: 30, reach: nil),
                CameraCapability(name: "back", width: 320, height: 240, rate: 15),
            ])
        let stopped = Atomic<UInt64>(0)
        let isDown = Atomic<Bool>(false)
        func apply(_ setpoint: Setpoint) {}
        func stop(after number: UInt64) { stopped.store(number, ordering: .relaxed) }
        func perform(_ action: RobotAction) throws(RobotActionError) { throw .unknown(action.name, known: []) }
        var telemetry: RobotTelemetry { RobotTelemetry(time: .zero) }
        func shutDown() { isDown.store(true, ordering: .relaxed) }
    }

    func testCamerasAreReplacedByNameOrAddedAndEverythingElseIsTheRobots() {
        let rover = Rover()
        let feeds = ["front", "arm"].map { PictureFeed(name: $0, width: 1920, height: 1080, rate: 25) }
        let driver = CameraDriver(rover, cameras: feeds, hasMicrophone: true) { rover.stopped.store(99, ordering: .relaxed) }
        XCTAssertEqual(driver.capabilities.cameras.map(\.name), ["front", "back", "arm"])
        XCTAssertEqual(driver.capabilities.cameras[1].width, 320)
        XCTAssertEqual(driver.capabilities.cameras[0], CameraCapability(name: "front", width: 1920, height: 1080, rate: 25))
        XCTAssertTrue(driver.capabilities.hasMicrophone)
        XCTAssertEqual(driver.capabilities.limits, rover.capabilities.limits)
        driver.stop(after: 7)
        XCTAssertEqual(rover.stopped.load(ordering: .relaxed), 7)
        XCTAssertThrowsError(try driver.perform(RobotAction(name: "fly")))
        driver.shutDown()
        XCTAssertTrue(rover.isDown.load(ordering: .relaxed))
        XCTAssertEqual(rover.stopped.load(ordering: .relaxed), 99, "the sources end with the robot")
    }
}
