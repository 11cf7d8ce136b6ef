import Reactor
import TestSupport
import XCTest

final class RoundTests: XCTestCase {
    func testWhatIsAskedForIsDoneOnceAfterTheJobsOfItsRound() async throws {
        let loop = try Loop()
        let log = Log<String>()
        await loop.run { loop in
            let reactor = loop.reactor
            for number in 1...2 { reactor.atEndOfRound { log.add("end \(number)") } }
            log.add("job")
        }
        let first = try await log.wait(3)
        XCTAssertEqual(first, ["job", "end 1", "end 2"])
        await loop.run { _ in log.add("another job") }
        try await Task.sleep(nanoseconds: 20_000_000)
        XCTAssertEqual(log.all.count, 4)
        await loop.stop()
    }

    /// Nothing else wakes the reactor: a round that is asked for from the end of another must begin by itself.
    func testWhatIsAskedForAtTheEndIsDoneInTheNextRoundAtOnce() async throws {
        let loop = try Loop()
        let log = Log<Int>()
        await loop.run { loop in
            let reactor = loop.reactor
            func again(_ number: Int) {
                log.add(number)
                if number < 5 { reactor.atEndOfRound { again(number + 1) } }
            }
            reactor.atEndOfRound { again(1) }
        }
        let found = try await log.wait(5)
        XCTAssertEqual(found, [1, 2, 3, 4, 5])
        await loop.stop()
    }
}
