import Wire

/// The last alerts, and which are silent for now (section 11).
public struct AlertBook: Sendable {
    /// Oldest first, at most 100.
    public private(set) var alerts: [Alert] = []
    /// Since the start, by metric and severity.
    public private(set) var counts: [Count] = []
    private var raised: [String: Instant] = [:]
    private let cooldown: Duration

    public struct Count: Sendable, Equatable {
        public var metric: String
        public var severity: Alert.Severity
        public var count: Int
    }

    static let most = 100
    /// Names that are remembered at most: those of metrics, and of custom checks and plug-ins.
    private static let mostNames = 512

    init(cooldown: Duration) { self.cooldown = cooldown }

    func isSilent(_ metric: String, at now: Instant) -> Bool {
        guard let last = raised[metric] else { return false }
        return now - last < cooldown
    }

    mutating func add(_ alert: Alert, at now: Instant) {
        if raised.count >= Self.mostNames, raised[alert.metric] == nil,
            let oldest = raised.min(by: { ($0.value, $0.key) < ($1.value, $1.key) })
        {
            raised[oldest.key] = nil
        }
        raised[alert.metric] = now
        if alerts.count == Self.most { alerts.removeFirst() }
        alerts.append(alert)
        if let index = counts.firstIndex(where: { $0.metric == alert.metric && $0.severity == alert.severity }) {
            counts[index].count += 1
        } else if counts.count < Self.mostNames {
            counts.append(Count(metric: alert.metric, severity: alert.severity, count: 1))
        }
    }
}
