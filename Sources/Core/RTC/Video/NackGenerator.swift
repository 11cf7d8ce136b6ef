import Wire

/// Asks for missing packets: at once when a gap shows, or as late as packets of this path overtake each other; then once a round trip,
/// until they come or are given up.
package struct NackGenerator: Sendable {
    private struct Missing: Sendable {
        var sequence: Int64
        var since: Instant
        var nextRequest: Instant
        var isRepeated = false
    }

    package init() {}

    /// In rising order.
    private var missing: [Missing] = []
    private var highest: Int64?
    /// How late packets come that were overtaken, not lost; zero on paths that keep the order.
    package private(set) var reordering = Duration.zero
    package private(set) var deadline: Instant?

    private static let maximumMissing = 500
    /// Between two requests for one packet.
    private static let shortestInterval = Duration.milliseconds(15)
    private static let maximumReordering = Duration.milliseconds(20)
    /// After this, or three round trips if that is longer, a picture is better skipped than waited for.
    private static let patience = Duration.milliseconds(400)
    private static let maximumPatience = Duration.milliseconds(900)

    package var isEmpty: Bool { missing.isEmpty }
    package func contains(_ sequence: Int64) -> Bool {
        let index = index(of: sequence)
        return index < missing.count && missing[index].sequence == sequence
    }

    /// True: too much is missing to ask for, a key frame is needed.
    package mutating func received(_ sequence: Int64, isRetransmission: Bool, at now: Instant) -> Bool {
        guard let top = highest else {
            highest = sequence
            return false
        }
        if sequence <= top {
            found(sequence, isRetransmission: isRetransmission, at: now)
            return false
        }
        highest = sequence
        guard sequence - top - 1 + Int64(missing.count) <= Int64(Self.maximumMissing) else {
            missing.removeAll(keepingCapacity: true)
            deadline = nil
            return true
        }
        guard sequence > top + 1 else { return false }
        let first = now + reordering
        for number in (top + 1)..<sequence { missing.append(Missing(sequence: number, since: now, nextRequest: first)) }
        deadline = earlier(deadline, first)
        return false
    }

    private mutating func found(_ sequence: Int64, isRetransmission: Bool, at now: Instant) {
        let index = index(of: sequence)
        guard index < missing.count, missing[index].sequence == sequence else { return }
        if !isRetransmission { overtaken(by: now - missing[index].since) }
        missing.remove(at: index)
        if missing.isEmpty { deadline = nil }
    }

    /// Rises at once, falls slowly.
    private mutating func overtaken(by lateness: Duration) {
        guard lateness <= Self.maximumReordering * 2 else { return }
        reordering = max(min(lateness + .milliseconds(1), Self.maximumReordering), reordering - .microseconds(200))
    }

    /// Packets before `sequence` are of no use any more.
    package mutating func forget(before sequence: Int64) {
        let count = index(of: sequence)
        guard count > 0 else { return }
        missing.removeFirst(count)
        if missing.isEmpty { deadline = nil }
    }

    /// Begins anew: what stood before is lost.
    package mutating func restart(at sequence: Int64) {
        missing.removeAll(keepingCapacity: true)
        highest = max(highest ?? sequence, sequence)
        deadline = nil
    }

    /// The first entry not below `sequence`.
    private func index(of sequence: Int64) -> Int {
        var low = 0, high = missing.count
        while low < high {
            let middle = (low + high) / 2
            if missing[middle].sequence < sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// What to ask for now. Packets past patience are dropped from the list: `gaveUp`.
    package mutating func requests(roundTrip: Duration, at now: Instant) -> (numbers: [UInt16], gaveUp: Bool) {
        guard let due = deadline, due <= now else { return ([], false) }
        let patience = min(max(Self.patience, roundTrip * 3), Self.maximumPatience)
        let before = missing.count
        missing.removeAll { now - $0.since > patience }
        // A request may be lost as well as its answer: repetitions follow each other twice a round trip; the sender leaves out the superfluous.
        let again = min(max(roundTrip / 2 + .milliseconds(3), Self.shortestInterval), .milliseconds(150))
        let interval = min(max(roundTrip + .milliseconds(5), Self.shortestInterval), .milliseconds(300))
        var numbers: [UInt16] = []
        deadline = nil
        for index in missing.indices {
            if missing[index].nextRequest <= now {
                missing[index].nextRequest = now + (missing[index].isRepeated ? again : interval)
                missing[index].isRepeated = true
                numbers.append(UInt16(truncatingIfNeeded: missing[index].sequence))
            }
            deadline = earlier(deadline, missing[index].nextRequest)
        }
        reordering = max(.zero, reordering - .microseconds(20))
        return (numbers, missing.count < before)
    }
}
