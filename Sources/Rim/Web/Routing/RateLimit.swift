import Wire

/// A token bucket's size and filling: `burst` requests at once, `perSecond` in the long run.
public struct RateLimit: Sendable, Hashable {
    /// Above 0.
    public var perSecond: Double
    /// At least 1.
    public var burst: Double

    public init(perSecond: Double, burst: Double) {
        precondition(perSecond > 0 && burst >= 1, "a limit lets something through")
        (self.perSecond, self.burst) = (perSecond, burst)
    }
}

/// Token buckets by key, bounded: the longest untouched makes way, which is then the fullest.
package struct RateLimiter {
    private struct Bucket {
        var tokens: Double
        var at: Instant
    }

    private var buckets: [String: Bucket] = [:]
    private static let most = 10_000

    package init() {}

    /// Nil: go on. Else how long to wait, whole seconds.
    package mutating func take(_ key: String, _ limit: RateLimit, at now: Instant) -> Int? {
        var bucket = buckets[key] ?? Bucket(tokens: limit.burst, at: now)
        bucket.tokens = min(limit.burst, bucket.tokens + (now - bucket.at).seconds * limit.perSecond)
        bucket.at = now
        let isAllowed = bucket.tokens >= 1
        if isAllowed { bucket.tokens -= 1 }
        if buckets[key] == nil, buckets.count >= Self.most { makeRoom() }
        buckets[key] = bucket
        return isAllowed ? nil : max(1, Int(((1 - bucket.tokens) / limit.perSecond).rounded(.up)))
    }

    /// Half of them at once, so that it is rare.
    private mutating func makeRoom() {
        let times = buckets.values.map(\.at).sorted()
        let middle = times[times.count / 2]
        buckets = buckets.filter { $0.value.at > middle }
    }
}
