import Wire

/// Asks for missing packets: at once when a gap shows, then once a round trip, until they come or are given up.
struct NackGenerator: Sendable {
    private struct Missing: Sendable {
        var sequence: Int64
        var since: Instant
        var nextRequest: Instant
        var requests = 0
    }

    private var missing: [Missing] = []
    private var highest: Int64?

    private static let maximumMissing = 500
    private static let maximumRequests = 10
    /// After this a picture is better skipped than waited for.
    static let patience = Duration.milliseconds(400)

    var isEmpty: Bool { missing.isEmpty }
    /// The oldest packet still hoped for.
    var oldest: Int64? { missing.first?.sequence }
    var deadline: Instant? { missing.map(\.nextRequest).min() }

    /// True: too much is missing to ask for, a key frame is needed.
    mutating func received(_ sequence: Int64, at now: Instant) -> Bool {
        guard let top = highest else {
            highest = sequence
            return false
        }
        if sequence <= top {
            missing.removeAll { $0.sequence == sequence }
            return false
        }
        highest = sequence
        guard sequence - top - 1 + Int64(missing.count) <= Int64(Self.maximumMissing) else {
            missing.removeAll()
            return true
        }
        for number in (top + 1)..<max(sequence, top + 1) { missing.append(Missing(sequence: number, since: now, nextRequest: now)) }
        return false
    }

    mutating func forget(before sequence: Int64) { missing.removeAll { $0.sequence < sequence } }

    /// What to ask for now. Packets past patience are dropped from the list: `gaveUp`.
    mutating func requests(roundTrip: Duration, at now: Instant) -> (numbers: [UInt16], gaveUp: Bool) {
        let before = missing.count
        missing.removeAll { now - $0.since > Self.patience || $0.requests >= Self.maximumRequests }
        let gaveUp = missing.count < before
        let interval = min(max(roundTrip, .milliseconds(10)), .milliseconds(100))
        var numbers: [UInt16] = []
        for index in missing.indices where missing[index].nextRequest <= now {
            missing[index].nextRequest = now + interval
            missing[index].requests += 1
            numbers.append(UInt16(truncatingIfNeeded: missing[index].sequence))
        }
        return (numbers, gaveUp)
    }
}
