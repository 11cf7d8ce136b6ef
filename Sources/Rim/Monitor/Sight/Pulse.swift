import Wire

/// The moments at which everybody here does what is in no greater hurry: all at the same, as to wake costs more than most of what is then done
/// (40 to 80 µs on a machine that slept; a message of ZeroMQ or ten packets take a few).
enum Pulse {
    /// What it adds to the time until something is seen, at most.
    static let interval = Duration.milliseconds(25)

    /// The first of them after `now`.
    static func next(after now: Instant) -> Instant {
        let beats = now.nanoseconds / interval.nanoseconds + 1
        return Instant(nanoseconds: beats * interval.nanoseconds)
    }
}
