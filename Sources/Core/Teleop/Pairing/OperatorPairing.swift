import Wire

/// An operator's search for a robot, and its hold on the one that it found (specs: teleop-client clauses 5 and 7). Told messages, what becomes
/// of its peer, and the time; drained of outputs.
public struct OperatorPairing: Sendable {
    public enum Output: Sendable, Hashable {
        case send(SignalMessage)
        /// Make a new peer and its offer; `offered` is to follow.
        case begin(PairID)
        /// The offer went out, for the first time or again.
        case offerSent(isFirst: Bool)
        /// The answer of the robot that won. `isOurs`: it knows our extra messages.
        case accept(PairID, answer: String, drives: String?, isOurs: Bool)
        case candidate(PairID, String)
        /// The peer is to be closed.
        case end(PairID)
        /// The robot has somebody else; told once a negotiation.
        case busy
    }

    private enum Phase: Sendable, Hashable {
        /// The peer and its offer are being made.
        case preparing
        case offering(next: Instant)
        case connecting(until: Instant)
        case connected
        case pausing(until: Instant)
        case over
    }

    private let id: String
    private let wanted: String?
    private let interval: Double?
    private var phase = Phase.preparing
    private var pair = PairID(0)
    private var session = ""
    private var offer: String?
    /// Who won; nil: nobody yet, or a plain robot.
    private var robot: String?
    private var winner: OfferIdentity?
    /// A robot that trickles is known to be there.
    public private(set) var hearsRobot = false
    private var isOnServer = false
    private var wasBusy = false
    private var early = EarlyCandidates()
    private var pauses: Backoff
    private var random: SeededRandom
    private var outputs: [Output] = []
    private var lastOffer: Instant?

    private static let reoffer = Duration.seconds(3)
    public static let connectTimeout = Duration.seconds(15)
    /// Whoever says `ready` all the time makes us offer no more often.
    private static let leastPause = Duration.milliseconds(250)

    /// `wanted`: the robot's id; nil: any. `interval`: seconds between commands, where they keep to one. `seed`: of session names and pauses.
    public init(id: String, wanted: String? = nil, interval: Double? = nil, seed: UInt64) {
        (self.id, self.wanted, self.interval) = (id, wanted, interval)
        random = SeededRandom(seed: seed)
        pauses = Backoff(pauses: [1, 2, 4, 8, 15], seed: random.next())
    }

    public mutating func nextOutput() -> Output? { outputs.isEmpty ? nil : outputs.removeFirst() }

    public var isConnected: Bool { phase == .connected }

    /// Makes the first peer.
    public mutating func start() { begin() }

    private mutating func begin() {
        pair = PairID(pair.rawValue + 1)
        let name = String(random.next(), radix: 16)
        session = String(repeating: "0", count: 16 - name.count) + name
        (phase, offer, robot, winner, wasBusy, lastOffer) = (.preparing, nil, nil, nil, false, nil)
        outputs.append(.begin(pair))
    }

    // MARK: The server

    public mutating func joinedServer(at now: Instant) {
        isOnServer = true
        say(.ready(.operator))
        if case .offering = phase { sendOffer(at: now) }
    }

    public mutating func lostServer() { (isOnServer, hearsRobot) = (false, false) }

    public mutating func receive(_ message: SignalMessage, at now: Instant) {
        advance(to: now)
        if message.from == id { return }
        if let to = message.to, to != id { return }
        switch message.body {
        case .ready(.robot): heardReady(message, at: now)
        case .answer(let sdp, let drives): receive(answer: sdp, drives, message, at: now)
        case .candidate(let candidate): receive(candidate, message, at: now)
        case .busy: heardBusy(message)
        case .bye: receiveBye(message, at: now)
        case .offer, .ready(.operator): break
        }
    }

    private func isWanted(_ from: String?) -> Bool { wanted == nil || wanted == from }

    private mutating func heardReady(_ message: SignalMessage, at now: Instant) {
        guard isWanted(message.from) else { return }
        hearsRobot = true
        guard case .offering(let next) = phase, isOnServer else { return }
        // The robot may have come after the newest offer, however new that is.
        let soonest = lastOffer.map { $0 + Self.leastPause } ?? now
        if soonest <= now { sendOffer(at: now) } else { phase = .offering(next: min(next, soonest)) }
    }

    private mutating func receive(answer sdp: String, _ drives: String?, _ message: SignalMessage, at now: Instant) {
        if let named = message.session, named != session { return }
        guard case .offering = phase else {
            // Others answered later: they need not wait for us.
            if let from = message.from, message.session == session, from != robot { say(.bye, to: from, session: session) }
            return
        }
        guard isWanted(message.from) else { return }
        (robot, winner) = (message.from, OfferIdentity(sdp: sdp))
        phase = .connecting(until: now + Self.connectTimeout)
        outputs.append(.accept(pair, answer: sdp, drives: drives, isOurs: message.from != nil))
        for candidate in early.take(session: session, from: robot, fragment: winner?.fragment, at: now) {
            outputs.append(.candidate(pair, candidate.text))
        }
    }

    private mutating func receive(_ candidate: SignalCandidate, _ message: SignalMessage, at now: Instant) {
        if let named = message.session, named != session { return }
        switch phase {
        case .preparing, .offering, .pausing: early.add(candidate, from: message.from, session: message.session, at: now)
        case .connecting, .connected:
            let isTheirs =
                if message.session != nil { message.from == robot } else if let fragment = candidate.fragment {
                    fragment == winner?.fragment
                } else { phase != .connected && message.from == robot }
            if isTheirs { outputs.append(.candidate(pair, candidate.text)) }
        case .over: break
        }
    }

    private mutating func heardBusy(_ message: SignalMessage) {
        guard message.session == session, case .offering = phase, isWanted(message.from), !wasBusy else { return }
        wasBusy = true
        outputs.append(.busy)
    }

    /// Whoever is connected says goodbye on the connection, too, where nobody else can.
    private mutating func receiveBye(_ message: SignalMessage, at now: Instant) {
        guard case .connecting = phase, message.session == session, message.from == robot else { return }
        fail(at: now)
    }

    // MARK: The peer

    public mutating func offered(_ pair: PairID, sdp: String, at now: Instant) {
        guard pair == self.pair, phase == .preparing else { return }
        offer = sdp
        phase = .offering(next: now)
        if isOnServer { sendOffer(at: now) }
    }

    public mutating func gathered(_ candidate: SignalCandidate, for pair: PairID) {
        // Nobody can use them before the offer, which holds those that are there by then.
        guard pair == self.pair, offer != nil, phase != .over else { return }
        say(.candidate(candidate), to: robot, session: session)
    }

    /// The answer cannot be used: as if it had not come.
    public mutating func refused(_ pair: PairID, at now: Instant) {
        guard pair == self.pair, case .connecting = phase else { return }
        (robot, winner) = (nil, nil)
        phase = .offering(next: now + Self.reoffer)
    }

    public mutating func connected(_ pair: PairID, at now: Instant) {
        guard pair == self.pair, case .connecting = phase else { return }
        phase = .connected
        pauses = Backoff(pauses: [1, 2, 4, 8, 15], seed: random.next())
    }

    /// The peer is dead, or was closed by the other side: it is gone already. `immediately`: for a reason that waiting does not mend.
    public mutating func ended(_ pair: PairID, immediately: Bool = false, at now: Instant) {
        guard pair == self.pair, phase != .over else { return }
        if immediately { begin() } else { pause(at: now) }
    }

    private mutating func fail(at now: Instant) {
        outputs.append(.end(pair))
        pause(at: now)
    }

    private mutating func pause(at now: Instant) { phase = .pausing(until: now + pauses.failed(at: now).pause) }

    public mutating func shutDown() {
        if phase != .preparing, phase != .over { say(.bye, to: robot, session: session) }
        outputs.append(.end(pair))
        phase = .over
    }

    // MARK: Time

    public var deadline: Instant? {
        switch phase {
        case .offering(let next): isOnServer ? next : nil
        case .connecting(let until), .pausing(let until): until
        case .preparing, .connected, .over: nil
        }
    }

    public mutating func advance(to now: Instant) {
        switch phase {
        case .offering(let next) where now >= next && isOnServer: sendOffer(at: now)
        case .connecting(let until) where now >= until: fail(at: now)
        case .pausing(let until) where now >= until: begin()
        default: break
        }
    }

    private mutating func sendOffer(at now: Instant) {
        guard let offer else { return }
        phase = .offering(next: now + Self.reoffer)
        say(.offer(sdp: offer, interval: interval), to: wanted, session: session)
        outputs.append(.offerSent(isFirst: lastOffer == nil))
        lastOffer = now
    }

    private mutating func say(_ body: SignalMessage.Body, to: String? = nil, session: String? = nil) {
        outputs.append(.send(SignalMessage(body, from: id, to: to, session: session)))
    }
}
