import Glibc
import Wire

/// The machine's clocks, read here and told to the core.
public enum MonotonicClock {
    /// CLOCK_MONOTONIC: never set back, stands still while the machine sleeps.
    public static func now() -> Instant { Instant(nanoseconds: read(CLOCK_MONOTONIC)) }

    /// Unix time in nanoseconds.
    public static func unixNanoseconds() -> Int64 { read(CLOCK_REALTIME) }

    /// Unix time in whole seconds, as certificates want it.
    public static func unixSeconds() -> Int64 { unixNanoseconds() / 1_000_000_000 }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
