import Glibc
import Reactor
import TestSupport
import Wire
import XCTest

final class MailboxTests: XCTestCase {
    func testEveryElementOfEveryThreadComesOnceAndInItsOrder() async throws {
        let loop = try Loop()
        let mailbox = try Mailbox<(Int, Int)>(limit: 16)
        let log = Log<(Int, Int)>()
        try await loop.run { loop in try mailbox.open(on: loop.reactor) { log.add($0) } }
        let count = 2000
        let writers = (0..<4).map { writer in
            Thread {
                for number in 0..<count { while !mailbox.put((writer, number)) { usleep(50) } }
            }
        }
        for writer in writers { writer.start() }
        let all = try await log.wait(4 * count)
        for writer in 0..<4 {
            XCTAssertEqual(all.filter { $0.0 == writer }.map(\.1), Array(0..<count), "writer \(writer)")
        }
        await loop.stop()
    }

    func testAFullMailboxRefusesAndCounts() throws {
        let mailbox = try Mailbox<Int>(limit: 3)
        XCTAssertEqual((0..<5).map { mailbox.put($0) }, [true, true, true, false, false])
        XCTAssertEqual(mailbox.refused, 2)
    }

    func testWhatWaitedBeforeItWasOpenedComesToo() async throws {
        let loop = try Loop()
        let mailbox = try Mailbox<Int>(limit: 8)
        let log = Log<Int>()
        for number in 0..<3 { XCTAssertTrue(mailbox.put(number)) }
        try await loop.run { loop in try mailbox.open(on: loop.reactor) { log.add($0) } }
        let all = try await log.wait(3)
        XCTAssertEqual(all, [0, 1, 2])
        await loop.stop()
    }
}
