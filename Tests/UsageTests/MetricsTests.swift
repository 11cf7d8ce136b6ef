import Usage
import Wire
import XCTest

/// Sections 10 and 11.
final class MetricsTests: XCTestCase {
    private func at(_ seconds: Double) -> Instant { .zero + .seconds(seconds) }

    func testSummary() throws {
        let summary = try XCTUnwrap(MetricSummary(name: "m", (1...100).map(Double.init).reversed(), window: .seconds(50)))
        XCTAssertEqual(summary.count, 100)
        XCTAssertEqual(summary.mean, 50.5)
        XCTAssertEqual(summary.median, 50.5)
        XCTAssertEqual(summary.standardDeviation, 29.011491975882016, accuracy: 1e-9)
        XCTAssertEqual([summary.minimum, summary.maximum, summary.p95, summary.p99, summary.rate], [1, 100, 96, 100, 2])
        XCTAssertEqual(MetricSummary(name: "m", [3], window: .seconds(1))?.standardDeviation, 0)
        XCTAssertNil(MetricSummary(name: "m", [], window: .seconds(1)))
    }

    func testSamplesLeaveTheWindow() {
        var store = MetricStore(window: .seconds(10))
        for second in 0..<100 { store.record("m", Double(second), at: at(Double(second))) }
        XCTAssertEqual(store.summary("m", over: .seconds(10), at: at(99))?.minimum, 89)
        XCTAssertEqual(store.summary("m", over: .seconds(3), at: at(99))?.count, 4)
        store.forget(at: at(200))
        XCTAssertNil(store.summary("m", over: .seconds(10), at: at(200)))
        XCTAssertEqual(store.sampleCount, 0)
    }

    /// A window of an hour at ten samples a second keeps every k-th of them, and they still span the hour.
    func testLongWindowsAreThinned() throws {
        var store = MetricStore(window: .seconds(3600))
        for step in 0..<36_000 { store.record("m", Double(step), at: at(Double(step) / 10)) }
        let summary = try XCTUnwrap(store.summary("m", over: .seconds(3600), at: at(3600)))
        XCTAssertLessThanOrEqual(store.sampleCount, 1024)
        XCTAssertGreaterThan(summary.count, 500)
        XCTAssertLessThan(summary.minimum, 100)
        XCTAssertEqual(summary.mean, 18_000, accuracy: 200)
    }

    func testTablesStayBounded() {
        var store = MetricStore(window: .seconds(3600))
        for name in MetricStore.builtIn { store.record(name, 1, at: at(0)) }
        for step in 0..<10 {
            for index in 0..<200 { store.record("custom_\(step)_\(index)", 1, at: at(Double(step))) }
        }
        XCTAssertEqual(store.names.count, 256)
        XCTAssertTrue(Set(MetricStore.builtIn).isSubset(of: store.names), "the monitor's own never give way")
        var full = MetricStore(window: .seconds(3600))
        for index in 0..<100 { for step in 0..<1000 { full.record("c\(index)", 1, at: at(Double(step) / 1000 + Double(index))) } }
        XCTAssertLessThanOrEqual(full.sampleCount, 40_000)
    }

    func testWhatIsNoNumberIsRefused() {
        var store = MetricStore(window: .seconds(10))
        XCTAssertFalse(store.record("m", .nan, at: at(0)))
        XCTAssertFalse(store.record("m", .infinity, at: at(0)))
        XCTAssertFalse(store.record("", 1, at: at(0)))
        XCTAssertFalse(store.record(String(repeating: "n", count: 65), 1, at: at(0)))
        XCTAssertEqual(store.names, [])
    }

    func testReasonTexts() {
        let rules = Dictionary(uniqueKeysWithValues: AlertRule.all(MonitorConfiguration.AlertThresholds()).map { ($0.metric, $0) })
        func reason(_ metric: String, _ values: [Double], step: Double = 1) -> String? {
            var store = MetricStore(window: .seconds(60))
            for (index, value) in values.enumerated() { store.record(metric, value, at: at(Double(index) * step)) }
            return rules[metric]?.reason(store.extent(metric, over: .seconds(60), at: at(Double(values.count) * step)))
        }
        XCTAssertEqual(reason("latency_ms", [100, 123.45, 146.9]), "Mean 123.45 exceeds threshold 100")
        XCTAssertEqual(reason("bandwidth_mbps", [1, 61.2, 1]), "Max 61.20 exceeds threshold 50")
        XCTAssertEqual(reason("fps", [9.8, 9.8, 9.8]), "Mean 9.80 below threshold 15")
        XCTAssertNil(reason("latency_ms", [100, 100, 100]))
        XCTAssertNil(reason("latency_ms", [1000, 1000]), "fewer than 3 samples")
        XCTAssertNil(reason("latency_ms", [1000, 1000, 1000], step: 0.4), "within a second")
    }
}
