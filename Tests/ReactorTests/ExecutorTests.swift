import Glibc
import Reactor
import Synchronization
import TestSupport
import Wire
import XCTest

/// The C library says that a thread's identity never changes, so the optimiser would ask once for a whole task that moves between threads.
@_optimize(none) private func currentThread() -> UInt { UInt(pthread_self()) }

/// Asked of a thread of its own, which keeps what it was granted.
private func systemGrantsRealTime() -> Bool {
    guard let inbox = try? Inbox<Bool>(limit: 1, leavesOut: .newest) else { return false }
    try? WorkerThread.start("test") {
        var parameters = sched_param(sched_priority: 1)
        _ = unsafe inbox.put(sched_setscheduler(0, SCHED_RR, &parameters) == 0)
    }
    if case .element(let isGranted) = inbox.next(until: MonotonicClock.now() + .seconds(10)) { return isGranted }
    return false
}

final class ExecutorTests: XCTestCase {
    private actor Counter {
        nonisolated let reactor: Reactor
        nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
        private(set) var value = 0
        init(_ reactor: Reactor) { self.reactor = reactor }

        func add() -> UInt {
            value += 1
            return currentThread()
        }

        /// The scheduler's class, for this thread and one that it makes.
        func classes() throws -> [Int32] {
            let mine = sched_getscheduler(0)
            let inbox = try Inbox<Int32>(limit: 1, leavesOut: .newest)
            try WorkerThread.start("test") { _ = inbox.put(sched_getscheduler(0)) }
            guard case .element(let other) = inbox.next(until: MonotonicClock.now() + .seconds(10)) else { return [mine & 0xFFFF] }
            return [mine & 0xFFFF, other]
        }

        func add(times: Int, through other: Counter) async -> Set<UInt> {
            var threads: Set<UInt> = [currentThread()]
            for _ in 0..<times { threads.insert(await other.add()) }
            return threads
        }
    }

    func testActorsOfOneReactorShareItsThread() async throws {
        let reactor = try Reactor(name: "test-reactor")
        let first = Counter(reactor), second = Counter(reactor)
        let threads = await first.add(times: 1000, through: second)
        XCTAssertEqual(threads.count, 1)
        let value = await second.value
        XCTAssertEqual(value, 1000)
    }

    /// Where the system does not grant it, everything goes on as usual.
    func testAThreadThatKeepsTimeGoesFirstAndItsOwnThreadsDoNot() async throws {
        let usual = try await Counter(Reactor(name: "test-reactor")).classes()
        XCTAssertEqual(usual, [SCHED_OTHER, SCHED_OTHER])
        let first = try await Counter(Reactor(name: "test-reactor", keepsTime: true)).classes()
        XCTAssertEqual(first, [systemGrantsRealTime() ? SCHED_RR : SCHED_OTHER, SCHED_OTHER])
    }

    func testCallsFromManyTasksAreOneAfterTheOther() async throws {
        let reactor = try Reactor(name: "test-reactor")
        let counter = Counter(reactor)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<50 { group.addTask { for _ in 0..<100 { _ = await counter.add() } } }
        }
        let value = await counter.value
        XCTAssertEqual(value, 5000)
    }

    /// Handlers and timers run outside any job, on the reactor's thread: `assumeIsolated` holds there (SE-0424).
    func testHandlersAndTimersAreIsolated() async throws {
        let loop = try Loop()
        let counter = Counter(loop.reactor)
        let mailbox = try Mailbox<Int>(limit: 4)
        let log = Log<String>()
        try await loop.run { loop in
            loop.keep(
                loop.reactor.makeTimer { _ in
                    counter.assumeIsolated { _ = $0.add() }
                    log.add("timer")
                }
            ).deadline = MonotonicClock.now()
            try mailbox.open(on: loop.reactor) { _ in
                counter.assumeIsolated { _ = $0.add() }
                log.add("mailbox")
            }
        }
        XCTAssertTrue(mailbox.put(1))
        let entries = try await log.wait(2)
        XCTAssertEqual(Set(entries), ["timer", "mailbox"])
        let value = await counter.value
        XCTAssertEqual(value, 2)
        await loop.stop()
    }

    func testReactorsDoNotShareAThread() async throws {
        let first = Counter(try Reactor(name: "test-1")), second = Counter(try Reactor(name: "test-2"))
        let threads = (await first.add(), await second.add())
        XCTAssertNotEqual(threads.0, threads.1)
    }
}
