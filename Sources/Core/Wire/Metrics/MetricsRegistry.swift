/// All metrics of a program in the order in which they were made, and their text.
///
/// Made, and read, on one thread; what it hands out is counted from any. Names that break the grammar or come twice are programming errors.
public final class MetricsRegistry {
    struct Entry {
        let name: String
        let help: String
        let type: MetricType
        let labels: [String]
        /// Hands on each member: its label values, its figures.
        let read: (_ member: ([String], MetricFigures) -> Void) -> Void
    }

    private var entries: [Entry] = []
    private var names: Set<String> = []
    private var preparations: [() -> Void] = []

    /// `Content-Type` of `text()`.
    public static let textType = "text/plain; version=0.0.4; charset=utf-8"

    public init() {}

    // MARK: single metrics

    /// By custom a counter's name ends with its unit and `_total`: `waldo_sent_bytes_total`.
    public func counter(_ name: String, _ help: String) -> Counter { add(name, help, Counter()) }
    public func gauge(_ name: String, _ help: String) -> Gauge { add(name, help, Gauge()) }
    public func histogram(_ name: String, _ help: String, bounds: [Double] = Histogram.durations) -> Histogram {
        add(name, help, Histogram(bounds: bounds))
    }

    /// Figures that somebody else keeps: asked for whenever the registry is read, on the thread that reads it.
    public func counter(_ name: String, _ help: String, read: @escaping () -> Double) { add(name, help, .counter, read) }
    public func gauge(_ name: String, _ help: String, read: @escaping () -> Double) { add(name, help, .gauge, read) }

    /// Runs before each reading: for what several figures are taken from.
    public func beforeReading(_ body: @escaping () -> Void) { preparations.append(body) }

    // MARK: families

    /// `limit`: members at most, see `MetricFamily`.
    public func counters(_ name: String, _ help: String, labels: [String], limit: Int = 100) -> MetricFamily<Counter> {
        add(name, help, MetricFamily(labels: labels, limit: limit) { Counter() })
    }

    public func gauges(_ name: String, _ help: String, labels: [String], limit: Int = 100) -> MetricFamily<Gauge> {
        add(name, help, MetricFamily(labels: labels, limit: limit) { Gauge() })
    }

    public func histograms(
        _ name: String, _ help: String, labels: [String], bounds: [Double] = Histogram.durations, limit: Int = 100
    ) -> MetricFamily<Histogram> {
        add(name, help, MetricFamily(labels: labels, limit: limit) { Histogram(bounds: bounds) })
    }

    // MARK: adding

    private func add<Member: Metric>(_ name: String, _ help: String, _ metric: Member) -> Member {
        add(Entry(name: name, help: help, type: Member.type, labels: []) { $0([], metric.figures) })
        return metric
    }

    private func add<Member: Metric>(_ name: String, _ help: String, _ family: MetricFamily<Member>) -> MetricFamily<Member> {
        add(
            Entry(name: name, help: help, type: Member.type, labels: family.labels) { member in
                family.forEach { member($0, $1.figures) }
            })
        return family
    }

    private func add(_ name: String, _ help: String, _ type: MetricType, _ read: @escaping () -> Double) {
        add(Entry(name: name, help: help, type: type, labels: []) { $0([], .number(read())) })
    }

    private func add(_ entry: Entry) {
        let taken = entry.type == .histogram ? ["", "_bucket", "_sum", "_count"].map { entry.name + $0 } : [entry.name]
        precondition(MetricName.isMetric(entry.name), "no metric name: \(entry.name)")
        for name in taken { precondition(names.insert(name).inserted, "two metrics write \(name)") }
        entries.append(entry)
    }

    func forEach(_ body: (Entry) -> Void) {
        for prepare in preparations { prepare() }
        for entry in entries { body(entry) }
    }
}
