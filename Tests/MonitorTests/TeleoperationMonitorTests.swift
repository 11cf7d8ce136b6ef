import Glibc
import Monitor
import Reactor
import TestSupport
import Usage
import Wire
import XCTest

/// Section 14: the monitor inside a program.
final class TeleoperationMonitorTests: XCTestCase {
    /// One that sees nothing but what it is given, and serves nobody.
    private func monitor(_ change: (inout MonitorOptions) -> Void = { _ in }) -> TeleoperationMonitor {
        var configuration = MonitorConfiguration()
        configuration.detectors = []
        configuration.detection.detectionInterval = .milliseconds(20)
        configuration.performance.alertCooldown = .zero
        configuration.sharedMemoryNamespace = "test_\(getpid())_\(UInt32.random(in: 0...UInt32.max))"
        var options = MonitorOptions(configuration)
        options.serves = false
        options.sharesMemory = false
        change(&options)
        return TeleoperationMonitor(options: options)
    }

    /// Answers what it is told to.
    private final class Fixed: BaseDetector, Sendable {
        private let answer: Lock<Result<Detection?, Failure>>
        private let delay: Int
        let asked = Lock(0)
        let stopped = Lock(false)
        private let signal = AsyncStream.makeStream(of: Void.self)

        struct Failure: Error {}

        init(_ answer: Result<Detection?, Failure>, delay milliseconds: Int = 0) {
            self.answer = Lock(answer)
            delay = milliseconds
        }

        func detect() async throws -> Detection? {
            asked.withLock { $0 += 1 }
            if delay > 0 { try? await Task.sleep(for: .milliseconds(delay)) }
            return try answer.withLock { $0 }.get()
        }

        func stop() async { stopped.withLock { $0 = true } }
        var changed: AsyncStream<Void>? { signal.stream }

        func change(to detection: Detection?) {
            answer.withLock { $0 = .success(detection) }
            signal.continuation.yield()
        }
    }

    private func wait(_ what: String, _ isTrue: () -> Bool) async throws {
        for _ in 0..<500 {
            if isTrue() { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        XCTFail("after 5 s still not: \(what)")
    }

    func testACustomDetectorMakesTheStateActive() async throws {
        let monitor = monitor(), detector = Fixed(.success(Detection(active: true, confidence: 85, operator: "custom_op")))
        try monitor.addDetector("custom", detector)
        XCTAssertFalse(monitor.getState().isActive)
        try await monitor.start()
        try await wait("active") { monitor.getState().isActive }
        let state = monitor.getState()
        XCTAssertEqual(state.operators, ["custom_op"])
        XCTAssertEqual(state.confidence, 85)
        XCTAssertEqual(state.reasons, ["custom: 85% confidence"])
        XCTAssertGreaterThan(monitor.getStats().detections, 0)
        monitor.removeDetector("custom")
        try await wait("inactive") { !monitor.getState().isActive }
        try await wait("stopped") { detector.stopped.withLock { $0 } }
        await monitor.stop()
    }

    func testAChangeIsAskedForAtOnce() async throws {
        let monitor = monitor { $0.configuration.detection.detectionInterval = .seconds(10) }
        let detector = Fixed(.success(Detection(active: false, confidence: 0)))
        try await monitor.start()
        try monitor.addDetector("custom", detector)
        try await wait("asked") { detector.asked.withLock { $0 } > 0 }
        detector.change(to: Detection(active: true, confidence: 90))
        try await wait("active") { monitor.getState().isActive }
        await monitor.stop()
    }

    func testALateDetectorCountsAsInactive() async throws {
        let monitor = monitor(), detector = Fixed(.success(Detection(active: true, confidence: 90)), delay: 1500)
        try monitor.addDetector("slow", detector)
        try await monitor.start()
        try await wait("reported") { monitor.getStats().errors == 1 }
        XCTAssertFalse(monitor.getState().isActive)
        await monitor.stop()
    }

    func testFiveFailuresInARowEndADetector() async throws {
        let monitor = monitor(), detector = Fixed(.failure(Fixed.Failure()))
        try monitor.addDetector("broken", detector)
        try await monitor.start()
        try await wait("given up") { detector.stopped.withLock { $0 } }
        XCTAssertEqual(detector.asked.withLock { $0 }, 5)
        try await wait("counted") { monitor.getStats().errors == 1 }
        await monitor.stop()
    }

    func testNamesAreChecked() throws {
        let monitor = monitor(), detector = Fixed(.success(nil))
        for name in ["webrtc", "", "Upper", "a b", String(repeating: "n", count: 33)] {
            XCTAssertThrowsError(try monitor.addDetector(name, detector), name) { XCTAssertTrue("\($0)".contains("1 to 32"), "\($0)") }
        }
        try monitor.addDetector("mine", detector)
        XCTAssertThrowsError(try monitor.addDetector("mine", detector)) { XCTAssertTrue("\($0)".contains("already"), "\($0)") }
    }

    func testMetricsChecksAndCallbacks() async throws {
        let monitor = monitor(), alerts = Lock<[Alert]>([])
        monitor.metricsCollector.addAlertCheck { metrics in
            metrics["custom_metric", default: 0] > 100 ? AlertResult(severity: .critical, message: "exceeded") : nil
        }
        monitor.metricsCollector.addAlertCallback { alert in alerts.withLock { $0.append(alert) } }
        try await monitor.start()
        for value in [41.0, 42, 142.5] { monitor.metricsCollector.recordMetric(name: "custom_metric", value: value, tags: ["source": "t"]) }
        let summary = try XCTUnwrap(monitor.metricsCollector.getSummary("custom_metric"))
        XCTAssertEqual([summary.minimum, summary.maximum, summary.median], [41, 142.5, 42])
        XCTAssertEqual(summary.count, 3)
        try await wait("an alert") { alerts.withLock { !$0.isEmpty } }
        let alert = try XCTUnwrap(alerts.withLock { $0.first })
        XCTAssertEqual([alert.metric, alert.severity.rawValue, alert.reason], ["custom_1", "critical", "exceeded"])
        XCTAssertNil(monitor.metricsCollector.getSummary("nothing"))
        try await wait("own figures") { monitor.metricsCollector.getSummary("memory_usage_mb") != nil }
        await monitor.stop()
    }

    func testItStartsAgainAndSharesItsMemory() async throws {
        let monitor = monitor { $0.sharesMemory = true }
        for _ in 0..<2 {
            try await monitor.start()
            do {
                try await monitor.start()
                XCTFail("started twice")
            } catch { XCTAssertTrue("\(error)".contains("already"), "\(error)") }
            await monitor.stop()
        }
    }

    func testAPortThatIsTakenIsSaid() async throws {
        let first = monitor { options in
            options.serves = true
            options.bind = IPAddress(127, 0, 0, 1)
            options.configuration.webSocketPort = 0
        }
        try await first.start()
        let port = try XCTUnwrap(first.address).port
        let second = monitor { options in
            options.serves = true
            options.bind = IPAddress(127, 0, 0, 1)
            options.configuration.webSocketPort = port
        }
        do {
            try await second.start()
            XCTFail("the port was free")
        } catch { XCTAssertEqual("\(error)", "Port \(port) is already in use") }
        await first.stop()
    }
}
