import Wire

/// Whether the peer still wants to hear from us on the path in use (RFC 7675).
struct IceConsent: Sendable {
    private(set) var lastReply = Instant.zero
    private(set) var nextCheckAt = Instant.zero
    /// When the oldest check was sent that is not answered, nor a later one.
    private(set) var unansweredSince: Instant?
    private(set) var unanswered = 0
    /// Anything at all from the peer.
    private(set) var lastHeard = Instant.zero
    private(set) var lastData: Instant?
    private var hasProbed = false

    mutating func begin(at now: Instant, interval: Duration) {
        self = IceConsent()
        lastReply = now
        lastHeard = now
        nextCheckAt = now + interval
    }

    mutating func heardData(at now: Instant) {
        lastHeard = now
        lastData = now
        hasProbed = false
    }

    /// There is reason to doubt the path.
    mutating func askAt(_ now: Instant) { nextCheckAt = min(nextCheckAt, now) }

    /// Nothing came for a second in spite of asking.
    func isSilent(at now: Instant) -> Bool { unansweredSince.map { now - $0 >= .seconds(1) && lastHeard <= $0 } ?? false }

    mutating func heardCheck(at now: Instant) { lastHeard = now }

    mutating func answered(at now: Instant, next interval: Duration) {
        lastReply = now
        lastHeard = now
        nextCheckAt = now + interval
        unansweredSince = nil
        unanswered = 0
    }

    /// A check was sent; without an answer the next one follows after the retransmission time-out, at most a second.
    mutating func asked(at now: Instant, timeout: Duration) {
        if unansweredSince == nil { unansweredSince = now }
        unanswered += 1
        hasProbed = true
        nextCheckAt = now + (unanswered <= 2 ? timeout : max(timeout, .seconds(1)))
    }

    /// A path that carried data and fell silent is asked early, once a silence.
    func probeAt(after silence: Duration) -> Instant? {
        guard !hasProbed, unansweredSince == nil, let lastData else { return nil }
        return lastData + silence
    }
}

extension IceAgent {
    /// 5 s ± 20 % (RFC 7675 clause 5.1).
    mutating func consentInterval() -> Duration {
        let mean = configuration.consentInterval.nanoseconds
        let spread = max(1, mean * 2 / 5)
        let offset = Int64(environment.random() % UInt64(spread))
        return Duration(nanoseconds: mean - spread / 2 + offset)
    }

    var consentDeadline: Instant? {
        guard activeID != nil || configuration.mode == .lite && state == .disconnected, state != .failed else { return nil }
        if configuration.mode == .lite {
            return consent.lastHeard + (state == .disconnected ? configuration.consentTimeout : configuration.liteDisconnectTimeout)
        }
        var deadline = earlier(consent.nextCheckAt, consent.lastReply + configuration.consentTimeout)
        deadline = earlier(deadline, consent.probeAt(after: configuration.silenceProbe))
        if state != .disconnected, let since = consent.unansweredSince {
            deadline = earlier(deadline, since + configuration.disconnectTimeout)
        }
        return deadline
    }

    mutating func advanceConsent(to now: Instant) {
        guard state != .failed else { return }
        guard configuration.mode == .full else { return advanceLiteConsent(to: now) }
        guard let activeID, let index = pairIndex(activeID) else { return }
        guard now < consent.lastReply + configuration.consentTimeout else {
            consentExpired(pair: index, at: now)
            return
        }
        if let since = consent.unansweredSince, now >= since + configuration.disconnectTimeout, state != .disconnected {
            set(.disconnected)
            checkOtherPairs()
        }
        if now >= consent.nextCheckAt || consent.probeAt(after: configuration.silenceProbe).map({ now >= $0 }) ?? false {
            consent.asked(at: now, timeout: configuration.retransmissionTimeout)
            sendCheck(.consent, pair: index, at: now)
        }
    }

    /// A lite agent asks nothing: the full one's consent checks are what it hears (RFC 7675 clause 4).
    private mutating func advanceLiteConsent(to now: Instant) {
        guard activeID != nil || state == .disconnected else { return }
        let silence = now - consent.lastHeard
        if silence >= configuration.consentTimeout {
            consentExpired(pair: activeID.flatMap(pairIndex), at: now)
        } else if silence >= configuration.liteDisconnectTimeout {
            set(.disconnected)
        }
    }

    /// RFC 7675 clause 5.1: without consent nothing more is sent.
    private mutating func consentExpired(pair index: Int?, at now: Instant) {
        if let index { removePair(at: index) }
        validated.removeAll()
        selectedID = nil
        for i in pairs.indices where pairs[i].state == .succeeded { pairs[i].state = .failed }
        checks.removeAll()
        triggered = []
        refreshRoute(at: now)
        set(.failed)
    }

    /// The path in use is silent: any other may be what is left.
    private mutating func checkOtherPairs() {
        for i in pairs.indices where pairs[i].id != activeID && pairs[i].generation == current.number {
            if pairs[i].state != .inProgress { pairs[i].state = .waiting }
        }
        firstValidAt = nil
    }
}
