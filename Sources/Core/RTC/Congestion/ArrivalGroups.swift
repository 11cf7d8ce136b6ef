import Wire

/// Gathers packets sent within a burst into groups and tells how much longer each group took than the one before
/// (draft-ietf-rmcat-gcc-02 clauses 5.1 and 5.2).
package struct ArrivalGroups: Sendable {
    package struct Delta {
        /// Between the last packets of the two groups.
        package var sent: Duration
        package var arrived: Duration
        /// When the later group was complete, on the receiver's clock.
        package var arrival: Instant

        package init(sent: Duration, arrived: Duration, arrival: Instant) {
            self.sent = sent
            self.arrived = arrived
            self.arrival = arrival
        }
    }

    package init() {}

    private struct Group {
        var firstSent: Instant
        var lastSent: Instant
        var lastArrival: Instant
    }

    private static let burst = Duration.milliseconds(5)
    private var current: Group?
    private var previous: Group?

    /// A group is known to be complete when the first packet of the next one is told.
    package mutating func add(sent: Instant, arrival: Instant) -> Delta? {
        guard let group = current else {
            current = Group(firstSent: sent, lastSent: sent, lastArrival: arrival)
            return nil
        }
        // Sent before the group began: reordered or repeated news, of no use here.
        guard sent >= group.firstSent else { return nil }
        if sent - group.firstSent <= Self.burst || belongs(sent, arrival, to: group) {
            current!.lastSent = max(group.lastSent, sent)
            current!.lastArrival = max(group.lastArrival, arrival)
            return nil
        }
        var delta: Delta?
        if let previous {
            delta = Delta(
                sent: group.lastSent - previous.lastSent, arrived: group.lastArrival - previous.lastArrival, arrival: group.lastArrival)
        }
        previous = group
        current = Group(firstSent: sent, lastSent: sent, lastArrival: arrival)
        // A clock that jumped, or a pause: nothing can be said across it.
        if let some = delta, some.arrived < .zero || some.arrived - some.sent > .seconds(3) || some.sent > .seconds(3) {
            reset()
            delta = nil
        }
        return delta
    }

    /// Packets that arrive in one clump although sent apart were held by the path, not by a queue.
    private func belongs(_ sent: Instant, _ arrival: Instant, to group: Group) -> Bool {
        let between = arrival - group.lastArrival
        return between >= .zero && between <= Self.burst && between < sent - group.lastSent
            && arrival - group.lastArrival < .milliseconds(100)
            && sent - group.firstSent < .milliseconds(100)
    }

    mutating func reset() {
        current = nil
        previous = nil
    }
}
