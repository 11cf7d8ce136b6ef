import Wire

/// All metrics (section 10): those of the monitor, and custom ones. At most 256, with at most 40 000 samples in all.
public struct MetricStore: Sendable {
    /// Names of at most 64 bytes.
    private var series: [String: MetricSeries] = [:]
    /// Of the latest sample, where it had any.
    private var tags: [String: [(String, String)]] = [:]
    private var samples = 0
    private let window: Duration

    public static let mostMetrics = 256
    static let mostSamples = 40_000
    static let longestName = 64
    static let mostTags = 8

    /// The monitor's own, which never give way.
    public static let builtIn = [
        "latency_ms", "bandwidth_mbps", "packet_loss_pct", "fps", "command_rate_hz", "cpu_usage_pct", "memory_usage_mb",
    ]

    public init(window: Duration) { self.window = window }

    /// A number that is not finite, and a name that is empty or too long, are refused.
    @discardableResult
    public mutating func record(_ name: String, _ value: Double, tags given: [(String, String)] = [], at now: Instant) -> Bool {
        guard value.isFinite, !name.isEmpty, name.utf8.count <= Self.longestName else { return false }
        if series[name] == nil {
            makeRoom()
            series[name] = MetricSeries(at: now)
        }
        let before = series[name]?.count ?? 0
        series[name]?.append(value, at: now, window: window)
        samples += (series[name]?.count ?? 0) - before
        if !given.isEmpty { tags[name] = Array(given.prefix(Self.mostTags)) }
        while samples > Self.mostSamples { dropOldestSample() }
        return true
    }

    private mutating func makeRoom() {
        guard series.count >= Self.mostMetrics else { return }
        let custom = series.filter { !Self.builtIn.contains($0.key) }
        guard let oldest = custom.min(by: { ($0.value.updated, $0.key) < ($1.value.updated, $1.key) }) else { return }
        samples -= oldest.value.count
        series[oldest.key] = nil
        tags[oldest.key] = nil
    }

    private mutating func dropOldestSample() {
        let oldest = series.min { ($0.value.oldest ?? .distantFuture, $0.key) < ($1.value.oldest ?? .distantFuture, $1.key) }
        guard let name = oldest?.key else { return }
        series[name]?.dropOldest()
        samples -= 1
    }

    /// Forgets what has left the window.
    public mutating func forget(at now: Instant) {
        for name in Array(series.keys) {
            let before = series[name]?.count ?? 0
            series[name]?.forget(before: now - window)
            samples += (series[name]?.count ?? 0) - before
        }
    }

    public var sampleCount: Int { samples }
    public var names: [String] { series.keys.sorted() }
    public var customNames: [String] { names.filter { !Self.builtIn.contains($0) } }
    public func latest(_ name: String) -> Double? { series[name]?.latest }
    public func tags(of name: String) -> [(String, String)] { tags[name] ?? [] }
    public var latestValues: [String: Double] { series.mapValues(\.latest) }

    /// nil: no samples in it.
    public func summary(_ name: String, over window: Duration, at now: Instant) -> MetricSummary? {
        guard let series = series[name] else { return nil }
        return MetricSummary(name: name, series.values(since: now - window), window: window)
    }

    package struct Extent {
        var count = 0
        var sum = 0.0
        var maximum = -Double.infinity
        var first: Instant?
        var last: Instant?
    }

    /// What the alerts ask of a window, without sorting it.
    package func extent(_ name: String, over window: Duration, at now: Instant) -> Extent {
        var extent = Extent()
        series[name]?.forEach(since: now - window) { time, value in
            extent.count += 1
            extent.sum += value
            extent.maximum = max(extent.maximum, value)
            if extent.first == nil { extent.first = time }
            extent.last = time
        }
        return extent
    }
}
