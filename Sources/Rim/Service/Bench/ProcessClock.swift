import Glibc

/// CPU seconds that a process has used, to the nanosecond.
enum ProcessClock {
    static func own() -> Double { read(CLOCK_PROCESS_CPUTIME_ID) }

    /// The number of the process makes its clock, as clock_getcpuclockid does.
    static func of(_ process: Int32) -> Double { read(~process << 3 | 2) }

    private static func read(_ clock: clockid_t) -> Double {
        var time = timespec()
        guard unsafe clock_gettime(clock, &time) == 0 else { return 0 }
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
