import Reactor
import XCTest

/// Waits on the test's side until the condition holds, at most ten seconds; then fails the test.
package func eventually(
    _ what: String, file: StaticString = #filePath, line: UInt = #line, _ condition: () async -> Bool
) async throws {
    for _ in 0..<2000 {
        if await condition() { return }
        try await Task.sleep(nanoseconds: 5_000_000)
    }
    XCTFail("expected within 10 s: \(what)", file: file, line: line)
}

/// What happened on the reactor, for a test that waits for it.
package final class Log<Entry: Sendable>: Sendable {
    private let entries = Lock<[Entry]>([])

    package init() {}

    package func add(_ entry: Entry) { entries.withLock { $0.append(entry) } }
    package var all: [Entry] { entries.withLock { $0 } }

    /// At least `count` entries; fails the test when they do not come within ten seconds.
    package func wait(_ count: Int = 1, file: StaticString = #filePath, line: UInt = #line) async throws -> [Entry] {
        try await eventually("\(count) entries", file: file, line: line) { all.count >= count }
        return all
    }
}
