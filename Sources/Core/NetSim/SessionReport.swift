import RTC
import Wire

/// What was seen of one session.
public struct SessionReport: Sendable {
    /// Broken promises, in words; empty: all went as it must.
    public var problems: [String] = []
    public var connectedAfter: Duration?
    public var framesSent = 0
    public var framesReceived = 0
    public var keyFramesReceived = 0
    public var framesCorrupted = 0
    public var messagesSent = 0
    public var messagesReceived = 0
    /// When frames came, after the first connection.
    public var arrivals: [Instant] = []
    /// From capture to the last packet.
    public var latencies: [Duration] = []
    /// What waited before the robot's uplink, every 10 ms from the first connection.
    public var queueDelays: [Duration] = []
    /// Bytes that went through the robot's uplink, with headers, every 100 ms from the first connection.
    public var bytesEach100Milliseconds: [Int] = []
    public var targets: [(at: Instant, bitrate: Int)] = []
    public var connectedAt: Instant?
    /// Who came to which state when.
    public var states: [String] = []
    /// Lines of the robot's trace, where the scenario asks for it.
    public var traces: [String] = []
    public var robotStatistics: PeerStatistics?
    public var viewerStatistics: PeerStatistics?
    public var uplink = LinkStatistics()

    /// The longest time without a new frame within a span after the connection.
    public func longestGap(from start: Duration, to end: Duration) -> Duration {
        guard let connectedAt else { return end - start }
        let first = connectedAt + start, last = connectedAt + end
        var previous = first, longest = Duration.zero
        for at in arrivals where at >= first && at <= last {
            longest = max(longest, at - previous)
            previous = at
        }
        return max(longest, last - previous)
    }

    /// Gaps over 300 ms.
    public func freezes(from start: Duration, to end: Duration) -> [Duration] {
        guard let connectedAt else { return [] }
        var previous = connectedAt + start, found: [Duration] = []
        for at in arrivals where at >= connectedAt + start && at <= connectedAt + end {
            if at - previous > .milliseconds(300) { found.append(at - previous) }
            previous = at
        }
        if connectedAt + end - previous > .milliseconds(300) { found.append(connectedAt + end - previous) }
        return found
    }

    /// Bit/s through the robot's uplink.
    public func bitrate(from start: Duration, to end: Duration) -> Double {
        let first = Int(start.wholeMilliseconds / 100), last = min(Int(end.wholeMilliseconds / 100), bytesEach100Milliseconds.count)
        guard last > first else { return 0 }
        return Double(bytesEach100Milliseconds[first..<last].reduce(0, +)) * 80 / Double(last - first)
    }

    /// The delay that all but 1 − `quantile` of the samples stay under.
    public func queueDelay(_ quantile: Double, from start: Duration, to end: Duration) -> Duration {
        let first = Int(start.wholeMilliseconds / 10), last = min(Int(end.wholeMilliseconds / 10), queueDelays.count)
        guard last > first else { return .zero }
        return Self.quantile(quantile, of: Array(queueDelays[first..<last]))
    }

    public func latency(_ quantile: Double) -> Duration { Self.quantile(quantile, of: latencies) }

    private static func quantile(_ quantile: Double, of values: [Duration]) -> Duration {
        guard !values.isEmpty else { return .zero }
        let sorted = values.sorted()
        return sorted[min(Int(Double(sorted.count) * quantile), sorted.count - 1)]
    }
}
