import Synchronization

/// A number that only grows: packets, requests, errors. Counted from any thread, without a lock and without an allocation.
public final class Counter: Metric {
    private let count = Atomic<Int>(0)

    package init() {}

    /// `amount`: 0 or more; one that is negative is a programming error. After 2^63 it begins again, as scrapers expect of counters.
    public func add(_ amount: Int = 1) {
        precondition(amount >= 0, "a counter never falls; a gauge does")
        count.wrappingAdd(amount, ordering: .relaxed)
    }

    public var value: Int { count.load(ordering: .relaxed) }

    public static var type: MetricType { .counter }
    public var figures: MetricFigures { .number(Double(value)) }
}

/// A number that rises and falls: connections, temperature. Set from any thread, without a lock and without an allocation.
public final class Gauge: Metric {
    private let current = Atomic<Double>(0)

    package init() {}

    public func set(_ value: Double) { current.store(value, ordering: .relaxed) }
    public func set(_ value: Int) { set(Double(value)) }

    /// Exact for whole numbers up to 2^53.
    public func add(_ amount: Double = 1) { current.add(amount) }

    public var value: Double { current.load(ordering: .relaxed) }

    public static var type: MetricType { .gauge }
    public var figures: MetricFigures { .number(value) }
}

extension Atomic where Value == Double {
    func add(_ amount: Double) {
        var old = load(ordering: .relaxed)
        while true {
            let (done, seen) = weakCompareExchange(expected: old, desired: old + amount, ordering: .relaxed)
            if done { return }
            old = seen
        }
    }
}
