import Synchronization

/// How often values fell where: one count for each bound, one for what is above all, and the sum. From any thread, without an allocation.
public final class Histogram: Metric {
    /// Upper bounds, ascending; a value equal to one counts below it.
    public let bounds: [Double]
    /// Of each bound alone, and last of what is above all.
    private let counts: InlineArray<17, Atomic<Int>>
    private let total = Atomic<Double>(0)

    /// How many bounds there may be.
    public static let mostBounds = 16

    /// Seconds, for answers of a server: 0.1 ms to 10 s.
    public static let durations: [Double] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]

    /// Bounds that are not 1 to 16, finite and ascending are a programming error.
    package init(bounds: [Double]) {
        precondition((1...Self.mostBounds).contains(bounds.count), "a histogram has 1 to \(Self.mostBounds) bounds, not \(bounds.count)")
        precondition(bounds.allSatisfy(\.isFinite), "bounds are finite: what is above all has its own count")
        precondition(zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }, "bounds ascend: \(bounds)")
        self.bounds = bounds
        counts = InlineArray { _ in Atomic(0) }
    }

    /// A value that is not a number counts above all bounds and adds nothing to the sum.
    public func observe(_ value: Double) {
        var index = 0
        while index < bounds.count, !(value <= bounds[index]) { index += 1 }
        counts[index].wrappingAdd(1, ordering: .relaxed)
        if value == value { total.add(value) }
    }

    /// In seconds.
    public func observe(_ duration: Duration) { observe(duration.seconds) }

    public var sum: Double { total.load(ordering: .relaxed) }
    public var count: Int { cumulative.last ?? 0 }

    /// For each bound how many values were at most that, and last all. Read one after another: while others count, each is right for
    /// itself, and none is smaller than the one before.
    private var cumulative: [Int] {
        var sum = 0
        return (0...bounds.count).map { index in
            sum += counts[index].load(ordering: .relaxed)
            return sum
        }
    }

    public static var type: MetricType { .histogram }
    public var figures: MetricFigures { .histogram(bounds: bounds, cumulative: cumulative, sum: sum) }
}
