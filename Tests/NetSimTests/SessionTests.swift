import NetSim
import RTC
import Wire
import XCTest

final class SessionTests: XCTestCase {
    func testPlainSessionCarriesEverything() {
        for codec in [CodecKind.h264, .vp8] {
            for robotOffers in [true, false] {
                var scenario = SessionScenario(seed: 1)
                scenario.codec = codec
                scenario.robotOffers = robotOffers
                let report = SimulatedSession(scenario).run()
                XCTAssertEqual(report.problems, [])
                XCTAssertEqual(report.framesReceived, report.framesSent, "all but the last on the way", accuracy: 2)
            }
        }
    }

    /// `WALDO_SEEDS=first..last` runs these instead.
    func testAThousandSessionsKeepEveryPromise() {
        let seeds = Seeds.chosen ?? 1...1000
        var failures: [String] = []
        var sent = 0, received = 0, messages = 0
        let began = ContinuousClock.now
        for seed in seeds {
            let scenario = SessionScenario.random(seed: seed)
            let report = SimulatedSession(scenario).run()
            sent += report.framesSent
            received += report.framesReceived
            messages += report.messagesReceived
            if !report.problems.isEmpty {
                failures.append(
                    "seed \(seed): \(report.problems.prefix(4).joined(separator: "; "))\n  \(scenario.summary)\n  \(report.states)")
            }
        }
        print("\(seeds.count) sessions: \(received) of \(sent) frames and \(messages) messages in \(ContinuousClock.now - began)")
        XCTAssertEqual(
            failures.count, 0,
            "\(failures.count) of \(seeds.count); replay with WALDO_SEEDS=…\n" + failures.prefix(40).joined(separator: "\n"))
    }
}

enum Seeds {
    /// `WALDO_SEEDS=7` or `WALDO_SEEDS=5..90`.
    static var chosen: ClosedRange<UInt64>? {
        guard let text = ProcessInfo.processInfo.environment["WALDO_SEEDS"] else { return nil }
        let parts = text.split(separator: ".").compactMap { UInt64($0) }
        guard let first = parts.first, let last = parts.last, first <= last else { return nil }
        return first...last
    }
}

func XCTAssertEqual(_ a: Int, _ b: Int, _ message: String, accuracy: Int, file: StaticString = #filePath, line: UInt = #line) {
    XCTAssertLessThanOrEqual(abs(a - b), accuracy, "\(a) and \(b): \(message)", file: file, line: line)
}
