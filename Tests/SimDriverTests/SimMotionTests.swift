import Glibc
import Reactor
import Robot
import SimDriver
import Wire
import XCTest

final class SimMotionTests: XCTestCase {
    func testDrivesForwardAndOdometryAgreesWithTheTruePlace() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        let start = try XCTUnwrap(sim.place(of: "rover"))
        let last = sim.drive(Velocity(vx: 0.8), from: 1, until: "1 m driven") { $0.pose.x > 1 }
        sim.stop(after: last)
        sim.wait(for: "it stands") { $0.stands }
        let place = try XCTUnwrap(sim.place(of: "rover")), pose = sim.telemetry.pose
        XCTAssertEqual(pose.x, place.x - start.x, accuracy: 0.02)
        XCTAssertEqual(pose.y, place.y - start.y, accuracy: 0.02)
        XCTAssertEqual(sim.telemetry.setpoint, last)
    }

    func testFollowsEachAxis() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        var number: UInt64 = 1
        for wanted in [Velocity(vx: 0.4), Velocity(vx: -0.3), Velocity(vyaw: 2), Velocity(vyaw: -2.5), Velocity(vx: 0.3, vyaw: 1)] {
            number =
                1
                + sim.drive(wanted, from: number, until: "\(wanted) reached") {
                    abs($0.velocity.vx - wanted.vx) < 0.03 && abs($0.velocity.vyaw - wanted.vyaw) < 0.1 && $0.commanded == wanted
                }
        }
    }

    func testWhatIsTooFastIsCutToTheLimits() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        _ = sim.drive(Velocity(vx: 5, vyaw: -40), from: 1, until: "the limits reached") { $0.commanded == Velocity(vx: 0.8, vyaw: -2.5) }
    }

    func testASetpointEndsByItself() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        sim.apply(Setpoint(number: 1, velocity: Velocity(vx: 0.5), validUntil: MonotonicClock.now() + Duration.milliseconds(700)))
        sim.wait(for: "it moves") { $0.velocity.vx > 0.3 }
        sim.wait(for: "it stands") { $0.stands }
    }

    func testWhatIsNotANumberMovesNothing() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        let until = MonotonicClock.now() + Duration.seconds(60)
        sim.apply(Setpoint(number: 1, velocity: Velocity(vx: .nan, vyaw: .infinity), camera: CameraAngles(pan: .nan), validUntil: until))
        sim.wait(for: "it was taken") { $0.setpoint == 1 }
        XCTAssertEqual(sim.telemetry.commanded, .zero)
        XCTAssertTrue(sim.telemetry.velocity.isFinite)
    }

    func testAStopComesBeforeWhatWasAppliedAndFencesWhatIsOlder() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        let until = MonotonicClock.now() + Duration.seconds(60)
        sim.apply(Setpoint(number: 5, velocity: Velocity(vx: 0.3), validUntil: until))
        sim.wait(for: "it moves") { $0.velocity.vx > 0.2 }
        sim.apply(Setpoint(number: 6, velocity: Velocity(vx: 0.3), validUntil: until))
        sim.stop(after: 8)
        sim.wait(for: "it stands") { $0.stands }
        sim.wait(for: "the stop counts as carried out, with all that it overtook") { $0.setpoint == 8 }
        for number: UInt64 in [6, 7, 8] { sim.apply(Setpoint(number: number, velocity: Velocity(vx: 0.3), validUntil: until)) }
        let steps = sim.statistics.steps
        sim.wait(for: "50 steps") { _ in sim.statistics.steps > steps + 50 }
        XCTAssertTrue(sim.telemetry.commanded.isZero)
        sim.apply(Setpoint(number: 9, velocity: Velocity(vx: -0.3), validUntil: until))
        sim.wait(for: "a newer setpoint is carried out") { $0.velocity.vx < -0.2 && $0.setpoint == 9 }
    }

    func testAnOlderSetpointDoesNotReplaceANewerOne() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        let until = MonotonicClock.now() + Duration.seconds(60)
        sim.apply(Setpoint(number: 3, velocity: .zero, validUntil: until))
        sim.apply(Setpoint(number: 2, velocity: Velocity(vx: 0.5), validUntil: until))
        sim.wait(for: "it was taken") { $0.setpoint == 3 }
        XCTAssertTrue(sim.telemetry.commanded.isZero)
    }

    func testTheCameraTurnsWithinItsReach() throws {
        let sim = try Arena.sim()
        defer { sim.shutDown() }
        _ = sim.drive(.zero, camera: CameraAngles(pan: 0.5, tilt: -0.4), from: 1, until: "the camera has turned") {
            abs($0.camera.pan - 0.5) < 0.03 && abs($0.camera.tilt + 0.4) < 0.03
        }
        _ = sim.drive(.zero, camera: CameraAngles(pan: -9, tilt: 9), from: 1_000_000, until: "the end of its reach") {
            abs($0.camera.pan + 1.2) < 0.03 && abs($0.camera.tilt - 0.6) < 0.03
        }
    }

    func testShuttingDownStopsTheRobotFirst() throws {
        let sim = try Arena.sim()
        sim.apply(Setpoint(number: 1, velocity: Velocity(vx: 0.8), validUntil: MonotonicClock.now() + Duration.seconds(60)))
        sim.wait(for: "it moves") { $0.velocity.vx > 0.5 }
        sim.shutDown()
        XCTAssertTrue(sim.telemetry.commanded.isZero)
        XCTAssertLessThan(abs(sim.telemetry.velocity.vx), 0.2)
        sim.shutDown()
    }
}
