import Wire

/// The view ages of the last second, and their 95th percentile: τ (specs: safety clause 3.9).
struct DelayWindow: Sendable {
    /// Clients send at most 60 commands a second; of more, the newest count.
    private var samples = Ring<Sample>(limit: 128)

    private struct Sample: Sendable {
        var time: Instant
        var age: Duration
    }

    mutating func add(_ age: Duration, at now: Instant) {
        if samples.isFull { _ = samples.popFirst() }
        _ = samples.append(Sample(time: now, age: age))
    }

    /// By nearest rank; nil without a sample.
    mutating func percentile95(at now: Instant) -> Duration? {
        while let first = samples.first, now - first.time > .seconds(1) { _ = samples.popFirst() }
        guard !samples.isEmpty else { return nil }
        var sorted: [Duration] = []
        for i in 0..<samples.count { sorted.append(samples[i].age) }
        sorted.sort()
        return sorted[(sorted.count * 95 + 99) / 100 - 1]
    }
}
