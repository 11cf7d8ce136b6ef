import Wire

/// What the calendar says, for a monotonic clock: the core knows no other way to it.
public struct WallClock: Sendable, Equatable {
    /// Microseconds since 1970 at the clock's origin.
    public var microsecondsAtOrigin: Int64

    public init(microsecondsAtOrigin: Int64) { self.microsecondsAtOrigin = microsecondsAtOrigin }

    /// From what both clocks say at one moment; nanoseconds since 1970.
    public init(now: Instant, unixNanoseconds: Int64) { microsecondsAtOrigin = (unixNanoseconds - now.nanoseconds) / 1000 }

    /// Microseconds since 1970.
    public func microseconds(at now: Instant) -> Int64 { microsecondsAtOrigin + now.nanoseconds / 1000 }

    /// ISO 8601 with microseconds, in UTC (section 3): `2026-03-04T05:06:07.123456+00:00`.
    public func text(at now: Instant) -> String { Self.text(microseconds(at: now)) }

    /// Of microseconds since 1970, 0 or more.
    public static func text(_ microseconds: Int64) -> String {
        let (seconds, fraction) = max(0, microseconds).quotientAndRemainder(dividingBy: 1_000_000)
        let (days, second) = seconds.quotientAndRemainder(dividingBy: 86_400)
        let date = CivilDate(daysSince1970: days)
        var text: [UInt8] = []
        text.reserveCapacity(32)
        put(date.year, 4, "-", to: &text)
        put(date.month, 2, "-", to: &text)
        put(date.day, 2, "T", to: &text)
        put(second / 3600, 2, ":", to: &text)
        put(second / 60 % 60, 2, ":", to: &text)
        put(second % 60, 2, ".", to: &text)
        put(fraction, 6, "+", to: &text)
        text.append(contentsOf: "00:00".utf8)
        return String(decoding: text, as: UTF8.self)
    }

    private static func put(_ number: Int64, _ digits: Int, _ separator: Character, to text: inout [UInt8]) {
        var divisor: Int64 = 1
        for _ in 1..<digits { divisor *= 10 }
        while divisor > 0 {
            text.append(UInt8(ascii: "0") + UInt8(number / divisor % 10))
            divisor /= 10
        }
        text.append(separator.asciiValue ?? 0)
    }
}
