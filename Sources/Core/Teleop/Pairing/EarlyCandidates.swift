import Wire

/// Candidates that came before what they belong to.
struct EarlyCandidates: Sendable {
    private struct Entry: Sendable {
        var candidate: SignalCandidate
        var from: String?
        var session: String?
        var until: Instant
    }

    private var entries: [Entry] = []
    private static let limit = 64
    private static let patience = Duration.seconds(15)

    /// The oldest gives way.
    mutating func add(_ candidate: SignalCandidate, from: String?, session: String?, at now: Instant) {
        forget(at: now)
        if entries.count == Self.limit { entries.removeFirst() }
        entries.append(Entry(candidate: candidate, from: from, session: session, until: now + Self.patience))
    }

    /// Those that belong to a negotiation, in their order; whoever says of none what it belongs to may mean this one.
    mutating func take(session: String?, from: String?, fragment: String?, at now: Instant) -> [SignalCandidate] {
        forget(at: now)
        var taken: [SignalCandidate] = []
        entries.removeAll { entry in
            let belongs =
                if let named = entry.session { named == session } else if let named = entry.candidate.fragment {
                    named == fragment || fragment == nil
                } else { entry.from == nil || entry.from == from }
            if belongs { taken.append(entry.candidate) }
            return belongs
        }
        return taken
    }

    private mutating func forget(at now: Instant) { entries.removeAll { $0.until <= now } }
}
