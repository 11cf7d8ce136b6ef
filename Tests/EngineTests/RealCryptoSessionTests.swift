import CVirtualTime
import NetSim
import RTC
import Service
import Wire
import XCTest

/// The sessions of NetSim with the real OpenSSL and usrsctp in place of their stand-ins, all on virtual time.
final class RealCryptoSessionTests: XCTestCase {
    private func run(_ scenario: SessionScenario) throws -> SessionReport {
        defer { virtual_time_off() }
        let environments = [try EngineEnvironment(unixTime: 1_790_000_000), try EngineEnvironment(unixTime: 1_790_000_000)]
        let session = SimulatedSession(
            scenario, environment: { environments[Int($0 & 1)] },
            clock: { virtual_time_set(1_790_000_000_000_000 + $0.nanoseconds / 1000) })
        return session.run()
    }

    func testPlainSessionCarriesEverything() throws {
        var scenario = SessionScenario(seed: 1)
        scenario.length = .seconds(5)
        let report = try run(scenario)
        XCTAssertEqual(report.problems, [])
        XCTAssertGreaterThanOrEqual(report.framesReceived, report.framesSent - 2)
        XCTAssertGreaterThan(report.messagesReceived, 200)
    }

    func testTwentyRandomSessionsKeepEveryPromise() throws {
        var failures: [String] = []
        for seed in UInt64(1)...20 {
            let scenario = SessionScenario.random(seed: seed)
            let report = try run(scenario)
            if !report.problems.isEmpty {
                failures.append("seed \(seed): \(report.problems.prefix(4))\n  \(scenario.summary)\n  \(report.states)")
            }
        }
        XCTAssertEqual(failures.count, 0, failures.joined(separator: "\n"))
    }
}
