import Robot
import Teleop
import Wire
import XCTest

/// Who may drive (specs: safety clauses 5 and 7).
final class LeaseTests: XCTestCase {
    private let (ada, bob, eve) = (SessionID(1), SessionID(2), SessionID(3))
    private var now = Instant(nanoseconds: 5_000_000_000)

    private func lease() -> Lease { Lease(profile: .lan) }

    func testARobotStartsWithNobodyInControl() {
        XCTAssertEqual(lease().state, .free)
        XCTAssertNil(lease().authority)
    }

    func testAFreeRobotIsGivenAtOnceAndATakenOnesHolderIsAsked() throws {
        var lease = lease()
        XCTAssertEqual(try lease.acquire(ada, at: now), .granted)
        XCTAssertEqual(lease.authority, Authority(ada, epoch: 1))
        XCTAssertEqual(try lease.acquire(bob, at: now), .asked)
        XCTAssertEqual(lease.holder, ada)
        XCTAssertEqual(try lease.acquire(bob, at: now), .asked, "asked once, however often")
        XCTAssertThrowsError(try lease.acquire(eve, at: now)) { XCTAssertEqual(($0 as? TeleopRefusal)?.code, "busy") }
        XCTAssertThrowsError(try lease.grant(bob, at: now)) { XCTAssertEqual(($0 as? TeleopRefusal)?.code, "not_holder") }
        try lease.grant(ada, at: now)
        XCTAssertEqual(lease.authority, Authority(bob, epoch: 2))
        XCTAssertNil(lease.request)
    }

    func testAHolderMayRefuseAndTenSecondsWithoutAnAnswerRefuse() throws {
        var lease = lease()
        _ = try lease.acquire(ada, at: now)
        _ = try lease.acquire(bob, at: now)
        try lease.refuse(ada)
        XCTAssertNil(lease.request)
        _ = try lease.acquire(bob, at: now)
        for _ in 0..<99 {
            now += .milliseconds(100)
            lease.renew(at: now)
            lease.advance(to: now)
            XCTAssertNotNil(lease.request)
        }
        now += .milliseconds(100)
        lease.advance(to: now)
        XCTAssertNil(lease.request)
        XCTAssertEqual(lease.holder, ada)
    }

    func testSilenceSuspendsAndThenReleases() throws {
        for profile in [SafetyProfile.lan, .wan] {
            var lease = Lease(profile: profile)
            _ = try lease.acquire(ada, at: now)
            let began = now
            lease.advance(to: began + profile.suspend - .milliseconds(1))
            XCTAssertEqual(lease.state, .held)
            XCTAssertEqual(lease.deadline, began + profile.suspend)
            lease.advance(to: began + profile.suspend)
            XCTAssertEqual(lease.state, .suspended)
            XCTAssertNil(lease.authority, "nothing may be done under a suspended lease")
            XCTAssertEqual(lease.holder, ada)
            lease.advance(to: began + profile.release - .milliseconds(1))
            XCTAssertEqual(lease.state, .suspended)
            lease.advance(to: began + profile.release)
            XCTAssertEqual(lease.state, .free)
        }
    }

    func testASuspendedLeaseIsConfirmedUnderANewEpoch() throws {
        var lease = lease()
        _ = try lease.acquire(ada, at: now)
        lease.advance(to: now + .seconds(3))
        XCTAssertThrowsError(try lease.confirm(bob, at: now + .seconds(3)))
        try lease.confirm(ada, at: now + .seconds(3))
        XCTAssertEqual(lease.authority, Authority(ada, epoch: 2))
        XCTAssertEqual(lease.deadline, now + .seconds(5))
    }

    func testWhoAskedGetsWhatBecomesFree() throws {
        var lease = lease()
        _ = try lease.acquire(ada, at: now)
        _ = try lease.acquire(bob, at: now + .seconds(5))
        lease.advance(to: now + .seconds(9))
        lease.advance(to: now + .seconds(10))
        XCTAssertEqual(lease.authority?.session, bob)
        try lease.giveUp(bob, at: now)
        XCTAssertEqual(lease.state, .free)
        XCTAssertThrowsError(try lease.giveUp(bob, at: now))
    }

    func testEveryChangeRaisesTheEpoch() throws {
        var lease = lease()
        var last = lease.epoch
        func raised(_ what: String) {
            XCTAssertGreaterThan(lease.epoch, last, what)
            last = lease.epoch
        }
        _ = try lease.acquire(ada, at: now); raised("acquire")
        try lease.transfer(from: ada, to: bob, at: now); raised("transfer")
        lease.take(eve, at: now); raised("take")
        lease.raiseEpoch(); raised("emergency stop")
        try lease.giveUp(eve, at: now); raised("release")
        _ = try lease.acquire(ada, at: now); raised("acquire again")
        lease.ended(ada, at: now); raised("the session's end")
        XCTAssertEqual(lease.state, .free)
    }

    func testARequestEndsWithItsSession() throws {
        var lease = lease()
        _ = try lease.acquire(ada, at: now)
        _ = try lease.acquire(bob, at: now)
        lease.ended(bob, at: now)
        XCTAssertNil(lease.request)
        XCTAssertThrowsError(try lease.grant(ada, at: now)) { XCTAssertEqual(($0 as? TeleopRefusal)?.code, "no_request") }
    }
}
