import Wire

/// The samples of one metric: at most 1024, of a longer window every k-th (section 10).
struct MetricSeries: Sendable {
    private var times: [Instant] = []
    private var values: [Double] = []
    /// Those before it have gone.
    private var first = 0
    /// Every so many samples one is kept.
    private var stride = 1
    private var skipped = 0
    private(set) var latest = 0.0
    private(set) var updated: Instant

    static let most = 1024
    /// With fewer in the window than this every sample is kept again.
    private static let few = most / 4

    init(at now: Instant) { updated = now }

    var count: Int { times.count - first }
    var oldest: Instant? { first < times.count ? times[first] : nil }

    /// `window`: what is older is forgotten.
    mutating func append(_ value: Double, at now: Instant, window: Duration) {
        (latest, updated) = (value, now)
        forget(before: now - window)
        if count < Self.few { stride = 1 }
        skipped += 1
        guard skipped >= stride else { return }
        skipped = 0
        if count == Self.most { thin() }
        times.append(now)
        values.append(value)
    }

    mutating func forget(before then: Instant) {
        while first < times.count, times[first] < then { first += 1 }
        compact()
    }

    mutating func dropOldest() {
        guard first < times.count else { return }
        first += 1
        compact()
    }

    private mutating func compact() {
        guard first >= 64, first * 2 >= times.count else { return }
        times.removeFirst(first)
        values.removeFirst(first)
        first = 0
    }

    private mutating func thin() {
        times = Swift.stride(from: first + 1, to: times.count, by: 2).map { times[$0] }
        values = Swift.stride(from: first + 1, to: values.count, by: 2).map { values[$0] }
        first = 0
        stride *= 2
    }

    /// Calls `body` with each value since `then`.
    func forEach(since then: Instant, _ body: (Instant, Double) -> Void) {
        var index = lowerBound(then)
        while index < times.count {
            body(times[index], values[index])
            index += 1
        }
    }

    func values(since then: Instant) -> [Double] { Array(values[lowerBound(then)...]) }

    private func lowerBound(_ then: Instant) -> Int {
        var (low, high) = (first, times.count)
        while low < high {
            let middle = (low + high) / 2
            if times[middle] < then { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
