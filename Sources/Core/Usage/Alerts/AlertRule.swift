import Wire

/// When a metric is worth an alert (section 11).
package struct AlertRule {
    enum Kind { case meanAbove, maximumAbove, meanBelow }

    package let metric: String
    let kind: Kind
    let threshold: Double
    let event: UsageEvent.Kind
    /// Looked at for at most so long.
    let longest: Duration

    package static func all(_ thresholds: MonitorConfiguration.AlertThresholds) -> [AlertRule] {
        let whole = Duration.seconds(3600), short = Duration.seconds(30)
        return [
            AlertRule("latency_ms", .meanAbove, thresholds.latencyMs, .latencyWarning, whole),
            AlertRule("bandwidth_mbps", .maximumAbove, thresholds.bandwidthMbps, .bandwidthWarning, whole),
            AlertRule("packet_loss_pct", .meanAbove, thresholds.packetLossPct, .packetLossWarning, whole),
            AlertRule("fps", .meanBelow, thresholds.fps, .fpsWarning, short),
            AlertRule("command_rate_hz", .meanBelow, thresholds.commandRateHz, .commandRateWarning, short),
            AlertRule("cpu_usage_pct", .meanAbove, thresholds.cpuUsagePct, .resourceWarning, whole),
            AlertRule("memory_usage_mb", .maximumAbove, thresholds.memoryUsageMb, .resourceWarning, whole),
        ]
    }

    private init(_ metric: String, _ kind: Kind, _ threshold: Double, _ event: UsageEvent.Kind, _ longest: Duration) {
        (self.metric, self.kind, self.threshold, self.event, self.longest) = (metric, kind, threshold, event, longest)
    }

    /// nil: nothing is wrong, or too little is known: fewer than 3 samples, or all within a second.
    package func reason(_ extent: MetricStore.Extent) -> String? {
        guard extent.count >= 3, let first = extent.first, let last = extent.last, last - first >= .seconds(1) else { return nil }
        let mean = extent.sum / Double(extent.count), limit = JSON.double(threshold).description
        switch kind {
        case .meanAbove where mean > threshold: return "Mean \(Self.twoDecimals(mean)) exceeds threshold \(limit)"
        case .maximumAbove where extent.maximum > threshold: return "Max \(Self.twoDecimals(extent.maximum)) exceeds threshold \(limit)"
        case .meanBelow where mean < threshold: return "Mean \(Self.twoDecimals(mean)) below threshold \(limit)"
        default: return nil
        }
    }

    static func twoDecimals(_ value: Double) -> String {
        guard value.magnitude < 1e15 else { return value.description }
        let hundredths = Int64((value * 100).rounded()), fraction = hundredths.magnitude % 100
        return (hundredths < 0 ? "-" : "") + "\(hundredths.magnitude / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    }
}
