import RTC
import Wire
import XCTest

/// draft-alvestrand-rmcat-remb-03
final class ReceiverEstimateTests: XCTestCase {
    /// Packets of 1200 bytes a hundred times a second, over a path of so many bit/s; the reports by their times.
    private func reports(capacity: Int, seconds: Int, hasSendTimes: Bool = true) -> [(at: Double, bitrate: Int)] {
        var estimate = ReceiverEstimate()
        var free = Instant.zero
        var reports: [(Double, Int)] = []
        for number in 0..<(seconds * 100) {
            let sent = Instant.zero + .seconds(1) + .milliseconds(number * 10)
            free = max(free, sent) + Duration(nanoseconds: 1200 * 8 * 1_000_000_000 / Int64(capacity))
            while let due = estimate.deadline, due <= free {
                if let bitrate = estimate.report(at: due) { reports.append(((due - .zero).seconds, bitrate)) }
            }
            let ticks = UInt32(truncatingIfNeeded: (sent - .zero).ticks(of: 1 << 18)) & 0xFF_FFFF
            estimate.received(bytes: 1200, sendTime: hasSendTimes ? ticks : nil, at: free)
        }
        let end = free + .seconds(10)
        while let due = estimate.deadline, due <= end {
            if let bitrate = estimate.report(at: due) { reports.append(((due - .zero).seconds, bitrate)) }
        }
        XCTAssertNil(estimate.deadline, "silence is not reported")
        return reports
    }

    func testAWidePathIsReportedEverySecondWithHeadroom() {
        let found = reports(capacity: 10_000_000, seconds: 10)
        XCTAssertTrue((9...12).contains(found.count), "\(found)")
        for report in found { XCTAssertTrue((860_000...1_500_000).contains(report.bitrate), "\(report)") }
    }

    func testAQueueThatGrowsLowersTheReportAtOnce() {
        let found = reports(capacity: 700_000, seconds: 4)
        let first = found.first { $0.bitrate < 680_000 }
        XCTAssertNotNil(first, "\(found)")
        XCTAssertLessThan(first?.at ?? 9, 3)
    }

    func testWithoutSendTimesTheBoundIsWhatCame() {
        for report in reports(capacity: 10_000_000, seconds: 5, hasSendTimes: false) {
            XCTAssertTrue((860_000...1_500_000).contains(report.bitrate), "\(report)")
        }
    }
}
