import Wire

/// How long to wait before trying again: longer each time, and shortly again once something has held.
public struct Backoff: Sendable {
    private let pauses: [Int]
    private let resetAfter: Duration
    private var failures = 0
    private var since: Instant?
    private var random: SeededRandom

    /// `pauses`: whole seconds, the last for good. `resetAfter`: a success that held that long begins anew.
    public init(pauses: [Int], resetAfter: Duration = .zero, seed: UInt64) {
        (self.pauses, self.resetAfter, random) = (pauses, resetAfter, SeededRandom(seed: seed))
    }

    /// The signalling server (specs: teleop-client clause 10).
    public static func server(seed: UInt64) -> Backoff { Backoff(pauses: [1, 2, 4, 8, 16, 30], resetAfter: .seconds(60), seed: seed) }

    public mutating func succeeded(at now: Instant) { since = now }

    /// It failed, or what had succeeded ended. Whole seconds for people, and the pause itself: up to a fifth more or less, so that not all come
    /// back at once.
    public mutating func failed(at now: Instant) -> (seconds: Int, pause: Duration) {
        if let since, now - since >= resetAfter { failures = 0 }
        since = nil
        let seconds = pauses[min(failures, pauses.count - 1)]
        failures += 1
        let share = Double(random.next() >> 11) / Double(1 << 53)
        return (seconds, .seconds(Double(seconds) * (0.8 + 0.4 * share)))
    }
}
