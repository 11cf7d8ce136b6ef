import Robot
import Teleop
import Wire
import XCTest

/// Sessions, lease and gate as one machine, as far as a driver and the people see it.
final class RobotControlTests: XCTestCase {
    func testWhoHoldsTheLeaseDrivesAndNobodyElse() throws {
        var harness = ControlHarness()
        let ada = try harness.driver(), bob = harness.join()
        harness.drive(ada, Velocity(vx: 0.05))
        XCTAssertEqual(harness.velocity, Velocity(vx: 0.05))
        harness.drive(bob, Velocity(vx: -0.5))
        XCTAssertEqual(harness.velocity, Velocity(vx: 0.05))
        XCTAssertEqual(harness.control.lastVerdict?.refused, .authority)
        XCTAssertEqual(harness.control.counts.byRule[.authority], 1)
    }

    func testRightsAreChecked() throws {
        var harness = ControlHarness()
        let viewer = harness.join(.viewer), ada = try harness.driver(), boss = harness.join(.supervise)
        func refused(_ code: String, _ body: (inout RobotControl, Instant) throws(TeleopRefusal) -> Void, line: UInt = #line) {
            XCTAssertThrowsError(try harness.act(body), line: line) { XCTAssertEqual(($0 as? TeleopRefusal)?.code, code, line: line) }
        }
        refused("no_right") { control, now throws(TeleopRefusal) in try control.lease(.acquire, viewer, at: now) }
        refused("no_right") { control, now throws(TeleopRefusal) in try control.lease(.take, ada, at: now) }
        refused("no_session") { control, now throws(TeleopRefusal) in try control.lease(.transfer(to: viewer), ada, at: now) }
        refused("no_session") { control, now throws(TeleopRefusal) in try control.lease(.acquire, SessionID(99), at: now) }
        refused("no_right") { control, now throws(TeleopRefusal) in try control.clearEmergencyStop(viewer, epoch: 1, at: now) }
        try harness.act { control, now throws(TeleopRefusal) in try control.lease(.take, boss, at: now) }
        XCTAssertEqual(harness.control.lease.holder, boss)
    }

    /// Whoever asks, and whatever is sent: nobody is given what a recording shows.
    func testARecordingTakesNoCommands() throws {
        var capabilities = RobotCapabilities.model
        capabilities.drive = .recorded
        var harness = ControlHarness(.lan, capabilities)
        let boss = harness.join(.supervise)
        XCTAssertEqual(harness.control.sessions[boss]?.rights, [])
        func refused(_ body: (inout RobotControl, Instant) throws(TeleopRefusal) -> Void, line: UInt = #line) {
            XCTAssertThrowsError(try harness.act(body), line: line) { XCTAssertEqual($0 as? TeleopRefusal, .recorded, line: line) }
        }
        for action in [LeaseAction.acquire, .take, .confirm, .release] {
            refused { control, now throws(TeleopRefusal) in try control.lease(action, boss, at: now) }
        }
        refused { control, now throws(TeleopRefusal) in
            try control.action(RobotAction(name: "treat"), epoch: control.lease.epoch, from: boss, at: now) { _ in XCTFail("begun") }
        }
        refused { control, now throws(TeleopRefusal) in try control.setMode(.full, epoch: control.lease.epoch, from: boss, at: now) }
        refused { control, now throws(TeleopRefusal) in try control.clearEmergencyStop(boss, epoch: 0, at: now) }
        harness.drive(boss, Velocity(vx: 0.5))
        XCTAssertTrue(harness.velocity.isZero)
        XCTAssertEqual(harness.control.lastVerdict?.refused, .authority)
    }

    func testTheEndOfASessionThatDrivesStopsAtOnce() throws {
        var harness = ControlHarness()
        let ada = try harness.driver()
        harness.drive(ada, Velocity(vx: 0.05))
        harness.control.leave(ada, at: harness.now)
        harness.drain()
        XCTAssertTrue(harness.velocity.isZero)
        XCTAssertEqual(harness.stops, [.linkLost])
        XCTAssertEqual(harness.control.lease.state, .free)
    }

    func testAViewersEmergencyStopStopsTheDriversRobotAndFencesWhatWasQueued() throws {
        var harness = ControlHarness()
        let ada = try harness.driver(), viewer = harness.join(.viewer)
        harness.drive(ada, Velocity(vx: 0.05))
        let old = harness.control.lease.epoch
        harness.control.emergencyStop(by: "Viewer", at: harness.now)
        guard case .stop? = harness.control.nextOutput() else { return XCTFail("the driver's stop comes before everything") }
        harness.drain()
        XCTAssertTrue(harness.velocity.isZero)
        XCTAssertEqual(harness.control.latchedBy, "Viewer")
        XCTAssertThrowsError(
            try harness.act { control, now throws(TeleopRefusal) in try control.clearEmergencyStop(ada, epoch: old, at: now) }
        ) { XCTAssertEqual(($0 as? TeleopRefusal)?.code, "old_epoch") }
        let epoch = harness.control.lease.epoch
        harness.drive(ada, Velocity(vx: 0.05))
        XCTAssertThrowsError(
            try harness.act { control, now throws(TeleopRefusal) in try control.clearEmergencyStop(ada, epoch: epoch, at: now) }
        ) { XCTAssertEqual(($0 as? TeleopRefusal)?.code, "not_at_rest") }
        harness.drive(ada, .zero)
        XCTAssertThrowsError(
            try harness.act { control, now throws(TeleopRefusal) in try control.clearEmergencyStop(viewer, epoch: epoch, at: now) }
        ) { XCTAssertEqual(($0 as? TeleopRefusal)?.code, "no_right") }
        XCTAssertTrue(harness.control.gate.isLatched)
        try harness.act { control, now throws(TeleopRefusal) in try control.clearEmergencyStop(ada, epoch: epoch, at: now) }
        XCTAssertFalse(harness.control.gate.isLatched)
        harness.drive(ada, Velocity(vx: 0.05), epoch: old)
        harness.drive(ada, Velocity(vx: 0.05), epoch: epoch)
        XCTAssertTrue(harness.velocity.isZero, "nothing that was asked before the clearing")
        harness.drive(ada, .zero)
        harness.pass(33)
        harness.drive(ada, Velocity(vx: 0.05))
        XCTAssertEqual(harness.velocity, Velocity(vx: 0.05))
    }

    func testAHolderWhoWaitsBesideTheLatchKeepsTheLease() throws {
        var harness = ControlHarness()
        let ada = try harness.driver()
        harness.control.emergencyStop(by: "s1", at: harness.now)
        harness.drain()
        for _ in 0..<200 {
            harness.pass(33)
            harness.drive(ada, .zero)
        }
        XCTAssertEqual(harness.control.lease.authority?.session, ada)
        for _ in 0..<200 {
            harness.pass(33)
            harness.drive(ada, Velocity(vx: 0.5))
        }
        XCTAssertEqual(harness.control.lease.state, .suspended, "asking for motion is no sign that somebody looks")
    }

    func testAPlainClientDrivesBlindAndSlowly() throws {
        var harness = ControlHarness()
        let ada = try harness.driver()
        for _ in 0..<20 {
            harness.control.drive(DriveCommand(.wheels(left: 1, right: 1), stamp: nil), seenTicks: nil, from: ada, at: harness.now)
            harness.drain()
            harness.pass(33)
        }
        XCTAssertEqual(harness.velocity.vx, 0.1, accuracy: 1e-9)
        XCTAssertEqual(harness.control.lastVerdict?.changes, [.blind])
        harness.pass(300)
        XCTAssertTrue(harness.velocity.isZero)
    }

    func testAPictureThatIsNotKnownIsNoPicture() throws {
        var harness = ControlHarness()
        let ada = try harness.driver()
        let stamp = DriveCommand.Stamp(
            epoch: harness.control.lease.epoch, sequence: 1000, sent: Double(harness.now.nanoseconds) / 1e6, seen: 7, isHeld: true)
        harness.control.drive(
            DriveCommand(.velocity(Velocity(vx: 0.1)), stamp: stamp), seenTicks: 7, from: ada, at: harness.now)
        XCTAssertEqual(harness.control.lastVerdict?.refused, .view)
        harness.control.introduce(ada, name: nil, isBlind: true)
        var next = stamp
        next.sequence += 1
        harness.control.drive(DriveCommand(.velocity(Velocity(vx: 0.1)), stamp: next), seenTicks: 7, from: ada, at: harness.now)
        XCTAssertNil(harness.control.lastVerdict?.refused)
    }

    func testActionsGoUnderTheSameFences() throws {
        var harness = ControlHarness()
        let ada = try harness.driver(), bob = harness.join()
        let epoch = harness.control.lease.epoch
        var begun: [RobotAction] = []
        func outcome(_ name: String, _ argument: String = "", epoch: UInt32, _ id: SessionID) -> String? {
            do throws(TeleopRefusal) {
                try harness.act { control, now throws(TeleopRefusal) in
                    try control.action(RobotAction(name: name, argument: argument), epoch: epoch, from: id, at: now) { action in
                        begun.append(action)
                    }
                }
                return nil
            } catch { return error.code }
        }
        XCTAssertNil(outcome("treat", epoch: epoch, ada))
        XCTAssertEqual(begun, [RobotAction(name: "treat")])
        XCTAssertEqual(outcome("treat", epoch: epoch, bob), "not_holder")
        XCTAssertEqual(outcome("treat", epoch: epoch - 1, ada), "old_epoch")
        XCTAssertEqual(outcome("explode", epoch: epoch, ada), "unknown_action")
        XCTAssertEqual(outcome("sound", "roar", epoch: epoch, ada), "bad_argument")
        harness.control.emergencyStop(by: "x", at: harness.now)
        XCTAssertEqual(outcome("treat", epoch: harness.control.lease.epoch, ada), "estop")
        XCTAssertEqual(begun.count, 1)
    }

    func testWhatADriverSaysOfAnActionIsItsOutcome() throws {
        var harness = ControlHarness()
        let ada = try harness.driver()
        for (error, code) in [
            (RobotActionError.argument("red", expected: "a colour #rrggbb"), "bad_argument"), (.notNow("once more in a second"), "not_now"),
            (.unknown("treat", known: []), "unknown_action"),
        ] {
            harness.events = []
            let act = { (control: inout RobotControl, now: Instant) throws(TeleopRefusal) in
                try control.action(RobotAction(name: "treat"), epoch: control.lease.epoch, from: ada, at: now) {
                    _ throws(RobotActionError) in throw error
                }
            }
            XCTAssertThrowsError(try harness.act(act)) { XCTAssertEqual(($0 as? TeleopRefusal)?.code, code) }
            let refusal = TeleopRefusal(code, error.description)
            XCTAssertEqual(
                harness.events,
                [.decided(.action(RobotAction(name: "treat"), epoch: harness.control.lease.epoch), refusal: refusal, from: ada)])
        }
    }

    func testEachThingAskedOnceIsAnEventWithWhatBecameOfIt() throws {
        var harness = ControlHarness()
        let ada = try harness.driver(), bob = harness.join(.viewer)
        let epoch = harness.control.lease.epoch
        harness.events = []
        try harness.act { control, now throws(TeleopRefusal) in try control.setMode(.slow, epoch: epoch, from: ada, at: now) }
        XCTAssertEqual(harness.events, [.decided(.mode(.slow, epoch: epoch), refusal: nil, from: ada)])
        func refused(_ command: DiscreteCommand, _ act: (inout RobotControl, Instant) throws(TeleopRefusal) -> Void, line: UInt = #line) {
            harness.events = []
            XCTAssertThrowsError(try harness.act(act), line: line) { error in
                XCTAssertEqual(harness.events, [.decided(command, refusal: error as? TeleopRefusal, from: bob)], line: line)
            }
        }
        refused(.mode(.full, epoch: epoch)) { control, now throws(TeleopRefusal) in
            try control.setMode(.full, epoch: epoch, from: bob, at: now)
        }
        refused(.lease(.acquire)) { control, now throws(TeleopRefusal) in try control.lease(.acquire, bob, at: now) }
        refused(.clear(epoch: epoch)) { control, now throws(TeleopRefusal) in try control.clearEmergencyStop(bob, epoch: epoch, at: now) }
    }

    func testWhatAStrangerSendsIsNoNewsToTheDriver() throws {
        var harness = ControlHarness()
        let ada = try harness.driver(), bob = harness.join(), cleo = harness.join(.viewer)
        func told(_ id: SessionID?) -> Verdict? { harness.control.lastVerdict(for: id, at: harness.now) }
        harness.drive(ada, Velocity(vx: 0.05))
        harness.drive(bob, Velocity(vx: 0.7))
        XCTAssertEqual(harness.control.lastVerdict?.refused, .authority)
        XCTAssertEqual(told(bob)?.refused, .authority)
        for id in [ada, cleo, nil] { XCTAssertEqual(told(id)?.asked.vx, 0.05) }
        // What Ada had on its way comes late.
        try harness.act { control, now throws(TeleopRefusal) in try control.lease(.transfer(to: bob), ada, at: now) }
        harness.drive(bob, .zero)
        harness.drive(ada, Velocity(vx: 0.05))
        XCTAssertEqual(told(ada)?.refused, .authority)
        for id in [bob, cleo, nil] { XCTAssertEqual(told(id)?.asked, .zero) }
        for _ in 0..<30 {
            harness.drive(bob, Velocity(vx: 0.06))
            harness.pass(40)
        }
        for id in [ada, bob, cleo, nil] { XCTAssertEqual(told(id)?.asked.vx, 0.06) }
        XCTAssertFalse(harness.control.commands(ada, at: harness.now))
    }

    func testTheRobotIsToldToStandBeforePeopleAreToldWhoDrives() throws {
        var harness = ControlHarness()
        let ada = try harness.driver(), bob = harness.join()
        harness.drive(ada, Velocity(vx: 0.05))
        try harness.control.lease(.transfer(to: bob), ada, at: harness.now)
        var outputs: [ControlOutput] = []
        while let output = harness.control.nextOutput() { outputs.append(output) }
        let told = try XCTUnwrap(outputs.firstIndex(of: .event(.leaseChanged)))
        XCTAssertTrue(outputs[..<told].contains { if case .setpoint(let setpoint) = $0 { setpoint.velocity.isZero } else { false } })
    }

    func testADriverThatFallsSilentOrDoesNotStopIsAFault() throws {
        var harness = ControlHarness()
        let ada = try harness.driver()
        var telemetry = RobotTelemetry(time: harness.now)
        harness.control.observe(telemetry, at: harness.now)
        XCTAssertNil(harness.control.gate.fault)
        harness.drive(ada, Velocity(vx: 0.05))
        harness.now += .milliseconds(251)
        harness.control.observe(telemetry, at: harness.now)
        harness.drain()
        XCTAssertNotNil(harness.control.gate.fault)
        XCTAssertTrue(harness.velocity.isZero)
        XCTAssertEqual(harness.stops, [.robotFault])
        telemetry.time = harness.now
        telemetry.setpoint = harness.driver.number
        harness.control.observe(telemetry, at: harness.now)
        harness.drain()
        XCTAssertNil(harness.control.gate.fault, "it is back")
        XCTAssertTrue(harness.velocity.isZero, "and moves only when asked anew")

        harness.drive(ada, .zero)
        harness.pass(33)
        harness.drive(ada, Velocity(vx: 0.05))
        harness.drive(ada, .zero)
        for _ in 0..<20 {
            harness.now += .milliseconds(50)
            telemetry.time = harness.now
            telemetry.setpoint = harness.driver.number
            telemetry.commanded = Velocity(vx: 0.05)
            harness.control.observe(telemetry, at: harness.now)
        }
        XCTAssertNotNil(harness.control.gate.fault, "a stop that is not carried out is told")
    }

    func testAModeTakesEffectAtOnceWhereItLowers() throws {
        var harness = ControlHarness()
        let ada = try harness.driver()
        for _ in 0..<30 {
            harness.drive(ada, Velocity(vx: 0.9), age: 2)
            harness.pass(33)
        }
        XCTAssertEqual(harness.velocity.vx, 0.9, accuracy: 1e-9)
        let epoch = harness.control.lease.epoch
        try harness.act { control, now throws(TeleopRefusal) in try control.setMode(.slow, epoch: epoch, from: ada, at: now) }
        XCTAssertEqual(harness.velocity.vx, 0.4, accuracy: 1e-9)
    }

    func testTheNumberOfSessionsIsBounded() {
        var harness = ControlHarness()
        for _ in 0..<RobotControl.maximumSessions { XCTAssertNotNil(harness.control.join(name: "", rights: .viewer)) }
        XCTAssertNil(harness.control.join(name: "", rights: .viewer))
    }

    func testWhatComesTwiceIsDoneOnce() {
        var memory = AckMemory()
        var count = 0
        let no = TeleopRefusal("no", "no")
        XCTAssertNil(memory.once(1) { count += 1 })
        XCTAssertNil(memory.once(1) { count += 1 })
        XCTAssertEqual(memory.once(2) { () throws(TeleopRefusal) in throw no }, no)
        XCTAssertEqual(memory.once(2) { count += 1 }, no)
        XCTAssertEqual(count, 1)
        for nonce in 3..<70 { _ = memory.once(Int64(nonce)) {} }
        XCTAssertNil(memory.once(1) { count += 1 })
        XCTAssertEqual(count, 2, "64 are remembered")
    }
}
