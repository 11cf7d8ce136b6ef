/// A length of time in whole nanoseconds (range ±292 years). Shadows `Swift.Duration`, whose 128 bits cost on every packet.
public struct Duration: Sendable, Hashable, Comparable {
    public var nanoseconds: Int64

    @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    @inlinable public static var zero: Duration { Duration(nanoseconds: 0) }
    @inlinable public static func seconds(_ n: Int) -> Duration { Duration(nanoseconds: Int64(n) * 1_000_000_000) }
    @inlinable public static func milliseconds(_ n: Int) -> Duration { Duration(nanoseconds: Int64(n) * 1_000_000) }
    @inlinable public static func microseconds(_ n: Int) -> Duration { Duration(nanoseconds: Int64(n) * 1000) }
    @inlinable public static func nanoseconds(_ n: Int) -> Duration { Duration(nanoseconds: Int64(n)) }
    /// From fractional seconds; clamped to the representable range, NaN becomes zero.
    @inlinable public static func seconds(_ n: Double) -> Duration {
        guard n == n else { return .zero }
        return Duration(nanoseconds: Int64((min(max(n, -9e9), 9e9) * 1e9).rounded()))
    }

    /// Seconds, with fraction.
    @inlinable public var seconds: Double { Double(nanoseconds) / 1e9 }
    /// Milliseconds, with fraction.
    @inlinable public var milliseconds: Double { Double(nanoseconds) / 1e6 }
    /// Whole microseconds, rounded towards zero.
    @inlinable public var wholeMicroseconds: Int64 { nanoseconds / 1000 }
    /// Whole milliseconds, rounded towards zero.
    @inlinable public var wholeMilliseconds: Int64 { nanoseconds / 1_000_000 }

    /// Whole ticks of a clock of `rate` ticks a second, rounded towards zero; for rates below 2^33 right over the whole range.
    @inlinable public func ticks(of rate: Int64) -> Int64 {
        let (whole, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        return whole &* rate &+ rest * rate / 1_000_000_000
    }

    @inlinable public static func < (a: Duration, b: Duration) -> Bool { a.nanoseconds < b.nanoseconds }
    @inlinable public static func + (a: Duration, b: Duration) -> Duration { Duration(nanoseconds: a.nanoseconds + b.nanoseconds) }
    @inlinable public static func - (a: Duration, b: Duration) -> Duration { Duration(nanoseconds: a.nanoseconds - b.nanoseconds) }
    @inlinable public static func * (a: Duration, n: Int64) -> Duration { Duration(nanoseconds: a.nanoseconds * n) }
    @inlinable public static func / (a: Duration, n: Int64) -> Duration { Duration(nanoseconds: a.nanoseconds / n) }
    @inlinable public static func += (a: inout Duration, b: Duration) { a = a + b }
    @inlinable public static func -= (a: inout Duration, b: Duration) { a = a - b }
}

/// A point on a monotonic clock whose origin only its owner knows: the core is told the time and never asks for it.
public struct Instant: Sendable, Hashable, Comparable {
    /// Nanoseconds since the clock's origin.
    public var nanoseconds: Int64

    @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The clock's origin; the start of every simulation.
    @inlinable public static var zero: Instant { Instant(nanoseconds: 0) }
    /// Later than every deadline.
    @inlinable public static var distantFuture: Instant { Instant(nanoseconds: .max) }

    @inlinable public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }
    @inlinable public static func + (a: Instant, d: Duration) -> Instant { Instant(nanoseconds: a.nanoseconds + d.nanoseconds) }
    @inlinable public static func - (a: Instant, d: Duration) -> Instant { Instant(nanoseconds: a.nanoseconds - d.nanoseconds) }
    @inlinable public static func - (a: Instant, b: Instant) -> Duration { Duration(nanoseconds: a.nanoseconds - b.nanoseconds) }
    @inlinable public static func += (a: inout Instant, d: Duration) { a = a + d }
}

/// The earlier of two deadlines, where `nil` means none.
@inlinable public func earlier(_ a: Instant?, _ b: Instant?) -> Instant? {
    guard let a else { return b }
    guard let b else { return a }
    return min(a, b)
}
