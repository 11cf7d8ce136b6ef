import Wire

/// Which operators a robot is paired with (specs: teleop-client clause 5). Told messages, what becomes of its peers, and the time; drained of
/// outputs.
///
/// Everybody on the signalling server hears everything and can say anything. So a pair that is connected ends by its own connection alone:
/// whoever claims on the server to be its operator has to show it by connecting.
public struct RobotPairing: Sendable {
    public enum Output: Sendable, Hashable {
        case send(SignalMessage)
        /// Make a peer for the offer; `answered` or `refused` is to follow. `isOurs`: the operator trickles, and knows our extra messages.
        case begin(PairID, offer: String, interval: Double?, isOurs: Bool)
        /// The other side can be reached there; an empty text: no more follow.
        case candidate(PairID, String)
        /// The peer is to be closed.
        case end(PairID)
        /// An operator was told that the robot is taken.
        case turnedAway
    }

    private struct Offer: Sendable {
        var sdp: String
        var interval: Double?
        var from: String?
        var session: String?
        var identity: OfferIdentity

        func isRepeat(of other: Offer) -> Bool {
            if let session, let named = other.session { return session == named }
            return identity == other.identity
        }
    }

    private struct Pair: Sendable {
        var id: PairID
        var offer: Offer
        var answer: SignalMessage?
        /// Nil: connected.
        var until: Instant?
        /// The pair of the same operator that goes when this one has connected.
        var successorOf: PairID?
    }

    private let id: String
    private let limit: Int
    private let needsProof: Bool
    private var pairs: [Pair] = []
    /// Of those who were turned away, the newest.
    private var waiting: (offer: Offer, until: Instant)?
    private var early = EarlyCandidates()
    private var outputs: [Output] = []
    private var nextID = 1
    private var wasFree = true

    public static let connectTimeout = Duration.seconds(15)
    private static let waitingTime = Duration.seconds(30)

    /// `id`: this robot's own. `operators`: how many at once. `needsProof`: who takes the place of a connected operator under the same name must
    /// have the same certificate, which nobody else can use: where more than a picture is at stake.
    public init(id: String, operators: Int = 1, needsProof: Bool = false) {
        (self.id, limit, self.needsProof) = (id, max(operators, 1), needsProof)
    }

    public mutating func nextOutput() -> Output? { outputs.isEmpty ? nil : outputs.removeFirst() }

    /// In the order in which they came: the first drives.
    public var connected: [PairID] { pairs.filter { $0.until == nil }.map(\.id) }
    public var isPaired: Bool { !pairs.isEmpty }
    /// Who the operator calls itself; nil: a plain peer.
    public func name(of pair: PairID) -> String? { pairs.first { $0.id == pair }?.offer.from }

    private var isFree: Bool { pairs.count { $0.successorOf == nil } < limit }

    // MARK: The server

    public mutating func joinedServer() { if isFree { say(.ready(.robot)) } }

    public mutating func receive(_ message: SignalMessage, at now: Instant) {
        advance(to: now)
        if message.from == id { return }
        if let to = message.to, to != id { return }
        switch message.body {
        case .offer(let sdp, let interval):
            receive(
                Offer(
                    sdp: sdp, interval: interval, from: message.from, session: message.session, identity: OfferIdentity(sdp: sdp)),
                at: now)
        case .candidate(let candidate): receive(candidate, message, at: now)
        case .ready(.operator): if isFree, let from = message.from { say(.ready(.robot), to: from) }
        case .bye: receiveBye(message, at: now)
        case .answer, .busy, .ready(.robot): break
        }
    }

    private mutating func receive(_ offer: Offer, at now: Instant) {
        if let pair = pairs.first(where: { offer.isRepeat(of: $0.offer) }) {
            if let answer = pair.answer { outputs.append(.send(answer)) }
        } else if let old = pairs.first(where: { $0.successorOf == nil && isSuccessor(offer, to: $0) }) {
            replace(old, by: offer, at: now)
        } else if isFree {
            begin(offer, at: now)
        } else {
            waiting = (offer, now + Self.waitingTime)
            if offer.from != nil || offer.session != nil { say(.busy, to: offer.from, session: offer.session) }
            outputs.append(.turnedAway)
        }
    }

    private func isSuccessor(_ offer: Offer, to old: Pair) -> Bool {
        guard let from = offer.from, from == old.offer.from else { return false }
        return !needsProof || old.until != nil || offer.identity.fingerprints == old.offer.identity.fingerprints
    }

    /// The same operator again, who gave the old negotiation up. One that is connected goes once the new one is: anybody can say that name.
    private mutating func replace(_ old: Pair, by offer: Offer, at now: Instant) {
        if let other = pairs.first(where: { $0.successorOf == old.id }) { remove(other.id) }
        if old.until != nil {
            remove(old.id)
            begin(offer, at: now)
        } else {
            begin(offer, successorOf: old.id, at: now)
        }
    }

    private mutating func begin(_ offer: Offer, successorOf old: PairID? = nil, at now: Instant) {
        let pair = Pair(id: PairID(nextID), offer: offer, until: now + Self.connectTimeout, successorOf: old)
        nextID += 1
        pairs.append(pair)
        outputs.append(.begin(pair.id, offer: offer.sdp, interval: offer.interval, isOurs: offer.from != nil))
        for candidate in early.take(session: offer.session, from: offer.from, fragment: offer.identity.fragment, at: now) {
            outputs.append(.candidate(pair.id, candidate.text))
        }
    }

    private mutating func receive(_ candidate: SignalCandidate, _ message: SignalMessage, at now: Instant) {
        guard let pair = pair(for: candidate, message) else {
            return early.add(candidate, from: message.from, session: message.session, at: now)
        }
        outputs.append(.candidate(pair.id, candidate.text))
    }

    private func pair(for candidate: SignalCandidate, _ message: SignalMessage) -> Pair? {
        if let session = message.session { return pairs.first { $0.offer.session == session } }
        if let fragment = candidate.fragment { return pairs.first { $0.offer.identity.fragment == fragment } }
        let open = pairs.filter { $0.until != nil && ($0.offer.from == nil || message.from == nil || $0.offer.from == message.from) }
        return open.count == 1 ? open.first : nil
    }

    private mutating func receiveBye(_ message: SignalMessage, at now: Instant) {
        guard let session = message.session else { return }
        if waiting?.offer.session == session { waiting = nil }
        // Whoever is connected says goodbye on the connection, too, where nobody else can.
        guard let pair = pairs.first(where: { $0.offer.session == session && $0.until != nil && $0.offer.from == message.from }) else {
            return
        }
        remove(pair.id)
        goOn(at: now)
    }

    // MARK: The peers

    public mutating func answered(_ pair: PairID, sdp: String, drives: String?) {
        guard let index = pairs.firstIndex(where: { $0.id == pair }) else { return }
        let offer = pairs[index].offer
        let answer = SignalMessage(.answer(sdp: sdp, drives: drives), from: id, to: offer.from, session: offer.session)
        pairs[index].answer = answer
        outputs.append(.send(answer))
    }

    /// The offer is of no use; its peer is gone already. That the robot is free again is not said: its sender would offer the same at once.
    public mutating func refused(_ pair: PairID, at now: Instant) {
        advance(to: now)
        forget(pair)
        wasFree = isFree
        goOn(at: now)
    }

    /// Where this robot can be reached; an empty text: no more follow.
    public mutating func gathered(_ candidate: SignalCandidate, for pair: PairID) {
        guard let offer = pairs.first(where: { $0.id == pair })?.offer else { return }
        // Plain peers do not all take an end of candidates well.
        if candidate.text.isEmpty, offer.from == nil { return }
        say(.candidate(candidate), to: offer.from, session: offer.session)
    }

    public mutating func connected(_ pair: PairID, at now: Instant) {
        guard let index = pairs.firstIndex(where: { $0.id == pair }) else { return }
        pairs[index].until = nil
        let old = pairs[index].successorOf
        pairs[index].successorOf = nil
        if let old {
            // In its place: who drove goes on driving, whoever watches.
            if let place = pairs.firstIndex(where: { $0.id == old }) { pairs.swapAt(place, index) }
            remove(old)
        }
        goOn(at: now)
    }

    /// The peer is dead, or was closed by the other side: it is gone already.
    public mutating func ended(_ pair: PairID, at now: Instant) {
        advance(to: now)
        forget(pair)
        goOn(at: now)
    }

    /// Everybody is told goodbye.
    public mutating func shutDown() {
        for pair in pairs where pair.offer.from != nil || pair.offer.session != nil {
            say(.bye, to: pair.offer.from, session: pair.offer.session)
        }
        for pair in pairs { outputs.append(.end(pair.id)) }
        (pairs, waiting) = ([], nil)
    }

    // MARK: Time

    public var deadline: Instant? { pairs.compactMap(\.until).reduce(waiting?.until) { earlier($0, $1) } }

    public mutating func advance(to now: Instant) {
        if let offer = waiting, offer.until <= now { waiting = nil }
        let late = pairs.filter { $0.until.map { $0 <= now } ?? false }
        guard !late.isEmpty else { return }
        for pair in late { remove(pair.id) }
        goOn(at: now)
    }

    /// Whoever waited is next; else everybody hears that the robot is free again.
    private mutating func goOn(at now: Instant) {
        if isFree, let next = waiting {
            waiting = nil
            begin(next.offer, at: now)
        }
        if isFree, !wasFree { say(.ready(.robot)) }
        wasFree = isFree
    }

    private mutating func remove(_ pair: PairID) {
        outputs.append(.end(pair))
        forget(pair)
    }

    private mutating func forget(_ pair: PairID) {
        wasFree = isFree
        pairs.removeAll { $0.id == pair }
        // Whoever was to follow it stands for itself now.
        for index in pairs.indices where pairs[index].successorOf == pair { pairs[index].successorOf = nil }
    }

    private mutating func say(_ body: SignalMessage.Body, to: String? = nil, session: String? = nil) {
        outputs.append(.send(SignalMessage(body, from: id, to: to, session: session)))
    }
}
