import Wire

/// So many messages in any second, whenever it begins. A token bucket would let twice as many through in its first second.
struct MessageRate: Sendable {
    private let limit: Int
    /// When the last `limit` messages came: a ring, whose oldest is at `oldest` once it is full.
    private var times: [Instant] = []
    private var oldest = 0

    private static let window = Duration.seconds(1)

    /// `limit`: at least 1.
    init(limit: Int) {
        precondition(limit > 0, "a rate lets something through")
        self.limit = limit
    }

    /// Counts a message; answers when the next may come, nil: now.
    mutating func take(at now: Instant) -> Instant? {
        if times.count < limit {
            times.append(now)
        } else {
            times[oldest] = now
            oldest = oldest + 1 == limit ? 0 : oldest + 1
        }
        guard times.count == limit else { return nil }
        let next = times[oldest] + Self.window
        return next > now ? next : nil
    }
}
