import Reactor
import TestSupport
import Wire
import XCTest

final class ResolverTests: XCTestCase {
    func testNamesAreResolvedAwayFromTheReactor() async throws {
        let loop = try Loop()
        let log = Log<(String, [IPAddress])>()
        try await loop.run { loop in
            let resolver = loop.keep(try NameResolver(reactor: loop.reactor))
            for name in ["localhost", "192.0.2.7", "no-such-host.invalid"] { resolver.resolve(name) { log.add((name, $0)) } }
            XCTAssertTrue(log.all.isEmpty)
        }
        let answers = Dictionary(uniqueKeysWithValues: try await log.wait(3))
        XCTAssertTrue(answers["localhost"]?.allSatisfy(\.isLoopback) ?? false)
        XCTAssertFalse(answers["localhost"]?.isEmpty ?? true)
        XCTAssertEqual(answers["192.0.2.7"], [IPAddress(192, 0, 2, 7)])
        XCTAssertEqual(answers["no-such-host.invalid"], [])
        await loop.stop()
    }

    /// The queue is bounded: names beyond it are answered with nothing, none is forgotten.
    func testAFloodOfNamesIsAnsweredInFull() async throws {
        let loop = try Loop()
        let log = Log<Int>()
        try await loop.run { loop in
            let resolver = loop.keep(try NameResolver(reactor: loop.reactor))
            for number in 0..<1000 { resolver.resolve("127.0.0.1") { _ in log.add(number) } }
        }
        let answered = try await log.wait(1000)
        XCTAssertEqual(answered.sorted(), Array(0..<1000))
        await loop.stop()
    }

    func testLettingGoOfAResolverThatIsBusyIsSafe() async throws {
        let loop = try Loop()
        for _ in 0..<20 {
            try await loop.run { loop in
                let resolver = try NameResolver(reactor: loop.reactor)
                for _ in 0..<10 { resolver.resolve("localhost") { _ in XCTFail("answered after the end") } }
            }
        }
        await loop.stop()
    }
}
