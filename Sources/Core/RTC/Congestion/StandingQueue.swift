import Wire

/// How much longer than at best even the fastest packets take now: a queue that does not empty between two frames.
struct StandingQueue: Sendable {
    /// The smallest one-way delay of the last `memory`, in two halves, so that a drifting clock is followed.
    private static let memory = Duration.seconds(10)
    private static let span = Duration.milliseconds(150)
    private var older: Int64?
    private var younger: Int64?
    private var halfSince: Instant?
    private var smallest: Int64?
    private var spanSince: Instant?
    /// Of the last complete span.
    private(set) var delay = Duration.zero

    /// Both clocks have origins of their own: only differences count.
    mutating func add(sent: Instant, arrival: Instant) {
        let transit = arrival.nanoseconds &- sent.nanoseconds
        younger = min(younger ?? transit, transit)
        smallest = min(smallest ?? transit, transit)
        if halfSince == nil { halfSince = arrival }
        if spanSince == nil { spanSince = arrival }
        if let since = spanSince, arrival - since >= Self.span {
            delay = Duration(nanoseconds: (smallest ?? transit) &- base(transit))
            smallest = nil
            spanSince = arrival
        }
        if let since = halfSince, arrival - since >= Self.memory / 2 {
            older = younger
            younger = nil
            halfSince = arrival
        }
    }

    private func base(_ transit: Int64) -> Int64 { min(older ?? younger ?? transit, younger ?? transit) }

    /// The delay does not go away by sending less: it belongs to the path.
    mutating func accept() {
        older = nil
        younger = nil
        halfSince = nil
        delay = .zero
    }
}
