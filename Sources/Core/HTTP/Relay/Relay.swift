import Wire

/// Repeats what each says to everybody else in the same room: told who joins, leaves and says what, drained of what goes to whom.
///
///     let member = relay.join("/")                                    // nil: full
///     let verdict = relay.received(.text, bytes, from: member, at: now)
///     for round in relay.takeRounds() { for member in round.members { send(round.share(of: member)) } }
///
/// Messages gather until they are taken, so that those which come together go out together; their order is kept, for each sender and over all.
/// Whoever joins gets nothing from before. A room lasts while somebody is in it, so there are never more rooms than connections.
public struct Relay: Sendable {
    public struct Limits: Sendable, Hashable {
        /// In all rooms together.
        public var connections = 100
        /// Of one connection in any second; what is beyond waits.
        public var messagesPerSecond = 200

        public init() {}
    }

    public struct Member: Sendable, Hashable {
        fileprivate let number: Int
    }

    public enum Outcome: Sendable, Hashable {
        /// Goes to so many others.
        case passedOn(Int)
        /// Nobody else is there.
        case unheard
        /// Binary, and no UTF-8: nothing that a text message can hold.
        case notText
    }

    public struct Verdict: Sendable, Hashable {
        public var outcome: Outcome
        /// Until then nothing more of this sender is to be read; nil: go on.
        public var pausedUntil: Instant?
    }

    public let limits: Limits
    private var places: [Member: Place] = [:]
    private var rooms: [Int: Room] = [:]
    private var numbers: [String: Int] = [:]
    private var lastNumber = 0
    /// Rooms in which something waits.
    private var talking: [Int] = []
    /// Rounds that somebody's coming has ended.
    private var ended: [RelayRound] = []
    /// Bytes of frames that wait to be taken.
    public private(set) var waitingBytes = 0

    private struct Place {
        let room: Int
        var rate: MessageRate
    }

    private struct Room {
        let name: String
        var members: [Member] = []
        var round = RelayRound()
    }

    public init(_ limits: Limits = Limits()) { self.limits = limits }

    public var connectionCount: Int { places.count }
    public var roomCount: Int { rooms.count }
    public var isFull: Bool { places.count >= limits.connections }

    /// Nil: it is full.
    public mutating func join(_ room: String) -> Member? {
        guard !isFull else { return nil }
        lastNumber += 1
        let member = Member(number: lastNumber)
        let number = numbers[room] ?? open(room)
        endRound(number)
        rooms[number]?.members.append(member)
        places[member] = Place(room: number, rate: MessageRate(limit: limits.messagesPerSecond))
        return member
    }

    private mutating func open(_ room: String) -> Int {
        lastNumber += 1
        numbers[room] = lastNumber
        rooms[lastNumber] = Room(name: room)
        return lastNumber
    }

    /// What it said before still goes out.
    public mutating func leave(_ member: Member) {
        guard let place = places.removeValue(forKey: member), let room = rooms[place.room] else { return }
        guard room.members.count > 1 else {
            rooms[place.room] = nil
            numbers[room.name] = nil
            return
        }
        rooms[place.room]?.members.removeAll { $0 == member }
    }

    /// A whole message. Of one who has left, and in the room's absence: unheard.
    public mutating func received(_ kind: WebSocketMessageKind, _ message: Span<UInt8>, from member: Member, at now: Instant) -> Verdict {
        guard let room = places[member]?.room else { return Verdict(outcome: .unheard) }
        let pausedUntil = places[member]?.rate.take(at: now)
        return Verdict(outcome: add(kind, message, from: member, to: room), pausedUntil: pausedUntil)
    }

    private mutating func add(_ kind: WebSocketMessageKind, _ message: Span<UInt8>, from member: Member, to room: Int) -> Outcome {
        if kind == .binary {
            var text = UTF8Validator()
            guard text.take(message), text.isAtEnd else { return .notText }
        }
        guard let others = rooms[room].map({ $0.members.count - 1 }), others > 0 else { return .unheard }
        if rooms[room]?.round.isEmpty == true { talking.append(room) }
        waitingBytes += rooms[room]?.round.add(message, from: member) ?? 0
        return .passedOn(others)
    }

    /// What has gathered since the last time.
    public mutating func takeRounds() -> [RelayRound] {
        for room in talking { endRound(room) }
        talking.removeAll(keepingCapacity: true)
        waitingBytes = 0
        defer { ended.removeAll(keepingCapacity: true) }
        return ended
    }

    private mutating func endRound(_ number: Int) {
        guard var round = rooms[number]?.round, !round.isEmpty, let members = rooms[number]?.members else { return }
        round.members = members
        ended.append(round)
        rooms[number]?.round = RelayRound()
    }
}
