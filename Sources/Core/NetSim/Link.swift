import Wire

/// What one direction of an access link does to datagrams. May be changed while the simulation runs.
public struct LinkConditions: Sendable {
    /// One-way propagation delay.
    public var delay: Duration
    /// Added to the delay, uniformly from zero; datagrams keep their order unless `reordering` says otherwise.
    public var jitter = Duration.zero
    /// Probability of losing a datagram, 0…1.
    public var loss = 0.0
    /// Bursts of loss (Gilbert-Elliott): probability a datagram of falling into a burst, and of leaving it; inside, all are lost.
    public var burstStart = 0.0
    public var burstEnd = 0.2
    /// Probability that a datagram is held back by `reorderingDelay` and overtaken.
    public var reordering = 0.0
    public var reorderingDelay = Duration.milliseconds(5)
    /// Probability that a datagram arrives twice.
    public var duplication = 0.0
    /// Bits a second; nil: endless.
    public var bandwidth: Int?
    /// Bytes that may wait for the bandwidth; what does not fit is dropped (drop-tail).
    public var queueBytes: Int?
    /// The same bound as a time.
    public var queueDelay: Duration?
    /// Nothing gets through.
    public var isBlackedOut = false

    public init(delay: Duration = .microseconds(200)) { self.delay = delay }

    public init(delay: Duration, jitter: Duration = .zero, loss: Double = 0, bandwidth: Int? = nil, queueDelay: Duration? = nil) {
        self.delay = delay
        self.jitter = jitter
        self.loss = loss
        self.bandwidth = bandwidth
        self.queueDelay = queueDelay
    }
}

public struct LinkStatistics: Sendable {
    public var sent = 0
    public var lost = 0
    /// Dropped because the queue was full.
    public var overflowed = 0
    public var bytes = 0
    /// The longest time a datagram waited for the bandwidth.
    public var longestQueue = Duration.zero
}

/// One direction of an access link.
struct Link {
    var conditions: LinkConditions
    var statistics = LinkStatistics()
    private var isInBurst = false
    private var freeAt = Instant.zero
    private var lastArrival = Instant.zero

    init(_ conditions: LinkConditions) { self.conditions = conditions }

    /// How long a datagram that came now would wait for the bandwidth.
    func queueDelay(at now: Instant) -> Duration { max(freeAt - now, .zero) }

    /// When copies of a datagram of `size` bytes, sent now, arrive: none, one or two.
    mutating func arrivals(of size: Int, at now: Instant, _ random: inout SeededRandom) -> [Instant] {
        statistics.sent += 1
        guard !conditions.isBlackedOut, !isLost(&random) else {
            statistics.lost += 1
            return []
        }
        guard let departure = enqueue(size, at: now) else {
            statistics.overflowed += 1
            return []
        }
        statistics.bytes += size
        var arrival = departure + conditions.delay
        if conditions.jitter > .zero { arrival += Duration(nanoseconds: Int64(random.next() % UInt64(conditions.jitter.nanoseconds))) }
        if conditions.reordering > 0, random.fraction() < conditions.reordering {
            arrival += conditions.reorderingDelay
        } else {
            arrival = max(arrival, lastArrival)
            lastArrival = arrival
        }
        guard conditions.duplication > 0, random.fraction() < conditions.duplication else { return [arrival] }
        return [arrival, arrival + .microseconds(100)]
    }

    private mutating func isLost(_ random: inout SeededRandom) -> Bool {
        if conditions.burstStart > 0 {
            isInBurst = isInBurst ? random.fraction() >= conditions.burstEnd : random.fraction() < conditions.burstStart
            if isInBurst { return true }
        }
        return conditions.loss > 0 && random.fraction() < conditions.loss
    }

    /// When the last bit leaves; nil when the queue is full.
    private mutating func enqueue(_ size: Int, at now: Instant) -> Instant? {
        guard let bandwidth = conditions.bandwidth, bandwidth > 0 else { return now }
        let waiting = queueDelay(at: now)
        if let limit = conditions.queueDelay, waiting > limit { return nil }
        if let limit = conditions.queueBytes, Int(waiting.seconds * Double(bandwidth) / 8) + size > limit { return nil }
        statistics.longestQueue = max(statistics.longestQueue, waiting)
        // 28: IPv4 and UDP headers take their share.
        freeAt = max(freeAt, now) + .seconds(Double((size + 28) * 8) / Double(bandwidth))
        return freeAt
    }
}

extension SeededRandom {
    /// 0 ≤ x < 1.
    public mutating func fraction() -> Double { Double(next() >> 11) / Double(1 << 53) }
}
