import Robot
import Teleop
import Wire
import XCTest

/// Sources that announce how seldom they speak (specs: teleop-client clause 13).
final class IntervalTests: XCTestCase {
    func testAnAnnouncedIntervalMovesTheLadderAndKeepsTheRest() {
        let profile = SafetyProfile.lan.announcing(interval: .seconds(1))
        XCTAssertEqual(profile.stop, .milliseconds(1300))
        XCTAssertGreaterThan(profile.slow, .seconds(1))
        XCTAssertLessThan(profile.slow, profile.stop)
        XCTAssertEqual(profile.blindSpeed, SafetyProfile.lan.blindSpeed)
        XCTAssertEqual(SafetyProfile.lan.announcing(interval: .milliseconds(100)), .lan, "short ones change nothing")
        XCTAssertEqual(SafetyProfile.lan.announcing(interval: .zero), .lan)
    }

    func testASourceOfOneCommandASecondStopsWhenTheNextIsMissing() throws {
        var harness = ControlHarness()
        let ada = harness.join()
        try harness.act { control, now throws(TeleopRefusal) in
            control.setProfile(SafetyProfile.lan.announcing(interval: .seconds(1)), at: now)
            control.introduce(ada, name: nil, isBlind: true)
        }
        try harness.act { control, now throws(TeleopRefusal) in try control.lease(.acquire, ada, at: now) }
        func say(_ velocity: Velocity) {
            harness.control.drive(DriveCommand(.velocity(velocity), stamp: nil), seenTicks: nil, from: ada, at: harness.now)
            harness.drain()
        }
        say(.zero)
        for _ in 0..<3 {
            harness.pass(1000)
            say(Velocity(vx: 1))
            harness.pass(900)
            XCTAssertFalse(harness.velocity.isZero)
            XCTAssertLessThanOrEqual(harness.velocity.speed, SafetyProfile.lan.blindSpeed + 1e-9, "nobody watches")
            harness.pass(50)
            say(Velocity(vx: 1))
        }
        harness.pass(1300)
        XCTAssertTrue(harness.velocity.isZero)
        XCTAssertEqual(harness.control.gate.state, .stopped(.silence))
    }

    func testWhoDrivesLosesTheLeaseWhenTheTimesChange() throws {
        var harness = ControlHarness()
        let ada = try harness.driver()
        harness.drive(ada, Velocity(vx: 0.05))
        XCTAssertFalse(harness.velocity.isZero)
        try harness.act { control, now throws(TeleopRefusal) in control.setProfile(.wan, at: now) }
        XCTAssertTrue(harness.velocity.isZero)
        XCTAssertNil(harness.control.lease.holder)
        XCTAssertEqual(harness.control.profile, .wan)
        harness.drive(ada, Velocity(vx: 0.05))
        XCTAssertTrue(harness.velocity.isZero)
        XCTAssertEqual(harness.control.lastVerdict?.refused, .authority)
    }
}
