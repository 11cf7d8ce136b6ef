import Wire

/// Ties the told clock to wall-clock time for sender reports and abs-capture-time: the NTP time (32.32 fixed point seconds since 1900) at `Instant.zero`.
public struct NTPClock: Sendable, Hashable {
    public let origin: UInt64

    public init(origin: UInt64 = 0) { self.origin = origin }

    /// From the Unix time, in nanoseconds, that stands for `instant`.
    public init(unixNanoseconds: Int64, at instant: Instant) {
        let secondsTo1970: UInt64 = 2_208_988_800
        let unix = NTPClock.fixedPoint(nanoseconds: unixNanoseconds) &+ secondsTo1970 << 32
        origin = unix &- NTPClock.fixedPoint(nanoseconds: instant.nanoseconds)
    }

    public func time(at instant: Instant) -> UInt64 { origin &+ NTPClock.fixedPoint(nanoseconds: instant.nanoseconds) }

    private static func fixedPoint(nanoseconds: Int64) -> UInt64 {
        let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        return UInt64(bitPattern: seconds << 32 &+ (rest << 32) / 1_000_000_000)
    }
}
