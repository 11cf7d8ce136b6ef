import Wire

/// When a request is sent again and when it is given up (RFC 8489 clauses 6.2.1 and 6.2.2).
struct STUNRetransmission: Sendable {
    enum Step { case wait, send, giveUp }

    /// Rc: how often a request is sent in all over datagrams.
    static let attempts = 7
    /// Ti: how long an answer may take over a stream.
    static let streamTimeout = Duration.milliseconds(39_500)

    private(set) var deadline: Instant
    private(set) var sent = 1
    private var interval: Duration
    private let timeoutInterval: Duration
    private let isStream: Bool
    private let longestInterval: Duration?
    private let end: Instant

    /// The first transmission is at `now`; over datagrams the next ones follow after `timeout`, twice that, and so on. With a
    /// `longestInterval` they never lie further apart than that, and go on for the time that Rc doubling ones take: one burst of loss
    /// is then not most of them.
    init(at now: Instant, timeout: Duration = .milliseconds(500), isStream: Bool = false, longestInterval: Duration? = nil) {
        interval = timeout
        self.longestInterval = longestInterval
        end = now + timeout * 79
        timeoutInterval = timeout
        self.isStream = isStream
        deadline = now + (isStream ? Self.streamTimeout : timeout)
    }

    mutating func step(at now: Instant) -> Step {
        guard now >= deadline else { return .wait }
        if let longestInterval, !isStream {
            guard now < end else { return .giveUp }
            sent += 1
            interval = min(interval * 2, longestInterval)
            deadline = min(now + interval, end)
            return .send
        }
        guard !isStream, sent < Self.attempts else { return .giveUp }
        sent += 1
        interval = interval * 2
        // Rm = 16: after the last transmission it waits sixteen times the first interval.
        deadline = now + (sent == Self.attempts ? timeoutInterval * 16 : interval)
        return .send
    }
}
