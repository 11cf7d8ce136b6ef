import Wire

/// A flow that a detector keeps in a `FlowTable`.
protocol TrackedFlow: Sendable {
    var pair: EndPair { get }
    /// The last packet that was taken.
    var lastSeen: Instant { get }
    /// Who gives way first when the table is full: the lowest; nil: never.
    var precedence: Int? { get }
}

/// At most 512 flows (section 17); when it is full the oldest idle one gives way.
struct FlowTable<Flow: TrackedFlow>: Sendable {
    static var limit: Int { 512 }

    private(set) var flows: [Flow] = []
    /// Flows that gave way, or found no room, since the start.
    private(set) var displaced = 0
    private var places: [EndPair: Int] = [:]

    var count: Int { flows.count }
    var isEmpty: Bool { flows.isEmpty }

    func place(of pair: EndPair) -> Int? { places[pair] }

    subscript(place: Int) -> Flow {
        _read { yield flows[place] }
        _modify { yield &flows[place] }
    }

    /// Where it was put, in place of one of the same ends where there is one; nil: the table is full of flows that do not give way.
    mutating func insert(_ flow: Flow) -> Int? {
        if let place = places[flow.pair] {
            flows[place] = flow
            return place
        }
        if flows.count == Self.limit {
            displaced += 1
            guard let victim = firstToGiveWay else { return nil }
            remove(at: victim)
        }
        flows.append(flow)
        places[flow.pair] = flows.count - 1
        return flows.count - 1
    }

    /// The last flow moves to its place, so who removes several goes from the end to the beginning.
    mutating func remove(at place: Int) {
        places[flows[place].pair] = nil
        let last = flows.removeLast()
        guard place < flows.count else { return }
        flows[place] = last
        places[last.pair] = place
    }

    private var firstToGiveWay: Int? {
        var best: (place: Int, precedence: Int, lastSeen: Instant)?
        for place in flows.indices {
            guard let precedence = flows[place].precedence else { continue }
            let lastSeen = flows[place].lastSeen
            if let best, (best.precedence, best.lastSeen) <= (precedence, lastSeen) { continue }
            best = (place, precedence, lastSeen)
        }
        return best?.place
    }
}
