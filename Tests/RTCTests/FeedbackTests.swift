import RTC
import Wire
import XCTest

/// The receiving side of transport-wide congestion control (draft-holmer-rmcat-transport-wide-cc-extensions-01).
final class FeedbackTests: XCTestCase {
    private func arrivals(_ feedback: TransportFeedback) -> [UInt16: Int64] {
        var at = Int64(feedback.referenceTime) * 256, number = feedback.baseSequence, found: [UInt16: Int64] = [:]
        for delta in feedback.deltas {
            if let delta {
                at += Int64(delta)
                found[number] = at
            }
            number &+= 1
        }
        return found
    }

    func testReportsEveryArrivalToAQuarterOfAMillisecond() throws {
        for seed in UInt64(1)...50 {
            var random = SeededRandom(seed: seed)
            var collector = FeedbackCollector()
            var expected: [UInt16: Int64] = [:], first = UInt16(truncatingIfNeeded: random.next())
            var at = Instant.zero + .seconds(5)
            for _ in 0..<60 {
                at += .microseconds(Int(random.next() % 900))
                first &+= 1
                if random.next() % 5 == 0 { continue }
                _ = collector.received(first, at: at)
                expected[first] = at.nanoseconds / 250_000
            }
            XCTAssertNotNil(collector.deadline)
            let feedback = try XCTUnwrap(collector.feedback(sender: SSRC(1), media: SSRC(2)))
            XCTAssertEqual(arrivals(feedback), expected, "seed \(seed)")
            XCTAssertNil(collector.deadline)
            XCTAssertNil(collector.feedback(sender: SSRC(1), media: SSRC(2)), "nothing new")
        }
    }

    func testRunsFollowEachOtherAndRepeatedPacketsCountOnce() throws {
        var collector = FeedbackCollector()
        for number in [UInt16(10), 11, 11, 13] { _ = collector.received(number, at: .zero + .seconds(1)) }
        let first = try XCTUnwrap(collector.feedback(sender: SSRC(1), media: SSRC(2)))
        XCTAssertEqual(first.baseSequence, 10)
        XCTAssertEqual(first.deltas.map { $0 != nil }, [true, true, false, true])
        _ = collector.received(12, at: .zero + .milliseconds(1010))
        _ = collector.received(15, at: .zero + .milliseconds(1010))
        let second = try XCTUnwrap(collector.feedback(sender: SSRC(1), media: SSRC(2)))
        XCTAssertEqual(second.baseSequence, 14)
        XCTAssertEqual(second.deltas.map { $0 != nil }, [false, true])
        XCTAssertEqual(second.feedbackCount, first.feedbackCount &+ 1)
    }

    func testAFloodIsReportedEarlyAndBounded() throws {
        var random = SeededRandom(seed: 1)
        var collector = FeedbackCollector()
        var isFull = false
        for _ in 0..<5000 { isFull = collector.received(UInt16(truncatingIfNeeded: random.next()), at: .zero + .seconds(1)) || isFull }
        XCTAssertTrue(isFull)
        let feedback = try XCTUnwrap(collector.feedback(sender: SSRC(1), media: SSRC(2)))
        XCTAssertLessThanOrEqual(feedback.deltas.count, TransportFeedback.maximumPackets)
    }
}
