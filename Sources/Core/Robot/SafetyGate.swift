import Wire

/// The gate in front of every driver: all that moves a robot passes through here and gets a verdict (specs: safety).
///
/// Told commands and the time, it answers what the motors are to do. It trusts no transport to say that something broke: silence stops the
/// robot by the ladder, counted from the last *accepted* command. The time must not go back.
///
///     let verdict = gate.submit(command, from: session, at: now)
///     gate.advance(to: now)                     // at least every 10 ms while `deadline` is not nil
///     driver.apply(gate.velocity …)
public struct SafetyGate: Sendable {
    public private(set) var profile: SafetyProfile
    /// Of the present mode.
    public private(set) var limits: DriveLimits
    public private(set) var authority: Authority?
    public private(set) var state = MotionState.idle
    /// What the motors are to do now.
    public private(set) var velocity = Velocity.zero
    public private(set) var camera: CameraAngles?
    /// The emergency stop is latched.
    public private(set) var isLatched = false
    /// What is wrong with the robot; while there is something, nothing moves.
    public private(set) var fault: String?
    /// The stick must have been at rest before anything moves again: no surprise start after a gap.
    public private(set) var needsRest = true
    /// Of the newest command that was taken under the present authority.
    public private(set) var lastSequence: UInt32?

    /// What was last accepted, within the limits; `velocity` grows towards it.
    private var target = Velocity.zero
    private var lastAccepted: Instant?
    /// When `velocity` was last moved towards `target`.
    private var lastStep: Instant?
    /// Why commands that came since the last accepted one were refused.
    private var refusedSince: GateRule?
    /// Whose ways and delays are measured.
    private var measured: SessionID?
    private var queueing = QueueingAge()
    private var delays = DelayWindow()
    /// Whether the holder's stick was last seen at rest, and when: what clearing the latch needs.
    private var restSeen: Instant?

    /// m/s or rad/s that no robot of ours does: such a number is a mistake, not a wish.
    static let absurd = 100.0
    /// Growth of a velocity is counted over at most this long: a first command does not start with the acceleration of a long rest.
    private static let longestStep = Duration.milliseconds(33)

    public init(profile: SafetyProfile, limits: DriveLimits) {
        self.profile = profile
        self.limits = limits
    }

    // MARK: Commands

    /// The verdict on one command, by the rules in their order (specs: safety clause 3).
    public mutating func submit(_ command: ContinuousCommand, from session: SessionID, at now: Instant) -> Verdict {
        advance(to: now)
        var verdict = Verdict(epoch: command.epoch, sequence: command.sequence, asked: command.velocity, applied: velocity)
        if let rule = judge(command, from: session, at: now, &verdict) {
            refuse(command, by: rule, at: now)
            verdict.refused = rule
            verdict.changes = []
        }
        verdict.applied = velocity
        return verdict
    }

    /// The rule that refuses, or nil when the command has been accepted and taken over.
    private mutating func judge(
        _ command: ContinuousCommand, from session: SessionID, at now: Instant, _ verdict: inout Verdict
    ) -> GateRule? {
        let isHolder = authority == Authority(session, epoch: command.epoch)
        let isNew = lastSequence.map { Int32(bitPattern: command.sequence &- $0) > 0 } ?? true
        if isHolder, isNew {
            measure(command, at: now, &verdict)
            if isLatched { noteRest(command, at: now) }
        }
        if isLatched { return .estop }
        guard isHolder else { return .authority }
        guard isNew else { return .sequence }
        if command.isStop {
            acceptStop(command, at: now)
            return nil
        }
        if fault != nil { return .fault }
        if let rule = check(command, verdict) { return rule }
        accept(command, at: now, &verdict)
        return nil
    }

    /// Rules 4 to 7, and the rest that a stop asks for.
    private func check(_ command: ContinuousCommand, _ verdict: Verdict) -> GateRule? {
        guard command.velocity.isFinite, command.velocity.largest <= Self.absurd, command.camera?.isFinite ?? true,
            command.sent?.isFinite ?? true
        else { return .finite }
        if let age = verdict.queueingAge, age > profile.staleness { return .stale }
        switch command.view {
        case .none: break
        case .unknown: return .view
        case .captured: if verdict.viewAge.map({ $0 < .zero || $0 > profile.viewAge }) ?? true { return .view }
        }
        if profile.needsDeadMan, !command.isHeld { return .deadman }
        return needsRest ? .rest : nil
    }

    private mutating func measure(_ command: ContinuousCommand, at now: Instant, _ verdict: inout Verdict) {
        if let sent = command.sent, sent.isFinite { verdict.queueingAge = queueing.age(sent: sent, arrival: now) }
        if case .captured(let moment) = command.view {
            let age = now - moment
            verdict.viewAge = age
            if age >= .zero { delays.add(age, at: now) }
        }
        verdict.delay = delays.percentile95(at: now)
    }

    private mutating func acceptStop(_ command: ContinuousCommand, at now: Instant) {
        remember(command, at: now)
        (target, velocity, lastStep) = (.zero, .zero, now)
        restSeen = now
        if fault == nil {
            needsRest = false
            state = .idle
        }
        if fault == nil, let camera = command.camera, camera.isFinite { self.camera = camera }
    }

    /// Rules 8 to 10.
    private mutating func accept(_ command: ContinuousCommand, at now: Instant, _ verdict: inout Verdict) {
        remember(command, at: now)
        restSeen = nil
        target = limits.clamp(command.velocity)
        if target != command.velocity { verdict.changes.append(.clamp) }
        if case .none = command.view {
            if cap(speed: profile.blindSpeed) { verdict.changes.append(.blind) }
            if cap(turning: blindTurning) { verdict.changes = verdict.changes.filter { $0 != .blind } + [.blind] }
        } else if let delay = verdict.delay, delay > .zero {
            if cap(speed: profile.delayDistance / delay.seconds) { verdict.changes.append(.delayCap) }
        }
        state = target.isZero ? .idle : .moving
        step(towards: target, at: now)
        if velocity != target { verdict.changes.append(.slew) }
        if let camera = command.camera { self.camera = camera }
    }

    /// Scales the target as a whole, so that the robot keeps to its arc. Answers whether it had to.
    private mutating func cap(speed limit: Double) -> Bool {
        guard target.speed > limit else { return false }
        target = target * (limit / target.speed)
        return true
    }

    /// The share of the fastest turn that the blind speed is of the fastest drive: who sees nothing does not spin on the spot either.
    private var blindTurning: Double {
        let fastest = max(abs(limits.maximum.vx), abs(limits.maximum.vy))
        return fastest > profile.blindSpeed ? abs(limits.maximum.vyaw) * profile.blindSpeed / fastest : .infinity
    }

    private mutating func cap(turning limit: Double) -> Bool {
        guard abs(target.vyaw) > limit else { return false }
        target = target * (limit / abs(target.vyaw))
        return true
    }

    private mutating func remember(_ command: ContinuousCommand, at now: Instant) {
        lastSequence = command.sequence
        lastAccepted = now
        refusedSince = nil
    }

    private mutating func refuse(_ command: ContinuousCommand, by rule: GateRule, at now: Instant) {
        switch rule {
        case .estop, .fault, .authority, .sequence: return
        case .deadman:
            // Whoever lets go wants to stand: not a matter of waiting for silence. What was sent before must not undo it.
            lastSequence = command.sequence
            if !target.isZero || !velocity.isZero { stop(.deadman, at: now) }
        default: break
        }
        restSeen = nil
        refusedSince = rule
    }

    private mutating func noteRest(_ command: ContinuousCommand, at now: Instant) {
        lastSequence = command.sequence
        restSeen = command.isStop ? now : nil
    }

    // MARK: Time

    /// When `advance` is next needed; nil while nothing moves and nothing is to happen.
    public var deadline: Instant? {
        guard authority != nil, let lastAccepted else { return nil }
        switch state {
        case .moving, .slowing:
            // Every 10 ms, and exactly where a rung begins.
            let slow = lastAccepted + profile.slow
            let rung = state == .moving ? slow : lastAccepted + profile.stop
            return lastStep.map { min($0 + .milliseconds(10), max(rung, $0)) }
        case .idle: return lastAccepted + profile.stop
        case .stopped: return nil
        }
    }

    /// When the last command was accepted that the ladder counts from.
    public var lastSign: Instant? { lastAccepted }

    /// When what the motors are told must end by itself: no later than the ladder's stop, whatever becomes of this process.
    public var validUntil: Instant? { lastAccepted.map { $0 + profile.stop } }

    /// Climbs the ladder of silence and lets the velocity grow (specs: safety clauses 3.10 and 5).
    public mutating func advance(to now: Instant) {
        guard let lastAccepted, state == .moving || state == .slowing || state == .idle, authority != nil else { return }
        let silence = now - lastAccepted
        if silence >= profile.stop {
            stop(silenceReason, at: now)
        } else if state == .idle {
            return
        } else if silence >= profile.slow {
            state = .slowing
            let rest = (silence - profile.slow).seconds / (profile.stop - profile.slow).seconds
            velocity = limits.scaled(by: 0.5 * (1 - rest)).clamp(velocity)
            (target, lastStep) = (velocity, now)
        } else {
            step(towards: target, at: now)
        }
    }

    /// Why there was nothing acceptable.
    private var silenceReason: StopReason {
        switch refusedSince {
        case .view: .viewStale
        case .deadman: .deadman
        default: .silence
        }
    }

    private mutating func step(towards target: Velocity, at now: Instant) {
        let seconds = lastStep.map { min(now - $0, Self.longestStep) }?.seconds ?? Self.longestStep.seconds
        lastStep = now
        let growth = limits.acceleration * seconds
        velocity = Velocity(
            vx: Self.slew(velocity.vx, to: target.vx, by: growth.vx), vy: Self.slew(velocity.vy, to: target.vy, by: growth.vy),
            vyaw: Self.slew(velocity.vyaw, to: target.vyaw, by: growth.vyaw))
    }

    /// Growth is limited; towards zero, and through it, is not.
    private static func slew(_ current: Double, to target: Double, by growth: Double) -> Double {
        let kept = current * target > 0 ? min(abs(current), abs(target)) : 0
        let magnitude = min(abs(target), kept + growth)
        return target < 0 ? -magnitude : magnitude
    }

    // MARK: Stops

    /// The safe state at once, without waiting for the ladder. Stays until the stick has been at rest.
    public mutating func stop(_ reason: StopReason, at now: Instant) {
        (target, velocity, lastStep) = (.zero, .zero, now)
        needsRest = true
        restSeen = nil
        // The first reason explains the stop; the latch and a fault are told whatever came before.
        if state.reason == nil || reason == .estop || reason == .robotFault { state = .stopped(reason) }
    }

    /// Latches, and takes the authority away: whoever goes on driving does so under a new epoch, so that nothing asked before can run after.
    public mutating func pullEmergencyStop(at now: Instant) {
        stop(.estop, at: now)
        guard !isLatched else { return }
        isLatched = true
        authority = nil
    }

    /// Whether the holder's stick is known to be at rest just now.
    public func isAtRest(at now: Instant) -> Bool { restSeen.map { now - $0 <= profile.stop } ?? false }

    /// The latch is off; the robot stays where it is until the stick, at rest, is moved anew. Who may do this is Teleop's to judge.
    public mutating func clearEmergencyStop(at now: Instant) {
        guard isLatched else { return }
        isLatched = false
        state = fault == nil ? .idle : .stopped(.robotFault)
        needsRest = true
        lastAccepted = nil
    }

    /// Who may drive from now on; every change passes through zero and needs the stick at rest.
    public mutating func authorise(_ next: Authority?, at now: Instant) {
        guard next != authority else { return }
        // An emergency stop takes authority away for a moment: what is known of the way must not be forgotten with it.
        if let next, next.session != measured || authority == nil && !isLatched {
            (measured, queueing, delays) = (next.session, QueueingAge(), DelayWindow())
        }
        if !velocity.isZero || !target.isZero { stop(.leaseLost, at: now) }
        authority = next
        (lastAccepted, lastSequence, refusedSince, restSeen) = (nil, nil, nil, nil)
        needsRest = true
        if next != nil, !isLatched, fault == nil { state = .idle }
    }

    /// Other times, for whoever drives next. What moves is stopped: a ladder that is being climbed does not change under it.
    public mutating func setProfile(_ profile: SafetyProfile, at now: Instant) {
        guard profile != self.profile else { return }
        if !velocity.isZero || !target.isZero { stop(.leaseLost, at: now) }
        self.profile = profile
    }

    /// Something is wrong with the robot, or nothing any more.
    public mutating func setFault(_ text: String?, at now: Instant) {
        if let text {
            fault = text
            stop(.robotFault, at: now)
        } else if fault != nil {
            fault = nil
            state = isLatched ? .stopped(.estop) : .idle
        }
    }

    /// Takes effect at once where it lowers.
    public mutating func setLimits(_ limits: DriveLimits) {
        self.limits = limits
        target = limits.clamp(target)
        velocity = limits.clamp(velocity)
    }
}
