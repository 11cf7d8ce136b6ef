import Wire

/// A metric over a window (section 10).
public struct MetricSummary: Sendable, Equatable {
    public var name: String
    /// 1 or more.
    public var count: Int
    public var mean: Double
    public var median: Double
    /// Of a sample; 0 for one.
    public var standardDeviation: Double
    public var minimum: Double
    public var maximum: Double
    public var p95: Double
    public var p99: Double
    /// Samples a second of the window.
    public var rate: Double

    /// nil without samples. `window`: more than 0.
    public init?(name: String, _ values: [Double], window: Duration) {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted(), count = values.count
        let mean = values.reduce(0, +) / Double(count)
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        (self.name, self.count, self.mean) = (name, count, mean)
        median = count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2
        standardDeviation = count > 1 ? (squares / Double(count - 1)).squareRoot() : 0
        (minimum, maximum) = (sorted[0], sorted[count - 1])
        p95 = sorted[min(Int(Double(count) * 0.95), count - 1)]
        p99 = sorted[min(Int(Double(count) * 0.99), count - 1)]
        rate = Double(count) / window.seconds
    }

    public var json: JSON {
        [
            "name": .string(name), "count": .integer(Int64(count)), "mean": .double(mean), "median": .double(median),
            "std_dev": .double(standardDeviation), "min_value": .double(minimum), "max_value": .double(maximum), "p95": .double(p95),
            "p99": .double(p99), "rate": .double(rate),
        ]
    }
}
