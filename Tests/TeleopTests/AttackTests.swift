import Robot
import Teleop
import Wire
import XCTest

/// What others try while somebody drives, and what was on its way when the rules changed.
final class AttackTests: XCTestCase {
    private func plain(_ harness: inout ControlHarness, _ id: SessionID, _ left: Double, _ right: Double) {
        harness.control.drive(DriveCommand(.wheels(left: left, right: right), stamp: nil), seenTicks: nil, from: id, at: harness.now)
        harness.drain()
    }

    private func plainDriver(_ harness: inout ControlHarness) throws -> SessionID {
        let ada = harness.join()
        try harness.act { control, now throws(TeleopRefusal) in try control.lease(.acquire, ada, at: now) }
        for _ in 0..<50 {
            plain(&harness, ada, 0, 0)
            harness.pass(33)
        }
        plain(&harness, ada, 1, 1)
        XCTAssertNil(harness.control.lastVerdict?.refused)
        return ada
    }

    func testABystandersNumbersDoNotSilenceAPlainClient() throws {
        var harness = ControlHarness()
        let ada = try plainDriver(&harness), viewer = harness.join(.viewer)
        let stamp = DriveCommand.Stamp(epoch: 0, sequence: 0xFFFF_FF00, sent: 0, seen: 0, isHeld: true)
        harness.control.drive(DriveCommand(.velocity(.zero), stamp: stamp), seenTicks: nil, from: viewer, at: harness.now)
        XCTAssertEqual(harness.control.lastVerdict?.refused, .authority)
        plain(&harness, ada, 0, 0)
        XCTAssertNil(harness.control.lastVerdict?.refused, "a stop of the holder's is always taken")
        XCTAssertTrue(harness.velocity.isZero)
    }

    func testARequestForTheLeaseDoesNotSilenceAPlainClient() throws {
        var harness = ControlHarness()
        let ada = try plainDriver(&harness), bob = harness.join()
        try harness.act { control, now throws(TeleopRefusal) in try control.lease(.acquire, bob, at: now) }
        plain(&harness, ada, 0, 0)
        XCTAssertNil(harness.control.lastVerdict?.refused, "somebody only asks")
        XCTAssertTrue(harness.velocity.isZero)
    }

    /// Specs: safety clause 3.4.
    func testAbsurdWheelSpeedsAreRefusedNotCut() throws {
        var harness = ControlHarness()
        let ada = try plainDriver(&harness)
        for absurd in [1e9, -1e300, .infinity, .nan, 11] {
            plain(&harness, ada, absurd, 0)
            XCTAssertEqual(harness.control.lastVerdict?.refused, .finite, "\(absurd)")
        }
        plain(&harness, ada, 1.2, 1.2)
        XCTAssertNil(harness.control.lastVerdict?.refused, "a stick that is calibrated a little too far")
        XCTAssertEqual(harness.control.lastVerdict?.asked.vx, 1)
    }

    /// Specs: safety clause 6: nothing queued before it can run after it, and that holds for a clearing, too.
    func testAClearingThatWasSentBeforeAnotherPullDoesNotCount() throws {
        var harness = ControlHarness()
        let ada = try harness.driver()
        harness.control.emergencyStop(by: "Ada", at: harness.now)
        harness.drain()
        let epoch = harness.control.lease.epoch
        harness.drive(ada, .zero)
        harness.control.emergencyStop(by: "Bob", at: harness.now)
        harness.drain()
        harness.drive(ada, .zero, epoch: epoch)
        XCTAssertThrowsError(
            try harness.act { control, now throws(TeleopRefusal) in try control.clearEmergencyStop(ada, epoch: epoch, at: now) })
        XCTAssertTrue(harness.control.gate.isLatched)
        harness.drive(ada, .zero)
        let newest = harness.control.lease.epoch
        try harness.act { control, now throws(TeleopRefusal) in try control.clearEmergencyStop(ada, epoch: newest, at: now) }
        XCTAssertFalse(harness.control.gate.isLatched)
    }

    /// Specs: safety clause 2a: the minimum is that of 30 s, whatever happens in them.
    func testAnEmergencyStopDoesNotMakeTheWayLookShort() throws {
        var harness = ControlHarness()
        let ada = try harness.driver()
        harness.control.emergencyStop(by: "x", at: harness.now)
        harness.drain()
        func late(_ sequence: UInt32, _ velocity: Velocity) {
            let captured = harness.now - .milliseconds(20), ticks = UInt32(truncatingIfNeeded: captured.nanoseconds / 1000)
            harness.control.captured(ticks: ticks, at: captured)
            let stamp = DriveCommand.Stamp(
                epoch: harness.control.lease.epoch, sequence: sequence, sent: Double(harness.now.nanoseconds) / 1e6 - 1000, seen: ticks,
                isHeld: true)
            harness.control.drive(DriveCommand(.velocity(velocity), stamp: stamp), seenTicks: ticks, from: ada, at: harness.now)
            harness.drain()
        }
        late(1, .zero)
        let epoch = harness.control.lease.epoch
        try harness.act { control, now throws(TeleopRefusal) in try control.clearEmergencyStop(ada, epoch: epoch, at: now) }
        late(2, .zero)
        late(3, Velocity(vx: 0.5))
        XCTAssertEqual(harness.control.lastVerdict?.refused, .stale)
    }

    func testAStrangersRestKeepsNobodysLease() throws {
        var harness = ControlHarness()
        let ada = try harness.driver(), viewer = harness.join(.viewer)
        harness.control.emergencyStop(by: "x", at: harness.now)
        harness.drive(ada, .zero)
        let due = harness.control.lease.deadline
        harness.pass(200)
        harness.drive(viewer, .zero)
        XCTAssertEqual(harness.control.lease.deadline, due)
    }

    /// The driver's contract: after a fault nothing moves.
    func testTheCameraStandsWhileThereIsAFault() throws {
        var harness = ControlHarness()
        let ada = try harness.driver()
        var telemetry = RobotTelemetry(time: harness.now)
        telemetry.fault = "blocked"
        harness.control.observe(telemetry, at: harness.now)
        harness.drain()
        let before = harness.control.gate.camera
        let stamp = DriveCommand.Stamp(
            epoch: harness.control.lease.epoch, sequence: 1000, sent: Double(harness.now.nanoseconds) / 1e6, seen: 0, isHeld: true)
        let command = DriveCommand(.velocity(.zero), stamp: stamp, camera: CameraAngles(pan: 1))
        harness.control.drive(command, seenTicks: nil, from: ada, at: harness.now)
        XCTAssertNil(harness.control.lastVerdict?.refused)
        XCTAssertEqual(harness.control.gate.camera, before)
    }

    func testAFaultIsToldAfterTheLatchIsOff() throws {
        var harness = ControlHarness()
        let ada = try harness.driver()
        var telemetry = RobotTelemetry(time: harness.now)
        telemetry.fault = "blocked"
        harness.control.observe(telemetry, at: harness.now)
        harness.control.emergencyStop(by: "x", at: harness.now)
        harness.drive(ada, .zero)
        let epoch = harness.control.lease.epoch
        try harness.act { control, now throws(TeleopRefusal) in try control.clearEmergencyStop(ada, epoch: epoch, at: now) }
        XCTAssertEqual(harness.control.gate.state, .stopped(.robotFault))
    }
}
