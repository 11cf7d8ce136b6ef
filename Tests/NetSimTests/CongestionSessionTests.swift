import NetSim
import RTC
import Wire
import XCTest

/// What the sender makes of links, in whole sessions. Shares count every byte of the uplink with IP and UDP headers; queues are sampled every
/// 10 ms. Both from five seconds after the connection on, over fifteen seconds, unless a test says otherwise.
final class CongestionSessionTests: XCTestCase {
    private static let roundTrips = [20, 50, 100, 200]
    private static let seeds = Seeds.chosen ?? 1...6

    private func scenario(_ seed: UInt64, bandwidth: Int, roundTrip: Int) -> SessionScenario {
        var scenario = SessionScenario(seed: seed)
        scenario.robot.up = LinkConditions(delay: .milliseconds(roundTrip / 2), bandwidth: bandwidth, queueDelay: .milliseconds(200))
        scenario.viewer.up = LinkConditions(delay: .milliseconds(roundTrip / 2))
        scenario.demand = 6_000_000
        scenario.sendsData = false
        scenario.length = .seconds(20)
        return scenario
    }

    /// Runs every round trip and seed; prints and answers the smallest and the mean of what `figure` says.
    private func survey(
        _ name: String, bandwidth: Int, change: (inout SessionScenario) -> Void = { _ in },
        check: (SessionReport, String) -> (share: Double, queue: Duration)
    ) {
        var shares: [Double] = [], queues: [Double] = []
        for roundTrip in Self.roundTrips {
            for seed in Self.seeds {
                var scenario = scenario(seed, bandwidth: bandwidth, roundTrip: roundTrip)
                change(&scenario)
                let report = SimulatedSession(scenario).run()
                let label = "\(name), round trip \(roundTrip) ms, seed \(seed)"
                XCTAssertEqual(report.problems, [], label)
                let (share, queue) = check(report, label)
                shares.append(share * 100)
                queues.append(queue.milliseconds)
            }
        }
        func text(_ values: [Double]) -> String {
            let sorted = values.sorted()
            return "\(Int(sorted[0]))…\(Int(sorted[sorted.count / 2]))…\(Int(sorted[sorted.count - 1]))"
        }
        print("\(name): \(text(shares)) % of the link, queue p95 \(text(queues)) ms (least…median…most of \(shares.count))")
    }

    private func usual(_ report: SessionReport, of bandwidth: Int, from start: Duration = .seconds(5), to end: Duration = .seconds(20)) -> (
        share: Double, queue: Duration
    ) {
        (report.bitrate(from: start, to: end) / Double(bandwidth), report.queueDelay(0.95, from: start, to: end))
    }

    func testOneMegabitIsUsedWithAShortQueue() {
        survey("1 Mbit/s", bandwidth: 1_000_000) { report, label in
            let figures = usual(report, of: 1_000_000)
            XCTAssertTrue((0.8...1).contains(figures.share), "\(label): \(figures.share)")
            XCTAssertLessThan(figures.queue, .milliseconds(60), label)
            return figures
        }
    }

    func testThreeHundredKilobit() {
        // A frame alone takes 33 ms here.
        survey("300 kbit/s", bandwidth: 300_000) { report, label in
            let figures = usual(report, of: 300_000, from: .seconds(8))
            XCTAssertGreaterThanOrEqual(figures.share, 0.7, label)
            XCTAssertLessThan(figures.queue, .milliseconds(90), label)
            XCTAssertLessThan(report.longestGap(from: .seconds(8), to: .seconds(20)), .milliseconds(500), label)
            return figures
        }
    }

    func testBackToNinetyPercentWithinTenSecondsAfterTheBottleneckTriples() {
        var slowest = 0.0
        survey("1 Mbit/s tripled", bandwidth: 1_000_000) { scenario in
            scenario.length = .seconds(25)
            scenario.incidents = [(.seconds(10), .bandwidth(3_000_000))]
        } check: { report, label in
            let seconds = stride(from: 10, to: 19, by: 0.25).first {
                report.bitrate(from: .seconds($0), to: .seconds($0 + 1)) >= 2_700_000
            }
            XCTAssertNotNil(seconds, label)
            slowest = max(slowest, (seconds ?? 25) - 9)
            let figures = usual(report, of: 3_000_000, from: .seconds(20), to: .seconds(25))
            XCTAssertGreaterThanOrEqual(figures.share, 0.75, label)
            return figures
        }
        print("90 % of the tripled link for a second after at most \(slowest) s")
    }

    func testFivePercentRandomLossKeepsSeventyPercent() {
        survey("3 Mbit/s with 5 % loss", bandwidth: 3_000_000) {
            $0.robot.up.loss = 0.05
        } check: { report, label in
            let figures = usual(report, of: 3_000_000)
            XCTAssertGreaterThanOrEqual(figures.share, 0.7, label)
            return figures
        }
    }
}
