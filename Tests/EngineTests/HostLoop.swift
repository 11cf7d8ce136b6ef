import Reactor
import Synchronization
import Wire
import XCTest

/// A reactor with something to run on it.
actor HostLoop {
    nonisolated let reactor: Reactor
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private var kept: [AnyObject] = []

    init() throws { reactor = try Reactor(name: "test-reactor") }

    func run<T: Sendable>(_ body: @Sendable (isolated HostLoop) throws -> T) rethrows -> T { try body(self) }

    /// Holds what would otherwise go with the closure that made it.
    func keep<Kept: AnyObject>(_ object: Kept) -> Kept {
        kept.append(object)
        return object
    }

    func stop() {
        kept.removeAll()
        reactor.stop()
    }
}

/// Waits on the test's side until the condition holds, at most ten seconds.
func eventually(
    _ what: String, file: StaticString = #filePath, line: UInt = #line, _ condition: () async -> Bool
) async throws {
    for _ in 0..<2000 {
        if await condition() { return }
        try await Task.sleep(nanoseconds: 5_000_000)
    }
    XCTFail("expected within 10 s: \(what)", file: file, line: line)
}
