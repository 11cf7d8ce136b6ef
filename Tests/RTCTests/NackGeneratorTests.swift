import RTC
import Wire
import XCTest

final class NackGeneratorTests: XCTestCase {
    private func at(_ milliseconds: Int) -> Instant { .zero + .milliseconds(milliseconds) }

    func testAsksAtOnceAndThenOnceARoundTrip_RFC4585_6_2_1() {
        var nack = NackGenerator()
        XCTAssertFalse(nack.received(10, isRetransmission: false, at: at(0)))
        XCTAssertFalse(nack.received(13, isRetransmission: false, at: at(1)))
        XCTAssertEqual(nack.deadline, at(1))
        XCTAssertEqual(nack.requests(roundTrip: .milliseconds(40), at: at(1)).numbers, [11, 12])
        XCTAssertEqual(nack.deadline, at(46))
        _ = nack.received(12, isRetransmission: true, at: at(30))
        XCTAssertEqual(nack.requests(roundTrip: .milliseconds(40), at: at(46)).numbers, [11])
        _ = nack.received(11, isRetransmission: true, at: at(60))
        XCTAssertTrue(nack.isEmpty)
        XCTAssertNil(nack.deadline)
    }

    func testWaitsOnPathsThatReorderAsLongAsPacketsAreLate() {
        var nack = NackGenerator()
        _ = nack.received(1, isRetransmission: false, at: at(0))
        _ = nack.received(3, isRetransmission: false, at: at(0))
        _ = nack.requests(roundTrip: .milliseconds(50), at: at(0))
        _ = nack.received(2, isRetransmission: false, at: at(6))
        _ = nack.received(5, isRetransmission: false, at: at(10))
        XCTAssertEqual(nack.deadline, at(17), "six milliseconds late last time")
        _ = nack.received(4, isRetransmission: false, at: at(15))
        XCTAssertNil(nack.deadline)
    }

    func testGivesUpAfterItsPatienceWhichGrowsWithTheRoundTrip() {
        for (roundTrip, patience) in [(20, 400), (200, 600), (1000, 900)] {
            var nack = NackGenerator()
            _ = nack.received(1, isRetransmission: false, at: at(0))
            _ = nack.received(3, isRetransmission: false, at: at(0))
            var now = 0, gaveUp = false
            while !gaveUp, now < 3000 {
                now += 5
                gaveUp = nack.requests(roundTrip: .milliseconds(roundTrip), at: at(now)).gaveUp
            }
            XCTAssertTrue((patience...patience + 350).contains(now), "\(roundTrip) ms: given up after \(now)")
            XCTAssertTrue(nack.isEmpty)
        }
    }

    func testTooMuchMissingIsAKeyFrameNotAList() {
        var nack = NackGenerator()
        _ = nack.received(1, isRetransmission: false, at: at(0))
        XCTAssertTrue(nack.received(2000, isRetransmission: false, at: at(0)))
        XCTAssertTrue(nack.isEmpty)
        XCTAssertNil(nack.deadline)
        XCTAssertFalse(nack.received(2002, isRetransmission: false, at: at(1)))
        XCTAssertTrue(nack.contains(2001))
    }

    func testForgetsWhatIsOfNoUse() {
        var nack = NackGenerator()
        _ = nack.received(1, isRetransmission: false, at: at(0))
        _ = nack.received(20, isRetransmission: false, at: at(0))
        nack.forget(before: 15)
        XCTAssertEqual(nack.requests(roundTrip: .milliseconds(20), at: at(0)).numbers, Array(15...19))
        nack.forget(before: 100)
        XCTAssertNil(nack.deadline)
    }

    func testNumbersAreSentAsTheyWereBeforeTheWrap() {
        var nack = NackGenerator()
        _ = nack.received(65_534, isRetransmission: false, at: at(0))
        _ = nack.received(65_538, isRetransmission: false, at: at(0))
        XCTAssertEqual(nack.requests(roundTrip: .milliseconds(20), at: at(0)).numbers, [65_535, 0, 1])
    }
}
