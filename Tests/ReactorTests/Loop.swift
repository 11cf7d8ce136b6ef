import Reactor
import Synchronization
import Wire
import XCTest

/// A reactor with something to run on it.
actor Loop {
    nonisolated let reactor: Reactor
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private var kept: [AnyObject] = []

    init() throws { reactor = try Reactor(name: "test-reactor") }

    func run<T: Sendable>(_ body: @Sendable (isolated Loop) throws -> T) rethrows -> T { try body(self) }

    /// Holds what would otherwise go with the closure that made it.
    func keep<Kept: AnyObject>(_ object: Kept) -> Kept {
        kept.append(object)
        return object
    }

    /// Lets go of everything and ends the thread.
    func stop() {
        kept.removeAll()
        reactor.stop()
    }
}

/// What happened on the reactor, for a test that waits for it.
final class Log<Entry: Sendable>: Sendable {
    private let entries = Mutex<[Entry]>([])

    func add(_ entry: Entry) { entries.withLock { $0.append(entry) } }
    var all: [Entry] { entries.withLock { $0 } }

    /// At least `count` entries; fails the test when they do not come within ten seconds.
    func wait(_ count: Int = 1, file: StaticString = #filePath, line: UInt = #line) async throws -> [Entry] {
        for _ in 0..<2000 {
            let all = all
            if all.count >= count { return all }
            try await Task.sleep(nanoseconds: 5_000_000)
        }
        XCTFail("expected \(count) entries within 10 s, got \(all.count)", file: file, line: line)
        return all
    }
}
