import Robot
import Wire
import XCTest

/// The gate's rules one by one (specs: safety clause 3), its ladder (5), its latch (6).
final class SafetyGateTests: XCTestCase {
    private func driving(_ profile: SafetyProfile = .lan, limits: DriveLimits = GateHarness.limits) -> GateHarness {
        var harness = GateHarness(profile, limits: limits)
        harness.rest()
        return harness
    }

    // MARK: Rules that refuse

    func testAGoodCommandIsAppliedAsAsked() {
        var harness = driving()
        let verdict = harness.send(Velocity(vx: 0.5, vyaw: 0.3))
        XCTAssertNil(verdict.refused)
        XCTAssertEqual(verdict.changes, [])
        XCTAssertEqual(verdict.applied, Velocity(vx: 0.5, vyaw: 0.3))
        XCTAssertEqual(harness.gate.velocity, Velocity(vx: 0.5, vyaw: 0.3))
        XCTAssertEqual(harness.gate.state, .moving)
    }

    /// Each rule alone refuses, leaves the robot as it was, and does not refresh the watchdog.
    func testEachRuleRefusesAloneAndIsNoSignOfLife() {
        let cases: [(GateRule, (inout GateHarness) -> Verdict)] = [
            (.authority, { $0.send(from: SessionID(2)) }),
            (.authority, { $0.send { $0.epoch = 0 } }),
            (.authority, { $0.send { $0.epoch = 2 } }),
            (.sequence, { $0.send { $0.sequence -= 1 } }),
            (.sequence, { $0.send { $0.sequence &-= 1000 } }),
            (.finite, { $0.send(Velocity(vx: .nan)) }),
            (.finite, { $0.send(Velocity(vx: 0.1, vyaw: .infinity)) }),
            (.finite, { $0.send(Velocity(vy: 1e9)) }),
            (.finite, { $0.send { $0.camera = CameraAngles(pan: .nan) } }),
            (.finite, { $0.send { $0.sent = .nan } }),
            (.stale, { harness in harness.send { $0.sent! -= 101 } }),
            (.view, { $0.send(viewAge: 401) }),
            (.view, { $0.send(viewAge: -5) }),
            (.view, { $0.send { $0.view = .unknown } }),
            (.deadman, { $0.send { $0.isHeld = false } }),
        ]
        for (rule, act) in cases {
            var harness = driving()
            harness.send()
            harness.pass(100)
            XCTAssertEqual(act(&harness).refused, rule, "\(rule)")
            if rule != .deadman { XCTAssertEqual(harness.gate.velocity, Velocity(vx: 0.5), "\(rule): refused, not stopped") }
            harness.pass(200)
            XCTAssertTrue(harness.gate.velocity.isZero, "\(rule): a refused command kept the robot going")
            XCTAssertNotNil(harness.gate.state.reason, "\(rule)")
        }
    }

    func testTheSameNumberTwiceIsRefusedAndNumbersWrap() {
        var harness = driving()
        harness.sequence = .max - 2
        harness.gate.authorise(Authority(GateHarness.operatorID, epoch: 2), at: harness.now)
        harness.epoch = 2
        harness.rest()
        XCTAssertNil(harness.send().refused)
        XCTAssertEqual(harness.send { $0.sequence = .max }.refused, .sequence)
        harness.sequence = .max
        XCTAssertNil(harness.send().refused, "0 comes after 2^32 − 1")
        XCTAssertEqual(harness.send { $0.sequence = .max }.refused, .sequence)
    }

    func testWhatIsOldByQueueingIsToldWithoutComparingClocks() {
        for offset in [-1e12, 0, 5e9] {
            var harness = driving()
            harness.offset = offset
            harness.gate.authorise(Authority(SessionID(9), epoch: 5), at: harness.now)
            harness.epoch = 5
            harness.send(.zero, from: SessionID(9))
            harness.pass(33)
            XCTAssertNil(harness.send(from: SessionID(9)) { $0.sent! -= 99 }.refused, "99 ms late")
            harness.pass(33)
            let late = harness.send(from: SessionID(9)) { $0.sent! -= 101 }
            XCTAssertEqual(late.refused, .stale)
            XCTAssertEqual(late.queueingAge!.milliseconds, 101, accuracy: 0.01)
        }
    }

    func testTheFastestOfTheLast30SecondsIsTheMeasure() {
        var harness = driving()
        // The path has become 150 ms longer for good: refused until the fast times are 30 s old.
        for second in 0..<32 {
            for _ in 0..<4 {
                harness.pass(250)
                harness.send(.zero) { $0.sent! -= 150 }
            }
            let verdict = harness.send { $0.sent! -= 150 }
            XCTAssertEqual(verdict.refused == .stale, second < 30, "after \(second + 1) s: \(verdict)")
        }
    }

    func testAViewThatIsDeclaredAbsentIsCappedAtTheBlindSpeed() {
        var harness = driving()
        let verdict = harness.send(Velocity(vx: 0.6, vy: 0, vyaw: 1.2)) { $0.view = .none }
        XCTAssertNil(verdict.refused)
        XCTAssertEqual(verdict.changes, [.blind])
        XCTAssertEqual(verdict.applied.vx, 0.1, accuracy: 1e-12)
        XCTAssertEqual(verdict.applied.vyaw, 0.2, accuracy: 1e-12, "the arc is kept")
    }

    func testWhoSeesNothingDoesNotSpinOnTheSpotEither() {
        var harness = driving()
        let most = harness.gate.limits.maximum, share = SafetyProfile.lan.blindSpeed / most.vx
        let verdict = harness.send(Velocity(vyaw: -most.vyaw)) { $0.view = .none }
        XCTAssertNil(verdict.refused)
        XCTAssertTrue(verdict.changes.contains(.blind))
        for _ in 0..<20 {
            harness.pass(33)
            _ = harness.send(Velocity(vyaw: -most.vyaw)) { $0.view = .none }
        }
        XCTAssertEqual(harness.gate.velocity.vyaw, -most.vyaw * share, accuracy: 1e-9)
    }

    func testAProfileMayDoWithoutTheDeadMan() {
        var profile = SafetyProfile.lan
        profile.needsDeadMan = false
        var harness = driving(profile)
        XCTAssertNil(harness.send { $0.isHeld = false }.refused)
    }

    // MARK: Stops

    func testAStopNeedsOnlyAuthorityAndSequence() {
        let changes: [(inout ContinuousCommand) -> Void] = [
            { $0.sent = .nan }, { $0.sent! -= 100_000 }, { $0.view = .unknown }, { $0.isHeld = false },
            { $0.camera = CameraAngles(pan: .infinity) },
        ]
        for change in changes {
            var harness = driving()
            harness.send()
            XCTAssertNil(harness.send(.zero, change).refused)
            XCTAssertTrue(harness.gate.velocity.isZero)
            XCTAssertEqual(harness.gate.state, .idle)
            XCTAssertNil(harness.gate.camera)
        }
        var harness = driving()
        harness.send()
        XCTAssertEqual(harness.send(.zero, from: SessionID(2)).refused, .authority)
        XCTAssertEqual(harness.send(.zero) { $0.epoch = 7 }.refused, .authority)
        XCTAssertEqual(harness.send(.zero) { $0.sequence &-= 100 }.refused, .sequence)
        XCTAssertEqual(harness.gate.velocity, Velocity(vx: 0.5))
    }

    func testWhoLetsGoStopsAtOnceAndNothingSentBeforeStartsItAgain() {
        var harness = driving()
        harness.send()
        let before = harness.sequence + 1
        harness.sequence += 1
        XCTAssertEqual(harness.send { $0.isHeld = false }.refused, .deadman)
        XCTAssertTrue(harness.gate.velocity.isZero)
        XCTAssertEqual(harness.gate.state, .stopped(.deadman))
        XCTAssertEqual(harness.send { $0.sequence = before }.refused, .sequence, "one that was overtaken on its way")
    }

    func testAStopStaysUntilTheStickHasBeenAtRest() {
        var harness = driving()
        harness.send()
        harness.pass(1000)
        XCTAssertEqual(harness.gate.state, .stopped(.silence))
        for _ in 0..<10 {
            harness.pass(33)
            XCTAssertEqual(harness.send().refused, .rest)
        }
        XCTAssertNil(harness.send(.zero).refused)
        XCTAssertNil(harness.send().refused)
        XCTAssertEqual(harness.gate.state, .moving)
    }

    // MARK: Rules that change

    func testEachAxisIsCutToTheModesLimit() {
        var harness = driving()
        let verdict = harness.send(Velocity(vx: 3, vy: -2, vyaw: 9), viewAge: 1)
        XCTAssertEqual(verdict.changes, [.clamp])
        XCTAssertEqual(verdict.applied, Velocity(vx: 1, vy: -0.5, vyaw: 2))
        harness.gate.setLimits(GateHarness.limits.scaled(by: 0.25))
        XCTAssertEqual(harness.gate.velocity, Velocity(vx: 0.25, vy: -0.125, vyaw: 0.5), "a lower limit holds at once")
    }

    /// |v|·τ ≤ D, with τ the 95th percentile of the last second.
    func testTheRobotTravelsNoFurtherThanDDuringTheDelay() {
        for age in [50, 150, 200, 300, 400] {
            var harness = driving()
            harness.gate.authorise(Authority(GateHarness.operatorID, epoch: 2), at: harness.now)
            harness.epoch = 2
            harness.send(.zero, viewAge: age)
            harness.pass(33)
            let verdict = harness.send(Velocity(vx: 0.8, vy: 0, vyaw: 0.4), viewAge: age)
            let travelled = verdict.applied.speed * Double(age) / 1000
            XCTAssertLessThanOrEqual(travelled, 0.15 + 1e-9, "\(age) ms")
            XCTAssertEqual(verdict.changes.contains(.delayCap), 0.8 * Double(age) / 1000 > 0.15, "\(age) ms")
            XCTAssertEqual(verdict.applied.vyaw / verdict.applied.vx, 0.5, accuracy: 1e-9, "the arc is kept")
            XCTAssertEqual(verdict.delay!.milliseconds, Double(age), accuracy: 0.01)
        }
    }

    func testOneInTwentyMayBeLateWithoutSlowingTheRobot() {
        var harness = driving()
        for i in 0..<31 {
            harness.pass(33)
            harness.send(.zero, viewAge: i == 7 ? 390 : 30)
        }
        XCTAssertEqual(harness.send(viewAge: 30).delay!.milliseconds, 30, accuracy: 0.01)
        for i in 0..<31 {
            harness.pass(33)
            harness.send(.zero, viewAge: i % 10 == 0 ? 390 : 30)
        }
        XCTAssertEqual(harness.send(viewAge: 30).delay!.milliseconds, 390, accuracy: 0.01)
    }

    func testGrowthIsLimitedAndDecelerationIsNot() {
        let limits = DriveLimits(maximum: Velocity(vx: 1, vy: 1, vyaw: 2), acceleration: Velocity(vx: 1, vy: 1, vyaw: 4))
        var harness = driving(limits: limits)
        var last = 0.0
        for _ in 0..<40 {
            let verdict = harness.send(Velocity(vx: 0.9), viewAge: 1)
            XCTAssertLessThanOrEqual(verdict.applied.vx, last + 0.0331)
            XCTAssertEqual(verdict.changes.contains(.slew), verdict.applied.vx < 0.9)
            last = verdict.applied.vx
            harness.pass(33)
            XCTAssertLessThanOrEqual(harness.gate.velocity.vx, last + 0.0331, "between commands, too")
            last = harness.gate.velocity.vx
        }
        XCTAssertEqual(last, 0.9)
        XCTAssertEqual(harness.send(Velocity(vx: 0.1), viewAge: 1).applied.vx, 0.1, "slower at once")
        harness.pass(10)
        XCTAssertLessThanOrEqual(harness.send(Velocity(vx: -0.9), viewAge: 1).applied.vx, 0)
        XCTAssertGreaterThanOrEqual(harness.gate.velocity.vx, -0.0331, "through zero at once, and then it grows")
    }

    // MARK: The ladder

    func testSilenceSlowsThenStops() {
        for profile in [SafetyProfile.lan, .wan] {
            var harness = driving(profile)
            harness.send(Velocity(vx: 1, vyaw: 2), viewAge: 1)
            let (slow, stop) = (Int(profile.slow.wholeMilliseconds), Int(profile.stop.wholeMilliseconds))
            harness.pass(slow - 1)
            XCTAssertEqual(harness.gate.velocity, Velocity(vx: 1, vyaw: 2))
            harness.pass(1)
            XCTAssertEqual(harness.gate.velocity, Velocity(vx: 0.5, vyaw: 1), "the limits halve at once")
            XCTAssertEqual(harness.gate.state, .slowing)
            harness.pass((stop - slow) / 2)
            XCTAssertEqual(harness.gate.velocity.vx, 0.25, accuracy: 0.001, "and ramp down")
            harness.pass(stop - slow - (stop - slow) / 2 - 1)
            XCTAssertGreaterThan(harness.gate.velocity.vx, 0)
            harness.pass(1)
            XCTAssertTrue(harness.gate.velocity.isZero)
            XCTAssertEqual(harness.gate.state, .stopped(.silence))
        }
    }

    func testACommandInTimeGoesOn() {
        var harness = driving()
        for _ in 0..<50 {
            harness.pass(140)
            XCTAssertNil(harness.send(viewAge: 5).refused)
            XCTAssertEqual(harness.gate.velocity, Velocity(vx: 0.5))
        }
        harness.pass(250)
        XCTAssertEqual(harness.gate.state, .slowing)
        XCTAssertNil(harness.send(viewAge: 5).refused, "not stopped yet: no rest is asked for")
        XCTAssertEqual(harness.gate.state, .moving)
    }

    func testTheReasonOfAStopIsWhyCommandsWereRefused() {
        let cases: [(StopReason, (inout GateHarness) -> Void)] = [
            (.silence, { _ in }), (.viewStale, { $0.send(viewAge: 500) }), (.silence, { $0.send(Velocity(vx: .nan)) }),
            (.silence, { $0.send(from: SessionID(4), viewAge: 500) }),
        ]
        for (reason, act) in cases {
            var harness = driving()
            harness.send()
            harness.pass(100)
            act(&harness)
            harness.pass(250)
            XCTAssertEqual(harness.gate.state, .stopped(reason))
        }
    }

    func testWhatTheMotorsAreToldEndsByItselfNoLaterThanTheLadder() {
        var harness = driving()
        harness.send()
        XCTAssertEqual(harness.gate.validUntil, harness.now + .milliseconds(300))
    }

    // MARK: Latch, authority, fault

    func testTheEmergencyStopLatchesAndEndsTheAuthority() {
        var harness = driving()
        harness.send()
        harness.gate.pullEmergencyStop(at: harness.now)
        XCTAssertTrue(harness.gate.velocity.isZero)
        XCTAssertEqual(harness.gate.state, .stopped(.estop))
        XCTAssertNil(harness.gate.authority)
        harness.gate.authorise(Authority(GateHarness.operatorID, epoch: 2), at: harness.now)
        harness.epoch = 2
        XCTAssertEqual(harness.send().refused, .estop)
        XCTAssertFalse(harness.gate.isAtRest(at: harness.now))
        XCTAssertEqual(harness.send(.zero).refused, .estop)
        XCTAssertTrue(harness.gate.isAtRest(at: harness.now))
        harness.pass(301)
        XCTAssertFalse(harness.gate.isAtRest(at: harness.now), "what was long ago is not known now")
        harness.gate.clearEmergencyStop(at: harness.now)
        XCTAssertEqual(harness.send().refused, .rest)
        XCTAssertNil(harness.send(.zero).refused)
        XCTAssertNil(harness.send().refused)
    }

    func testAChangeOfProfilePassesThroughZero() {
        var harness = driving()
        harness.send()
        harness.gate.setProfile(.wan, at: harness.now)
        XCTAssertTrue(harness.gate.velocity.isZero)
        XCTAssertEqual(harness.gate.state, .stopped(.leaseLost))
    }

    func testEveryChangeOfWhoDrivesPassesThroughZero() {
        var harness = driving()
        harness.send()
        harness.gate.authorise(Authority(SessionID(2), epoch: 2), at: harness.now)
        XCTAssertTrue(harness.gate.velocity.isZero)
        XCTAssertEqual(harness.send().refused, .authority)
        harness.epoch = 2
        XCTAssertEqual(harness.send(from: SessionID(2)).refused, .rest)
        harness.send(.zero, from: SessionID(2))
        XCTAssertNil(harness.send(from: SessionID(2)).refused)
        harness.gate.authorise(nil, at: harness.now)
        XCTAssertTrue(harness.gate.velocity.isZero)
        XCTAssertEqual(harness.gate.state, .stopped(.leaseLost))
    }

    func testNothingMovesARobotWithAFault() {
        var harness = driving()
        harness.send()
        harness.gate.setFault("wheel blocked", at: harness.now)
        XCTAssertTrue(harness.gate.velocity.isZero)
        XCTAssertEqual(harness.gate.state, .stopped(.robotFault))
        XCTAssertEqual(harness.send().refused, .fault)
        XCTAssertNil(harness.send(.zero).refused)
        harness.gate.setFault(nil, at: harness.now)
        XCTAssertEqual(harness.send().refused, .rest)
        harness.send(.zero)
        XCTAssertNil(harness.send().refused)
    }

    func testTheCameraTurnsWithACommandAndAlsoAtRest() {
        var harness = driving()
        harness.send { $0.camera = CameraAngles(pan: 0.4, tilt: -0.1) }
        XCTAssertEqual(harness.gate.camera, CameraAngles(pan: 0.4, tilt: -0.1))
        harness.send(.zero) { $0.camera = CameraAngles(pan: -0.4) }
        XCTAssertEqual(harness.gate.camera, CameraAngles(pan: -0.4))
        harness.gate.pullEmergencyStop(at: harness.now)
        harness.send(.zero) { $0.camera = CameraAngles(pan: 1) }
        XCTAssertEqual(harness.gate.camera, CameraAngles(pan: -0.4))
    }
}
