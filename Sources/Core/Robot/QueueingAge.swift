import Wire

/// How much longer a command was under way than the fastest of the last 30 s, without comparing clocks (specs: safety clause 2a): the
/// difference of arrival on our clock and sending on theirs is the way plus an unknown constant; its minimum stands for the constant.
struct QueueingAge: Sendable {
    /// The smallest difference within each second, ms. A bounded stand-in for every difference of the window.
    private var buckets = InlineArray<31, Double>(repeating: .infinity)
    private var second: Int64?

    /// The age of a command that was sent at `sent` on its sender's clock, ms.
    mutating func age(sent: Double, arrival now: Instant) -> Duration {
        let difference = Double(now.nanoseconds) / 1e6 - sent
        advance(to: now.nanoseconds / 1_000_000_000)
        let index = Int(second! % 31)
        buckets[index] = min(buckets[index], difference)
        var smallest = difference
        for i in buckets.indices { smallest = min(smallest, buckets[i]) }
        return .seconds((difference - smallest) / 1000)
    }

    private mutating func advance(to now: Int64) {
        guard let last = second else {
            second = now
            return
        }
        guard now > last else { return }
        for passed in 1...min(now - last, 31) { buckets[Int((last + passed) % 31)] = .infinity }
        second = now
    }
}
