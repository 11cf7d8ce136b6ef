import CVirtualTime
import NetSim
import RTC
import Service
import Wire
import XCTest

/// The sessions of NetSim with the real OpenSSL and usrsctp in place of their stand-ins, all on virtual time. The network and the engine's
/// own randomness follow from the seed; keys and signatures do not.
final class RealCryptoSessionTests: XCTestCase {
    private final class Pieces: Environment {
        private let real: EngineEnvironment
        private var generator: SeededRandom

        init(unixTime: Int64, seed: UInt64) throws {
            real = try EngineEnvironment(unixTime: unixTime)
            generator = SeededRandom(seed: seed)
        }

        var digests: any Digests { real.digests }
        var fingerprints: [Fingerprint] { real.fingerprints }
        func makeDTLS() -> any DTLSEndpoint { real.makeDTLS() }
        func makeSRTP(_ keys: SRTPKeyingMaterial) -> any SRTPSession { real.makeSRTP(keys) }
        func makeSCTP(_ parameters: SCTPParameters) -> any SCTPAssociation { real.makeSCTP(parameters) }
        func random() -> UInt64 { generator.next() }
    }

    private func run(_ scenario: SessionScenario) throws -> SessionReport {
        defer { virtual_time_off() }
        // Every session begins later than the one before has ended: usrsctp's clock is the process's.
        let unixTime = 1_790_000_000 + Int64(scenario.seed) * 1000
        let environments = try [0, 1].map { try Pieces(unixTime: unixTime, seed: scenario.seed &* 2 &+ $0) }
        let session = SimulatedSession(
            scenario, environment: { environments[Int($0 & 1)] },
            clock: { virtual_time_set(unixTime * 1_000_000 + $0.nanoseconds / 1000) })
        return session.run()
    }

    func testPlainSessionCarriesEverything() throws {
        var scenario = SessionScenario(seed: 0)
        scenario.length = .seconds(5)
        let report = try run(scenario)
        XCTAssertEqual(report.problems, [])
        XCTAssertGreaterThanOrEqual(report.framesReceived, report.framesSent - 2)
        XCTAssertGreaterThan(report.messagesReceived, 200)
    }

    /// `WALDO_SEEDS=first..last` runs these instead.
    func testTwentyRandomSessionsKeepEveryPromise() throws {
        let chosen = ProcessInfo.processInfo.environment["WALDO_SEEDS"]?.split(separator: ".").compactMap { UInt64($0) } ?? [1, 20]
        var failures: [String] = []
        var frames = 0, messages = 0
        for seed in (chosen.first ?? 1)...(chosen.last ?? 20) {
            let scenario = SessionScenario.random(seed: seed)
            let report = try run(scenario)
            frames += report.framesReceived
            messages += report.messagesReceived
            if !report.problems.isEmpty {
                failures.append("seed \(seed): \(report.problems.prefix(4))\n  \(scenario.summary)\n  \(report.states)")
            }
        }
        print("real cryptography: \(frames) frames and \(messages) messages")
        XCTAssertEqual(failures.count, 0, failures.joined(separator: "\n"))
    }
}
