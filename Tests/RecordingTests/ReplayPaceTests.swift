import Service
import Wire
import XCTest

/// When the messages of a recording are shown.
final class ReplayPaceTests: XCTestCase {
    private let began = Instant(nanoseconds: 5_000_000_000)

    private func due(_ milliseconds: [UInt64], late: Int = 0) -> [Int64] {
        var pace = ReplayPace()
        return milliseconds.map { (pace.moment(of: $0 * 1_000_000, now: began + .milliseconds(late)) - began).nanoseconds / 1_000_000 }
    }

    func testMessagesAreAsFarApartAsTheyWere() { XCTAssertEqual(due([1000, 1033, 1066, 1100]), [0, 33, 66, 100]) }

    /// A picture is recorded when it is encoded, behind telemetry that is younger: that must not slow the rest.
    func testWhatIsOlderThanWhatStandsBeforeItHoldsNothingUp() {
        XCTAssertEqual(due([1000, 1050, 1020, 1100, 1080, 1150, 1150]), [0, 50, 50, 100, 100, 150, 150])
    }

    func testAPauseIsNotWaitedFor() { XCTAssertEqual(due([1000, 61_000, 61_033]), [0, 1000, 1033]) }

    func testAClockThatWasSetBackBeginsAnew() { XCTAssertEqual(due([61_000, 1000, 1033]), [0, 1, 34]) }

    func testWhoWasHeldUpDoesNotHurryAfter() {
        var pace = ReplayPace()
        _ = pace.moment(of: 1_000_000_000, now: began)
        XCTAssertEqual(pace.moment(of: 1_033_000_000, now: began + .seconds(5)), began + .milliseconds(4800))
    }
}
