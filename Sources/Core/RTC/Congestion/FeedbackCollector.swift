import Wire

/// The receiving side of transport-wide congestion control: notes when each transport sequence number arrived and reports it.
package struct FeedbackCollector: Sendable {
    package init() {}

    private var unwrapper = SequenceUnwrapper()
    /// Arrivals not yet reported, by extended sequence number.
    private var arrivals: [(sequence: Int64, at: Instant)] = []
    private var nextBase: Int64?
    private var feedbackCount: UInt8 = 0
    package private(set) var deadline: Instant?

    /// Between feedbacks; a full collector reports sooner.
    private static let interval = Duration.milliseconds(50)
    private static let maximumPending = 400

    /// True: report now, the collector is full.
    package mutating func received(_ sequence: UInt16, at now: Instant) -> Bool {
        let extended = unwrapper.unwrap(sequence)
        if let nextBase, extended < nextBase { return false }  // reported as lost already
        if arrivals.count < Self.maximumPending { arrivals.append((extended, now)) }
        if deadline == nil { deadline = now + Self.interval }
        return arrivals.count >= Self.maximumPending
    }

    /// The feedback that is due, clearing what it speaks of.
    package mutating func feedback(sender: SSRC, media: SSRC) -> TransportFeedback? {
        deadline = nil
        guard !arrivals.isEmpty else { return nil }
        arrivals.sort { $0.sequence < $1.sequence }
        var base = nextBase ?? arrivals[0].sequence
        let last = arrivals[arrivals.count - 1].sequence
        if last - base >= Int64(TransportFeedback.maximumPackets) { base = last - Int64(TransportFeedback.maximumPackets) + 1 }
        let reference = arrivals.map(\.at).min()!.nanoseconds / 64_000_000
        var deltas: [Int16?] = []
        deltas.reserveCapacity(Int(last - base + 1))
        // In ticks of 250 µs; each delta is taken from the rounded time before it, so that errors do not add up.
        var previous = reference * 256
        for arrival in arrivals where arrival.sequence >= base + Int64(deltas.count) {
            while base + Int64(deltas.count) < arrival.sequence { deltas.append(nil) }
            let tick = arrival.at.nanoseconds / 250_000
            let delta = Int16(clamping: tick - previous)
            deltas.append(delta)
            previous += Int64(delta)
        }
        nextBase = last + 1
        arrivals.removeAll(keepingCapacity: true)
        defer { feedbackCount &+= 1 }
        return TransportFeedback(
            sender: sender, media: media, baseSequence: UInt16(truncatingIfNeeded: base),
            referenceTime: Int32(truncatingIfNeeded: reference), feedbackCount: feedbackCount, deltas: deltas)
    }
}
