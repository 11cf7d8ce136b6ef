import Glibc
import Media
import Reactor
import Robot
import SimDriver
import TestSupport
import Wire
import XCTest

final class SimSensorsTests: XCTestCase {
    func testRangesShortenBeforeAWall() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        let bearings = sim.capabilities.rangeBearings, ahead = try XCTUnwrap(bearings.firstIndex(of: 0))
        sim.wait(for: "ranges") { $0.ranges.count == bearings.count }
        sim.wait(for: "the wall, 2.9 m ahead of the sensor") { abs($0.ranges[ahead] - 2.9) < 0.03 }
        XCTAssertEqual(sim.telemetry.ranges[0], sim.telemetry.ranges[bearings.count - 1], accuracy: 0.05, "both sides are alike")
        _ = sim.drive(Velocity(vx: 0.8), from: 1, until: "1 m nearer") { $0.ranges[ahead] < 1.9 }
        XCTAssertLessThan(abs(sim.telemetry.pose.x - 1), 0.25)
    }

    func testTheWallStopsTheRobot() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        // Encoders turn on where tyres slip: the place is the world's own.
        _ = sim.drive(Velocity(vx: 0.8), from: 1, until: "the wall is reached") { _ in (sim.place(of: "rover")?.x ?? 0) > 2.7 }
        let steps = sim.statistics.steps
        _ = sim.drive(Velocity(vx: 0.8), from: 1_000_000, until: "250 steps more") { _ in sim.statistics.steps > steps + 250 }
        let place = try XCTUnwrap(sim.place(of: "rover"))
        XCTAssertLessThan(place.x, 3)
        XCTAssertLessThan(place.z, 0.1)
    }

    func testTheInertialUnitFeelsGravityAndTurning() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        sim.wait(for: "gravity") { abs($0.acceleration.z - 9.81) < 0.3 && abs($0.acceleration.x) < 0.3 && abs($0.turning.z) < 0.01 }
        _ = sim.drive(Velocity(vyaw: 1.5), from: 1, until: "turning left is positive") {
            abs($0.turning.z - 1.5) < 0.1 && $0.pose.yaw > 0.2
        }
    }

    func testTheBatteryDrainsAndMoreSoInMotion() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        sim.wait(for: "a first reading") { $0.battery != nil }
        let first = try XCTUnwrap(sim.telemetry.battery?.level)
        sim.wait(for: "some current") { ($0.battery?.amperes ?? 0) > 0.4 }
        let resting = try XCTUnwrap(sim.telemetry.battery)
        XCTAssertLessThan(resting.level, first)
        _ = sim.drive(Velocity(vyaw: 2.5), from: 1, until: "more of it") { ($0.battery?.amperes ?? 0) > resting.amperes * 1.3 }
        XCTAssertLessThan(try XCTUnwrap(sim.telemetry.battery).volts, resting.volts)
    }

    func testTheBatteryChargesAtTheDock() throws {
        let sim = try Arena.sim(Arena.text(extra: #"<site name="dock" pos="0.1 0 0"/>"#))
        defer { sim.shutDown() }
        sim.wait(for: "current into the battery") { ($0.battery?.amperes ?? 0) < -0.5 }
    }

    func testTimeIsKeptWhileBothCamerasAreDrawn() throws {
        let sim = try SimDriver(SimOptions(width: 640, height: 360))
        defer { sim.shutDown() }
        let watched = sim.cameras.map { ($0, $0.subscribe { _ in }) }
        sim.wait(for: "30 pictures of the front") { _ in sim.cameras[0].count >= 30 }
        for (feed, number) in watched { feed.unsubscribe(number) }
        let all = sim.statistics
        print("real time \(all.realTimeFactor), lost \(all.lost.milliseconds) ms, \(all.pictures) pictures, \(all)")
        // On a machine of its own it is 0.999 and more.
        XCTAssertGreaterThan(all.realTimeFactor, 0.5)
        XCTAssertEqual(Double(all.steps + all.skippedSteps) * 0.002, all.wallTime.seconds, accuracy: 0.3)
        // The cameras copy the state and let go of it.
        XCTAssertLessThan(all.longestWait.milliseconds, 50)
    }

    func testTelemetryIsYoung() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        let first = sim.telemetry.time
        sim.wait(for: "younger telemetry") { $0.time > first }
        sim.wait(for: "telemetry of the last 50 ms") { MonotonicClock.now() - $0.time < Duration.milliseconds(50) }
    }
}
