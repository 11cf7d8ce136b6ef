import NetSim
import RTC
import Wire
import XCTest

/// What the sender makes of links, in whole sessions. "Of the link" counts every byte of the uplink with IP and UDP headers.
final class CongestionSessionTests: XCTestCase {
    private func scenario(_ seed: UInt64, bandwidth: Int, roundTrip: Int, queue: Int = 200) -> SessionScenario {
        var scenario = SessionScenario(seed: seed)
        scenario.robot.up = LinkConditions(delay: .milliseconds(roundTrip / 2), bandwidth: bandwidth, queueDelay: .milliseconds(queue))
        scenario.viewer.up = LinkConditions(delay: .milliseconds(roundTrip / 2))
        scenario.demand = 6_000_000
        scenario.sendsData = false
        scenario.length = .seconds(20)
        return scenario
    }

    func testOneMegabitIsUsedWithAShortQueue() {
        for roundTrip in [20, 50, 100, 200] {
            for seed in UInt64(1)...3 {
                let report = SimulatedSession(scenario(seed, bandwidth: 1_000_000, roundTrip: roundTrip)).run()
                let share = report.bitrate(from: .seconds(5), to: .seconds(20)) / 1_000_000
                let queue = report.queueDelay(0.95, from: .seconds(5), to: .seconds(20))
                print(
                    "1 Mbit/s rtt \(roundTrip) seed \(seed): \(Int(share * 100)) %, p95 \(queue.milliseconds) ms, p50 \(report.queueDelay(0.5, from: .seconds(5), to: .seconds(20)).milliseconds), dropped \(report.robotStatistics!.outboundVideo[0].framesDropped), overflow \(report.uplink.overflowed), latency p95 \(report.latency(0.95).milliseconds), keys \(report.keyFramesReceived)"
                )
                XCTAssertEqual(report.problems, [])
                XCTAssertGreaterThanOrEqual(share, 0.8, "rtt \(roundTrip) seed \(seed)")
                XCTAssertLessThan(queue, .milliseconds(60), "rtt \(roundTrip) seed \(seed)")
            }
        }
    }

    func testThreeHundredKilobit() {
        for roundTrip in [20, 100, 200] {
            for seed in UInt64(1)...3 {
                let report = SimulatedSession(scenario(seed, bandwidth: 300_000, roundTrip: roundTrip)).run()
                let share = report.bitrate(from: .seconds(8), to: .seconds(20)) / 300_000
                print(
                    "300 kbit/s rtt \(roundTrip) seed \(seed): \(Int(share * 100)) %, p95 \(report.queueDelay(0.95, from: .seconds(8), to: .seconds(20)).milliseconds), freezes \(report.freezes(from: .seconds(5), to: .seconds(20)).map(\.milliseconds))"
                )
                XCTAssertEqual(report.problems, [])
                XCTAssertGreaterThanOrEqual(share, 0.7, "rtt \(roundTrip) seed \(seed)")
            }
        }
    }

    func testBackToNinetyPercentWithinTenSecondsAfterTheBottleneckTriples() {
        for roundTrip in [20, 50, 100, 200] {
            for seed in UInt64(1)...3 {
                var scenario = scenario(seed, bandwidth: 1_000_000, roundTrip: roundTrip)
                scenario.length = .seconds(25)
                scenario.incidents = [(.seconds(10), .bandwidth(3_000_000))]
                let report = SimulatedSession(scenario).run()
                let best = stride(from: 10, to: 20, by: 0.5).map { report.bitrate(from: .seconds($0), to: .seconds($0 + 1)) }
                let reached = best.firstIndex { $0 >= 2_700_000 }
                let after = report.bitrate(from: .seconds(20), to: .seconds(25)) / 3_000_000
                print(
                    "tripled rtt \(roundTrip) seed \(seed): 90 % after \(reached.map { Double($0) / 2 + 1 } ?? -1) s, then \(Int(after * 100)) %, p95 \(report.queueDelay(0.95, from: .seconds(10), to: .seconds(25)).milliseconds)"
                )
                XCTAssertEqual(report.problems, [])
                XCTAssertNotNil(reached, "rtt \(roundTrip) seed \(seed): \(best)")
                XCTAssertGreaterThan(after, 0.8, "rtt \(roundTrip) seed \(seed)")
            }
        }
    }

    func testFivePercentRandomLossKeepsSeventyPercent() {
        for roundTrip in [20, 50, 100, 200] {
            for seed in UInt64(1)...3 {
                var scenario = scenario(seed, bandwidth: 3_000_000, roundTrip: roundTrip)
                scenario.robot.up.loss = 0.05
                let report = SimulatedSession(scenario).run()
                let share = report.bitrate(from: .seconds(5), to: .seconds(20)) / 3_000_000
                print(
                    "5 % loss rtt \(roundTrip) seed \(seed): \(Int(share * 100)) %, p95 \(report.queueDelay(0.95, from: .seconds(5), to: .seconds(20)).milliseconds), freezes \(report.freezes(from: .seconds(1), to: .seconds(20)).map(\.milliseconds))"
                )
                XCTAssertEqual(report.problems, [])
                XCTAssertGreaterThanOrEqual(share, 0.7, "rtt \(roundTrip) seed \(seed)")
            }
        }
    }

    func testZTrace() {
        let e = ProcessInfo.processInfo.environment
        guard let bw = e["BW"].flatMap({ Int($0) }), let rtt = e["RTT"].flatMap({ Int($0) }), let seed = e["SEED"].flatMap({ UInt64($0) })
        else { return }
        var scenario = scenario(seed, bandwidth: bw, roundTrip: rtt)
        scenario.robot.up.loss = e["LOSS"].flatMap { Double($0) } ?? 0
        scenario.traces = true
        let report = SimulatedSession(scenario).run()
        for (at, bitrate) in report.targets { print("target", (at - .zero).seconds, bitrate) }
        for line in report.traces { print(line) }
    }
}
