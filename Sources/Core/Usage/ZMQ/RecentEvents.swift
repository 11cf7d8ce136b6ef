import Wire

/// Events of the last second or so, and their bytes, in bounded memory: 24 bytes for each 1/32 of the span in which something happened.
///
/// The rate is exact however much falls into one slot: a slot knows its first event, and the events are counted between the first and the
/// last one. Only which events are the oldest that still count is rounded, to 1/32 of the span.
struct RecentEvents: Sendable {
    private struct Slot: Sendable {
        var opened: Instant
        /// Of its events; the time of bytes alone is not kept.
        var first = Instant.zero
        var last: Instant
        var count: UInt32 = 0
        /// Events that came with the first one.
        var atFirst: UInt32 = 0
        var bytes: UInt64 = 0
    }

    private static let slots = 32
    /// Events closer than this to the first were read in one go: they tell nothing of the time between them.
    private static let together = Duration.milliseconds(1)

    let span: Duration
    private var ring = Ring<Slot>(limit: RecentEvents.slots + 2)
    private var lastEvent: Instant?

    init(span: Duration) { self.span = span }

    mutating func add(_ newEvents: Int, bytes more: Int = 0, at now: Instant) {
        let events = min(newEvents, 1 << 20)
        while let oldest = ring.first, now - oldest.last >= span { _ = ring.popFirst() }
        if ring.last.map({ now - $0.opened < span / Int64(Self.slots) }) != true {
            if ring.isFull { _ = ring.popFirst() }
            _ = ring.append(Slot(opened: now, last: now))
        }
        let index = ring.count - 1
        if events > 0 {
            if ring[index].count == 0 { ring[index].first = now }
            if now - ring[index].first < Self.together { ring[index].atFirst &+= UInt32(events) }
            ring[index].count &+= UInt32(events)
            lastEvent = now
        }
        ring[index].last = max(ring[index].last, now)
        ring[index].bytes += UInt64(max(more, 0))
    }

    /// Events a second in the span before `now`, (n − 1) / (time from the first to the last); 0 with fewer than 3 (section 8.2).
    ///
    /// Events that came with the first one count as one with it: they were read in one go, and waited.
    func rate(at now: Instant) -> Double {
        guard let lastEvent else { return 0 }
        var events = 0, index = 0
        while index < ring.count, ring[index].count == 0 || now - ring[index].last >= span { index += 1 }
        guard index < ring.count else { return 0 }
        let oldest = index
        while index < ring.count {
            events += Int(ring[index].count)
            index += 1
        }
        let time = lastEvent - ring[oldest].first, later = events - Int(ring[oldest].atFirst)
        guard events >= 3, later > 0, time >= Self.together else { return 0 }
        return Double(later) * 1e9 / Double(time.nanoseconds)
    }

    /// Mean over the span before `now`.
    func bytesPerSecond(at now: Instant) -> Double {
        var bytes: UInt64 = 0
        for index in 0..<ring.count where now - ring[index].last < span { bytes += ring[index].bytes }
        return Double(bytes) / span.seconds
    }

    /// Events in the span before `now`.
    func count(at now: Instant) -> Int {
        var events = 0
        for index in 0..<ring.count where now - ring[index].last < span { events += Int(ring[index].count) }
        return events
    }
}
