import Robot
import Wire

/// The right to drive one robot: who has it, and since which epoch (specs: safety clause 7). Told the time; asks nobody.
public struct Lease: Sendable {
    public enum State: String, Sendable, Hashable { case free, held, suspended }

    /// Somebody who would like to drive.
    public struct Request: Sendable, Hashable {
        public var session: SessionID
        public var until: Instant
    }

    /// Rises with every change of holder, every confirmation and every emergency stop.
    public private(set) var epoch: UInt32 = 0
    public private(set) var state = State.free
    public private(set) var holder: SessionID?
    public private(set) var request: Request?
    /// When the holder was last known to be there.
    private var lastSign = Instant.zero
    private var suspend: Duration
    private var release: Duration
    /// How long a holder has for an answer.
    public static let patience = Duration.seconds(10)

    public init(profile: SafetyProfile) { (suspend, release) = (profile.suspend, profile.release) }

    /// Who may drive: nobody while the lease is suspended.
    public var authority: Authority? { state == .held ? holder.map { Authority($0, epoch: epoch) } : nil }

    mutating func setProfile(_ profile: SafetyProfile) { (suspend, release) = (profile.suspend, profile.release) }

    // MARK: What sessions ask

    public enum Answer: Sendable, Hashable { case granted, asked }

    /// A free robot is given at once; a taken one's holder is asked.
    public mutating func acquire(_ session: SessionID, at now: Instant) throws(TeleopRefusal) -> Answer {
        if holder == session {
            if state == .suspended { give(to: session, at: now) }
            return .granted
        }
        guard holder != nil else {
            give(to: session, at: now)
            return .granted
        }
        if request?.session == session { return .asked }
        guard request == nil else { throw TeleopRefusal("busy", "somebody else is asking for control already; try again in 10 s") }
        request = Request(session: session, until: now + Self.patience)
        return .asked
    }

    /// The holder is there again after a suspension.
    public mutating func confirm(_ session: SessionID, at now: Instant) throws(TeleopRefusal) {
        try hold(session)
        if state == .suspended { give(to: session, at: now) }
        lastSign = now
    }

    public mutating func giveUp(_ session: SessionID, at now: Instant) throws(TeleopRefusal) {
        try hold(session)
        free(at: now)
    }

    public mutating func grant(_ session: SessionID, at now: Instant) throws(TeleopRefusal) {
        try hold(session)
        guard let request else { throw TeleopRefusal("no_request", "nobody is asking for control") }
        give(to: request.session, at: now)
    }

    public mutating func refuse(_ session: SessionID) throws(TeleopRefusal) {
        try hold(session)
        guard request != nil else { throw TeleopRefusal("no_request", "nobody is asking for control") }
        request = nil
    }

    public mutating func transfer(from session: SessionID, to other: SessionID, at now: Instant) throws(TeleopRefusal) {
        try hold(session)
        if other != session { give(to: other, at: now) }
    }

    /// Whether a session may is its rights' affair.
    public mutating func take(_ session: SessionID, at now: Instant) {
        if authority?.session != session { give(to: session, at: now) }
    }

    private func hold(_ session: SessionID) throws(TeleopRefusal) {
        guard holder == session else { throw TeleopRefusal("not_holder", "only who has control can do this") }
    }

    // MARK: What happens

    /// A command of the holder's was taken.
    public mutating func renew(at now: Instant) { lastSign = now }

    /// Everything that was asked until now is void.
    public mutating func raiseEpoch() { epoch &+= 1 }

    /// A session has ended.
    public mutating func ended(_ session: SessionID, at now: Instant) {
        if request?.session == session { request = nil }
        if holder == session { free(at: now) }
    }

    public var deadline: Instant? {
        let rung: Instant? =
            switch state {
            case .free: nil
            case .held: lastSign + suspend
            case .suspended: lastSign + release
            }
        return earlier(rung, request?.until)
    }

    /// The upper rungs of the ladder, and the end of patience with a holder who does not answer.
    public mutating func advance(to now: Instant) {
        if let asked = request, now >= asked.until { request = nil }
        if state == .held, now - lastSign >= suspend { state = .suspended }
        if state == .suspended, now - lastSign >= release { free(at: now) }
    }

    private mutating func give(to session: SessionID, at now: Instant) {
        epoch &+= 1
        (state, holder, request, lastSign) = (.held, session, nil, now)
    }

    /// Who asked while there was a holder gets what is free now.
    private mutating func free(at now: Instant) {
        if let request {
            give(to: request.session, at: now)
        } else {
            epoch &+= 1
            (state, holder) = (.free, nil)
        }
    }
}
