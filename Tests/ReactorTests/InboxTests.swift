import Reactor
import TestSupport
import Wire
import XCTest

final class InboxTests: XCTestCase {
    private func drain(_ inbox: Inbox<Int>) -> [Int] {
        var elements: [Int] = []
        while case .element(let element) = inbox.next(until: .zero) { elements.append(element) }
        return elements
    }

    func testElementsComeInOrderToTheThreadThatWaits() async throws {
        let inbox = try Inbox<Int>(limit: 10_000, leavesOut: .newest), seen = Log<Int>(), ended = Log<Bool>()
        try WorkerThread.start("test-worker") {
            while case .element(let element) = inbox.next() { seen.add(element) }
            ended.add(true)
        }
        for index in 0..<5000 { XCTAssertTrue(inbox.put(index)) }
        inbox.close()
        _ = try await ended.wait()
        XCTAssertEqual(seen.all, Array(0..<5000))
        XCTAssertEqual(inbox.leftOut, 0)
    }

    func testWhoIsBehindLosesTheOldestOrTheNewest() throws {
        let newest = try Inbox<Int>(limit: 3, leavesOut: .newest), oldest = try Inbox<Int>(limit: 3, leavesOut: .oldest)
        XCTAssertEqual((0..<5).map { newest.put($0) }, [true, true, true, false, false])
        XCTAssertEqual((0..<5).map { oldest.put($0) }, [true, true, true, false, false])
        XCTAssertEqual(newest.leftOut, 2)
        XCTAssertEqual(oldest.leftOut, 2)
        XCTAssertEqual(drain(newest), [0, 1, 2])
        XCTAssertEqual(drain(oldest), [2, 3, 4])
    }

    func testAClosedInboxIsReadToItsEndAndTakesNothing() throws {
        let inbox = try Inbox<Int>(limit: 3, leavesOut: .newest)
        inbox.put(1)
        inbox.close()
        XCTAssertFalse(inbox.put(2))
        XCTAssertEqual(drain(inbox), [1])
        guard case .closed = inbox.next() else { return XCTFail("expected the end") }
        XCTAssertEqual(inbox.leftOut, 0)
    }

    func testWaitingEndsAtTheDeadline() throws {
        let inbox = try Inbox<Int>(limit: 1, leavesOut: .newest)
        let deadline = MonotonicClock.now() + .milliseconds(20)
        guard case .nothing = inbox.next(until: deadline) else { return XCTFail("expected nothing") }
        XCTAssertGreaterThanOrEqual(MonotonicClock.now(), deadline)
    }
}
