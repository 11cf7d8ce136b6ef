/// The spread of a figure over a recording of any length: keeps so many values at most, and of more every second, every fourth, ….
struct Percentiles: Sendable {
    private(set) var count = 0
    private(set) var largest = -Double.infinity
    private var values: [Double] = []
    private var stride = 1
    private static let limit = 65_536

    mutating func add(_ value: Double) {
        guard value.isFinite else { return }
        count += 1
        largest = max(largest, value)
        guard (count - 1) % stride == 0 else { return }
        if values.count == Self.limit {
            values = values.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
            stride *= 2
            guard (count - 1) % stride == 0 else { return }
        }
        values.append(value)
    }

    /// `shares`: 0…1 each, nearest rank; nil where nothing came.
    func at(_ shares: [Double]) -> [Double]? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        return shares.map { sorted[min(sorted.count - 1, max(0, Int((Double(sorted.count) * $0).rounded(.up)) - 1))] }
    }
}
