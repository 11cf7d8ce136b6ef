import Dispatch
import Wire
import XCTest

/// What is counted, and how it is written: Prometheus text exposition 0.0.4, and JSON.
final class MetricsTests: XCTestCase {
    private func text(_ registry: MetricsRegistry) -> String { String(decoding: registry.text(), as: UTF8.self) }

    func testSingleMetricsAreWrittenWithHelpAndType() {
        let registry = MetricsRegistry()
        let packets = registry.counter("waldo_packets_total", "Packets\nof \"all\" \\ kinds")
        let heat = registry.gauge("waldo_heat_celsius", "Heat")
        var asked = 0
        registry.beforeReading { asked += 1 }
        registry.counter("waldo_encode_seconds_total", "Time") { 1.5 * Double(asked) }
        packets.add()
        packets.add(41)
        heat.set(20.5)
        heat.add(-1)
        XCTAssertEqual(
            text(registry),
            """
            # HELP waldo_packets_total Packets\\nof "all" \\\\ kinds
            # TYPE waldo_packets_total counter
            waldo_packets_total 42
            # HELP waldo_heat_celsius Heat
            # TYPE waldo_heat_celsius gauge
            waldo_heat_celsius 19.5
            # HELP waldo_encode_seconds_total Time
            # TYPE waldo_encode_seconds_total counter
            waldo_encode_seconds_total 1.5

            """)
        XCTAssertTrue(text(registry).hasSuffix("waldo_encode_seconds_total 3\n"), "asked again for each reading")
    }

    func testHistogramsWriteGrowingBucketsToInfinity() {
        let registry = MetricsRegistry()
        let sizes = registry.histogram("waldo_sizes", "Sizes", bounds: [0.5, 1, 2.25])
        for value in [0.5, 0.75, 1, 2, 3, 1e9] { sizes.observe(value) }
        sizes.observe(.nan)
        XCTAssertEqual(
            text(registry),
            """
            # HELP waldo_sizes Sizes
            # TYPE waldo_sizes histogram
            waldo_sizes_bucket{le="0.5"} 1
            waldo_sizes_bucket{le="1"} 3
            waldo_sizes_bucket{le="2.25"} 4
            waldo_sizes_bucket{le="+Inf"} 7
            waldo_sizes_sum 1000000007.25
            waldo_sizes_count 7

            """)
        let waits = registry.histogram("waldo_wait_seconds", "Waits")
        waits.observe(Duration.milliseconds(3))
        XCTAssertEqual(
            waits.figures,
            .histogram(bounds: Histogram.durations, cumulative: [0, 0, 0, 0, 0] + [Int](repeating: 1, count: 12), sum: 0.003))
    }

    func testLabelsTellMembersApartAndAreEscaped() {
        let registry = MetricsRegistry()
        let requests = registry.counters("waldo_requests_total", "Requests", labels: ["method", "path"])
        requests.member("GET", "/a\"b\\c\nd").add(2)
        let kept = requests.member("POST", "/")
        kept.add(3)
        XCTAssertTrue(kept === requests.member("POST", "/"))
        let times = registry.histograms("waldo_times", "Times", labels: ["kind"], bounds: [1])
        times.member("a").observe(0.5)
        let lines = text(registry).split(separator: "\n").filter { !$0.hasPrefix("#") }
        XCTAssertEqual(
            lines,
            [
                #"waldo_requests_total{method="GET",path="/a\"b\\c\nd"} 2"#, #"waldo_requests_total{method="POST",path="/"} 3"#,
                #"waldo_times_bucket{kind="a",le="1"} 1"#, #"waldo_times_bucket{kind="a",le="+Inf"} 1"#, #"waldo_times_sum{kind="a"} 0.5"#,
                #"waldo_times_count{kind="a"} 1"#,
            ])
        requests.remove("GET", "/a\"b\\c\nd")
        XCTAssertFalse(text(registry).contains("GET"))
        XCTAssertTrue(kept === requests.member("POST", "/"), "still found at its new place")
    }

    func testAFamilyBeyondItsLimitCountsOnItsOverflowMember() {
        let registry = MetricsRegistry()
        let family = registry.gauges("waldo_robots", "Robots", labels: ["name", "place"], limit: 3)
        for index in 0..<10_000 { family.member("r\(index)", "x").add() }
        XCTAssertEqual(family.overflows, 9997)
        XCTAssertEqual(
            text(registry).split(separator: "\n").dropFirst(2),
            [
                #"waldo_robots{name="r0",place="x"} 1"#, #"waldo_robots{name="r1",place="x"} 1"#, #"waldo_robots{name="r2",place="x"} 1"#,
                #"waldo_robots{name="overflow",place="overflow"} 9997"#,
            ])
        family.remove("r1", "x")
        family.member("new", "x").add()
        XCTAssertTrue(text(registry).contains("new"), "a place that became free is taken")
    }

    func testAMemberThatIsNamedAsTheOverflowIsWrittenOnce() {
        let registry = MetricsRegistry()
        let family = registry.gauges("waldo_robots", "Robots", labels: ["name"], limit: 1)
        for name in ["overflow", "a", "b"] { family.member(name).add() }
        XCTAssertEqual(
            text(registry).split(separator: "\n").dropFirst(2),
            [#"waldo_robots{name="a"} 1"#, #"waldo_robots{name="overflow"} 2"#])
    }

    func testJSONHasTheSameFigures() throws {
        let registry = MetricsRegistry()
        registry.counters("a_total", "A", labels: ["x"]).member("1").add(7)
        registry.histogram("h", "H", bounds: [1, 2]).observe(1.5)
        registry.gauge("g", "G").set(.infinity)
        XCTAssertEqual(
            registry.json().description,
            #"{"a_total":{"type":"counter","help":"A","values":[{"labels":{"x":"1"},"value":7}]},"#
                + #""h":{"type":"histogram","help":"H","values":[{"count":1,"sum":1.5,"buckets":[{"le":1,"count":0},{"le":2,"count":1}]}]},"#
                + #""g":{"type":"gauge","help":"G","values":[{"value":null}]}}"#)
    }

    func testNumbersAreWrittenAsScrapersReadThem() {
        let registry = MetricsRegistry()
        let gauge = registry.gauge("g", "")
        for (value, expected) in [
            (0.0, "0"), (-3, "-3"), (0.1, "0.1"), (1e20, "1e+20"), (.infinity, "+Inf"), (-.infinity, "-Inf"), (.nan, "NaN"), (-0.0, "0"),
        ] {
            gauge.set(value)
            XCTAssertEqual(text(registry).split(separator: "\n").last, "g \(expected)")
        }
    }

    func testNamesFollowTheGrammar() {
        for name in ["a", "_", "waldo:x_total", "A9"] { XCTAssertTrue(MetricName.isMetric(name), name) }
        for name in ["", "9a", "a-b", "a b", "ä", "a{", "a\n"] { XCTAssertFalse(MetricName.isMetric(name), name) }
        for name in ["a", "_a9"] { XCTAssertTrue(MetricName.isLabel(name), name) }
        for name in ["", "__a", "a:b", "le", "0", "a\""] { XCTAssertFalse(MetricName.isLabel(name), name) }
    }

    func testThreadsCountWithoutLosingAny() {
        let registry = MetricsRegistry()
        let counter = registry.counter("c_total", ""), gauge = registry.gauge("g", ""), histogram = registry.histogram("h", "", bounds: [1])
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            for _ in 0..<10_000 {
                counter.add()
                gauge.add()
                histogram.observe(2)
            }
        }
        XCTAssertEqual(counter.value, 40_000)
        XCTAssertEqual(gauge.value, 40_000)
        XCTAssertEqual(histogram.figures, .histogram(bounds: [1], cumulative: [0, 40_000], sum: 80_000))
    }
}
