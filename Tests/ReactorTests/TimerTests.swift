import Reactor
import TestSupport
import Wire
import XCTest

final class TimerTests: XCTestCase {
    func testTimersFireInTheOrderOfTheirDeadlines() async throws {
        let loop = try Loop()
        let log = Log<Int>()
        await loop.run { loop in
            let now = MonotonicClock.now()
            for index in [3, 1, 4, 0, 2] {
                loop.keep(loop.reactor.makeTimer { _ in log.add(index) }).deadline = now + .milliseconds(20 + 10 * index)
            }
        }
        let fired = try await log.wait(5)
        XCTAssertEqual(fired, [0, 1, 2, 3, 4])
        await loop.stop()
    }

    func testADeadlineThatIsMovedCountsOnlyWhereItStands() async throws {
        let loop = try Loop()
        let log = Log<String>()
        await loop.run { loop in
            let now = MonotonicClock.now()
            let later = loop.keep(loop.reactor.makeTimer { _ in log.add("later") })
            let earlier = loop.keep(loop.reactor.makeTimer { _ in log.add("earlier") })
            let never = loop.keep(loop.reactor.makeTimer { _ in log.add("never") })
            later.deadline = now + .milliseconds(5)
            later.deadline = now + .milliseconds(60)
            earlier.deadline = now + .seconds(100)
            earlier.deadline = now + .milliseconds(20)
            never.deadline = now + .milliseconds(5)
            never.deadline = nil
        }
        let fired = try await log.wait(2)
        XCTAssertEqual(fired, ["earlier", "later"])
        await loop.stop()
    }

    func testATimerThatItsOwnerLetsGoOfNeverFires() async throws {
        let loop = try Loop()
        let log = Log<String>()
        await loop.run { loop in
            let now = MonotonicClock.now()
            loop.reactor.makeTimer { _ in log.add("gone") }.deadline = now + .milliseconds(5)
            // Let go of by another that is due in the same round.
            final class Holder { var timer: ReactorTimer? }
            let holder = Holder()
            loop.keep(loop.reactor.makeTimer { _ in holder.timer = nil }).deadline = now + .milliseconds(10)
            holder.timer = loop.reactor.makeTimer { _ in log.add("let go") }
            holder.timer?.deadline = now + .milliseconds(10) + .nanoseconds(1)
            loop.keep(loop.reactor.makeTimer { _ in log.add("end") }).deadline = now + .milliseconds(40)
        }
        let fired = try await log.wait()
        XCTAssertEqual(fired, ["end"])
        await loop.stop()
    }

    func testATimerMaySetItselfAgain() async throws {
        let loop = try Loop()
        let log = Log<Int64>()
        await loop.run { loop in
            final class Holder {
                weak var timer: ReactorTimer?
                var count = 0
            }
            let holder = Holder()
            let timer = loop.reactor.makeTimer { now in
                log.add(now.nanoseconds)
                holder.count += 1
                if holder.count < 20 { holder.timer?.deadline = now + .milliseconds(1) }
            }
            holder.timer = loop.keep(timer)
            timer.deadline = MonotonicClock.now()
        }
        let times = try await log.wait(20)
        XCTAssertEqual(times, times.sorted())
        await loop.stop()
    }

    func testManyTimersInRandomOrderAllFireOnce() async throws {
        let loop = try Loop()
        let log = Log<Int>()
        await loop.run { loop in
            var random = SeededRandom(seed: 7)
            let now = MonotonicClock.now()
            for index in 0..<2000 {
                let timer = loop.keep(loop.reactor.makeTimer { _ in log.add(index) })
                for _ in 0..<3 { timer.deadline = now + .microseconds(Int(random.next() % 50_000)) }
            }
        }
        let fired = try await log.wait(2000)
        XCTAssertEqual(fired.sorted(), Array(0..<2000))
        await loop.stop()
    }
}
