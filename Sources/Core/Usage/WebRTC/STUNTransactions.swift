import Wire

/// Binding requests that are waiting for their answer, at most 64.
struct STUNTransactions: Sendable {
    static let limit = 64
    /// A sender gives up long before (RFC 8489 clause 6.2.1; ICE agents sooner).
    static let patience = Duration.seconds(10)

    struct Answer: Equatable {
        var fromLocal: Bool
        /// nil: the request was repeated, so nobody knows which one was answered.
        var roundTrip: Duration?
    }

    private struct Request {
        var id: STUNTransactionID
        var at: Instant
        var fromLocal: Bool
        var isRepeated = false
    }

    private var open: [Request] = []

    mutating func asked(_ id: STUNTransactionID, fromLocal: Bool, at now: Instant) {
        if let place = open.firstIndex(where: { $0.id == id && $0.fromLocal == fromLocal }) {
            open[place].isRepeated = true
            return
        }
        open.removeAll { now - $0.at > Self.patience }
        if open.count == Self.limit { open.removeFirst() }
        open.append(Request(id: id, at: now, fromLocal: fromLocal))
    }

    /// The answer's request, where one is open that went the other way; the answer says who had asked.
    mutating func answered(_ id: STUNTransactionID, fromLocal: Bool, at now: Instant) -> Answer? {
        guard let place = open.firstIndex(where: { $0.id == id && $0.fromLocal != fromLocal }) else { return nil }
        let request = open.remove(at: place)
        guard now - request.at <= Self.patience else { return nil }
        return Answer(fromLocal: request.fromLocal, roundTrip: request.isRepeated ? nil : now - request.at)
    }
}
