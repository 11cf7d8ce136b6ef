import Wire

/// What is wrong with a metric, or what a custom check says (section 11).
public struct Alert: Sendable, Equatable {
    public enum Severity: String, CaseIterable, Sendable { case info, warning, critical }

    /// Microseconds since 1970.
    public var timestamp: Int64
    /// A metric's name, or a custom check's.
    public var metric: String
    public var severity: Severity
    public var reason: String
    /// nil: of a custom check.
    public var summary: MetricSummary?

    public init(timestamp: Int64, metric: String, severity: Severity, reason: String, summary: MetricSummary?) {
        (self.timestamp, self.metric, self.severity) = (timestamp, metric, severity)
        (self.reason, self.summary) = (reason, summary)
    }

    public var json: JSON {
        var object = JSONObject([
            ("timestamp", .string(WallClock.text(timestamp))), ("metric", .string(metric)), ("severity", .string(severity.rawValue)),
            ("reason", .string(reason)),
        ])
        if summary == nil { object["message"] = .string(reason) }
        object["summary"] = summary?.json ?? .null
        return .object(object)
    }
}
