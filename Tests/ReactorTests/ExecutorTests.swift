import Glibc
import Reactor
import Synchronization
import TestSupport
import Wire
import XCTest

/// The C library says that a thread's identity never changes, so the optimiser would ask once for a whole task that moves between threads.
@_optimize(none) private func currentThread() -> UInt { UInt(pthread_self()) }

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
