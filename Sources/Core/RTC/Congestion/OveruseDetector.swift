import Wire

/// Tells from the trend of the one-way delay whether the path is asked for more than it carries
/// (draft-ietf-rmcat-gcc-02 clauses 5.3 and 5.4, with a line fitted through the smoothed delays in place of a Kalman filter).
package struct OveruseDetector: Sendable {
    package enum Usage: Sendable { case normal, over, under }

    package private(set) var usage = Usage.normal
    /// Of the scaled trend, in milliseconds; follows what the path does by itself.
    package private(set) var threshold = 12.5
    /// Milliseconds, scaled to what `threshold` is compared with.
    package private(set) var trend = 0.0

    private static let window = 20
    private static let smoothing = 0.9
    private static let gain = 4.0
    private static let rise = 0.0087, fall = 0.039

    /// Arrival and smoothed delay, milliseconds; the last `window`, in a ring.
    private var times = InlineArray<20, Double>(repeating: 0)
    private var delays = InlineArray<20, Double>(repeating: 0)
    private var count = 0
    private var first: Instant?
    private var accumulated = 0.0
    private var smoothed = 0.0
    private var overFor = -1.0
    private var overCount = 0
    private var previousTrend = 0.0
    private var lastUpdate: Instant?

    package init() {}

    package mutating func add(_ delta: ArrivalGroups.Delta) {
        let start = first ?? delta.arrival
        first = start
        accumulated += (delta.arrived - delta.sent).milliseconds
        smoothed = Self.smoothing * smoothed + (1 - Self.smoothing) * accumulated
        times[count % Self.window] = (delta.arrival - start).milliseconds
        delays[count % Self.window] = smoothed
        count += 1
        let slope = count >= Self.window ? fittedSlope() : 0
        detect(slope, sendDelta: delta.sent.milliseconds, at: delta.arrival)
    }

    /// Least squares.
    private func fittedSlope() -> Double {
        var meanTime = 0.0, meanDelay = 0.0
        for i in 0..<Self.window {
            meanTime += times[i]
            meanDelay += delays[i]
        }
        meanTime /= Double(Self.window)
        meanDelay /= Double(Self.window)
        var numerator = 0.0, denominator = 0.0
        for i in 0..<Self.window {
            let x = times[i] - meanTime
            numerator += x * (delays[i] - meanDelay)
            denominator += x * x
        }
        return denominator > 0 ? numerator / denominator : previousTrend
    }

    private mutating func detect(_ slope: Double, sendDelta: Double, at arrival: Instant) {
        trend = Double(min(count, 60)) * slope * Self.gain
        if trend > threshold {
            overFor = overFor < 0 ? sendDelta / 2 : overFor + sendDelta
            overCount += 1
            if overFor > 10, overCount > 1, slope >= previousTrend {
                overFor = 0
                overCount = 0
                usage = .over
            }
        } else {
            overFor = -1
            overCount = 0
            usage = trend < -threshold ? .under : .normal
        }
        previousTrend = slope
        adapt(at: arrival)
    }

    /// Follows small trends, so that a path with its own jitter is not taken for a full one; jumps are not followed.
    private mutating func adapt(at arrival: Instant) {
        defer { lastUpdate = arrival }
        guard let lastUpdate, abs(trend) <= threshold + 15 else { return }
        let k = abs(trend) < threshold ? Self.fall : Self.rise
        let elapsed = min((arrival - lastUpdate).milliseconds, 100)
        threshold += k * (abs(trend) - threshold) * elapsed
        threshold = min(max(threshold, 6), 600)
    }
}
