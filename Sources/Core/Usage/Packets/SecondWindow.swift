import Wire

/// Four sums over the last second, in tenths of a second: what has come in the ten tenths before the present one.
struct SecondWindow: Sendable {
    private static let tenth: Int64 = 100_000_000

    private var tenths = InlineArray<11, SIMD4<UInt32>>(repeating: .zero)
    /// The number of the newest tenth that was written.
    private var newest: Int64 = 0

    mutating func add(_ values: SIMD4<UInt32>, at now: Instant) {
        let number = now.nanoseconds / Self.tenth
        if number > newest {
            for stale in max(newest + 1, number - 10)...number { tenths[Self.place(stale)] = .zero }
            newest = number
        }
        tenths[Self.place(newest)] &+= values
    }

    func sums(at now: Instant) -> SIMD4<UInt32> {
        let present = max(now.nanoseconds / Self.tenth, newest)
        var sums = SIMD4<UInt32>.zero
        guard present - 10 <= newest else { return sums }
        for number in (present - 10)...min(newest, present - 1) { sums &+= tenths[Self.place(number)] }
        return sums
    }

    private static func place(_ number: Int64) -> Int { Int(((number % 11) + 11) % 11) }
}
