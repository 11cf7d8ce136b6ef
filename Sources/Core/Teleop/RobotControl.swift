import Robot
import Wire

/// One robot as its people share it: sessions, lease and gate as one machine. Told messages and the time; drained of outputs.
///
/// Every face of a robot ends here, and nothing else gives its driver a setpoint.
public struct RobotControl: Sendable {
    public let capabilities: RobotCapabilities
    public private(set) var gate: SafetyGate
    public private(set) var lease: Lease
    public private(set) var sessions: [SessionID: Session] = [:]
    public private(set) var captures = CaptureLog()
    /// Commands by outcome since the beginning.
    public private(set) var counts = ControlCounts()
    /// Of whoever sent the newest command.
    public private(set) var lastVerdict: Verdict?
    /// Who pulled the emergency stop that is latched.
    public private(set) var latchedBy: String?
    public private(set) var mode: DriveMode

    private var outputs: [ControlOutput] = []
    private var setpoint = Setpoint(number: 0, velocity: .zero, validUntil: .zero)
    private var lastState = MotionState.idle
    private var watch: DriverWatch
    private var nextSession: UInt32 = 1

    public static let maximumSessions = 256
    /// Of the fastest.
    private static let absurdWheel = 10.0

    /// One client's place.
    public struct Session: Sendable {
        /// For the other people.
        public var name: String
        public var rights: Rights
        /// Drives without a picture, by its own declaration.
        public var isBlind = false
        /// What became of its newest command since the last change of who drives, and when.
        fileprivate var newest: (verdict: Verdict, moment: Instant)?
    }

    public init(capabilities: RobotCapabilities, profile: SafetyProfile, mode: DriveMode = .normal, at now: Instant) {
        self.capabilities = capabilities
        self.mode = mode
        gate = SafetyGate(profile: profile, limits: capabilities.limits.scaled(by: mode.factor))
        lease = Lease(profile: profile)
        let slowest = capabilities.deceleration > 0 ? capabilities.limits.maximum.speed / capabilities.deceleration : 0
        watch = DriverWatch(since: now, stopping: .milliseconds(250) + .seconds(slowest))
    }

    public var profile: SafetyProfile { gate.profile }

    public mutating func nextOutput() -> ControlOutput? { outputs.isEmpty ? nil : outputs.removeFirst() }

    // MARK: Sessions

    /// Nil: the robot has as many sessions as it takes.
    public mutating func join(name: String, rights: Rights) -> SessionID? {
        guard sessions.count < Self.maximumSessions else { return nil }
        let id = SessionID(nextSession)
        nextSession += 1
        sessions[id] = Session(name: name.isEmpty ? "\(id)" : name, rights: capabilities.drive == .recorded ? [] : rights)
        return id
    }

    /// What a session says of itself.
    public mutating func introduce(_ id: SessionID, name: String?, isBlind: Bool?) {
        if let isBlind { sessions[id]?.isBlind = isBlind }
        guard let name, !name.isEmpty, let before = sessions[id]?.name, name != before else { return }
        sessions[id]?.name = name
        if lease.holder == id || lease.request?.session == id { tell(.leaseChanged) }
    }

    /// The session, its channel or its peer is gone: if it drove, the robot stops at once (specs: safety clause 5).
    public mutating func leave(_ id: SessionID, at now: Instant) {
        advance(to: now)
        guard sessions[id] != nil else { return }
        linkLost(id, at: now)
        sessions[id] = nil
        var next = lease
        next.ended(id, at: now)
        adopt(next, at: now)
    }

    /// The session may come back, but what it drives stops at once.
    public mutating func linkLost(_ id: SessionID, at now: Instant) {
        if gate.authority?.session == id { stop(.linkLost, at: now) }
    }

    // MARK: Continuous commands

    /// `seenTicks`: the picture that the sender saw, less its own offset; nil: none yet.
    public mutating func drive(_ command: DriveCommand, seenTicks: UInt32?, from id: SessionID, at now: Instant) {
        advance(to: now)
        guard let session = sessions[id] else { return }
        let velocity = velocity(of: command)
        let view: ContinuousCommand.View
        if session.isBlind || command.stamp == nil {
            view = .none
        } else {
            view = seenTicks.flatMap { captures.captured(ticks: $0) }.map { .captured($0) } ?? .unknown
        }
        let verdict = gate.submit(stamped(command, velocity, view), from: id, at: now)
        if verdict.isAccepted { lease.renew(at: now) }
        // Refused by the latch alone, at rest: no motion, but a sign of life.
        if verdict.refused == .estop, lease.authority?.session == id, gate.isAtRest(at: now) { lease.renew(at: now) }
        counts.add(verdict)
        lastVerdict = verdict
        sessions[id]?.newest = (verdict, now)
        tell(.verdict(verdict, from: id))
        settle(at: now)
    }

    /// What a session is told about commands: of those that it sends now, or else of who drives. What a stranger sends is no news to who drives.
    public func lastVerdict(for id: SessionID?, at now: Instant) -> Verdict? {
        if let id, commands(id, at: now), let newest = sessions[id]?.newest { return newest.verdict }
        return driversVerdict
    }

    /// Of who drives; until they have sent something, of whoever sent the newest command.
    public var driversVerdict: Verdict? { lease.holder.flatMap { sessions[$0]?.newest?.verdict } ?? lastVerdict }

    /// Whether a session drives, or tries to: has sent a command within the last second.
    public func commands(_ id: SessionID, at now: Instant) -> Bool {
        if lease.holder == id { return true }
        return sessions[id]?.newest.map { now - $0.moment < .seconds(1) } ?? false
    }

    private func velocity(of command: DriveCommand) -> Velocity {
        switch command.value {
        case .velocity(let velocity): return velocity
        case .wheels(let left, let right):
            // A mistake, not a wish: the gate refuses it as it is (specs: safety clause 3.4).
            guard abs(left) <= Self.absurdWheel, abs(right) <= Self.absurdWheel else { return Velocity(vx: .infinity) }
            // A stick that is calibrated a little too far is no reason to stop.
            let (left, right) = (min(max(left, -1), 1), min(max(right, -1), 1))
            if case .differential(let drive) = capabilities.drive { return drive.velocity(left: left, right: right) }
            // Tank steering of a robot without two sides: as one with a track that turns at full speed when its sides oppose.
            let most = capabilities.limits.maximum
            return Velocity(vx: (left + right) / 2 * most.vx, vyaw: (right - left) / 2 * most.vyaw)
        }
    }

    /// A plain client's command counts as sent on arrival, under the present lease, and held.
    private mutating func stamped(_ command: DriveCommand, _ velocity: Velocity, _ view: ContinuousCommand.View) -> ContinuousCommand {
        guard let stamp = command.stamp else {
            // After whatever was taken before; nobody else's numbers count.
            return ContinuousCommand(
                epoch: lease.epoch, sequence: (gate.lastSequence ?? 0) &+ 1, sent: nil, view: view, isHeld: true, velocity: velocity,
                camera: command.camera
            )
        }
        return ContinuousCommand(
            epoch: stamp.epoch, sequence: stamp.sequence, sent: stamp.sent, view: view, isHeld: stamp.isHeld, velocity: velocity,
            camera: command.camera)
    }

    /// A picture was taken and is on its way to people.
    public mutating func captured(ticks: UInt32, at moment: Instant) { captures.add(ticks: ticks, captured: moment) }

    // MARK: Stops

    /// Anyone may; nobody is asked (specs: safety clause 6). `by`: for people.
    public mutating func emergencyStop(by: String, at now: Instant) {
        // Before everything, also before the time is told to the rest.
        let wasLatched = gate.isLatched
        let number = setpoint.number
        gate.pullEmergencyStop(at: now)
        outputs.insert(.stop(after: number), at: 0)
        // Also where it is latched: a clearing that was sent before this pull must not undo it.
        lease.raiseEpoch()
        guard !wasLatched else { return authorise(at: now) }
        latchedBy = by
        tell(.latched(by: by))
        authorise(at: now)
    }

    /// Needs the right, a current lease, and the sticks at rest.
    public mutating func clearEmergencyStop(_ id: SessionID, epoch: UInt32, at now: Instant) throws(TeleopRefusal) {
        try decide(.clear(epoch: epoch), id) { control throws(TeleopRefusal) in try control.clear(id, epoch, at: now) }
    }

    private mutating func clear(_ id: SessionID, _ epoch: UInt32, at now: Instant) throws(TeleopRefusal) {
        advance(to: now)
        let session = try present(id)
        guard session.rights.contains(.clear) else { throw TeleopRefusal("no_right", "you may pull the emergency stop, but not clear it") }
        guard gate.isLatched else { return }
        try mustDrive(id, epoch: epoch)
        guard gate.isAtRest(at: now) else { throw TeleopRefusal("not_at_rest", "let go of the controls first: the sticks must be at rest") }
        gate.clearEmergencyStop(at: now)
        latchedBy = nil
        tell(.cleared(by: session.name))
        // What was sent while the latch held, and is still on its way, is void, too.
        lease.raiseEpoch()
        authorise(at: now)
    }

    /// A stop by hand that does not latch.
    public mutating func stop(_ reason: StopReason, at now: Instant) {
        gate.stop(reason, at: now)
        settle(at: now)
    }

    /// Other times of the ladder, for whoever drives next: who drives now loses the lease.
    public mutating func setProfile(_ profile: SafetyProfile, at now: Instant) {
        guard profile != gate.profile else { return }
        advance(to: now)
        gate.setProfile(profile, at: now)
        var next = lease
        if let holder = lease.holder { next.ended(holder, at: now) }
        next.setProfile(profile)
        adopt(next, at: now)
        settle(at: now)
    }

    // MARK: The lease

    public mutating func lease(_ action: LeaseAction, _ id: SessionID, at now: Instant) throws(TeleopRefusal) {
        try decide(.lease(action), id) { control throws(TeleopRefusal) in try control.change(action, id, at: now) }
    }

    private mutating func change(_ action: LeaseAction, _ id: SessionID, at now: Instant) throws(TeleopRefusal) {
        advance(to: now)
        let session = try present(id)
        if action != .release, !session.rights.contains(.drive) { throw TeleopRefusal("no_right", "you may watch, but not drive") }
        if action == .take, !session.rights.contains(.take) {
            throw TeleopRefusal("no_right", "only a supervisor may take control from somebody")
        }
        var next = lease
        switch action {
        case .acquire: _ = try next.acquire(id, at: now)
        case .confirm: try next.confirm(id, at: now)
        case .release: try next.giveUp(id, at: now)
        case .grant: try next.grant(id, at: now)
        case .refuse: try next.refuse(id)
        case .take: next.take(id, at: now)
        case .transfer(let other):
            guard let receiver = sessions[other], receiver.rights.contains(.drive) else {
                throw TeleopRefusal("no_session", "\(other): no such session, or it may not drive")
            }
            try next.transfer(from: id, to: other, at: now)
        }
        adopt(next, at: now)
    }

    // MARK: Things done once

    /// Begins under the same fences as motion: the lease, its epoch, no latch, no fault. `begin`: the driver's own.
    public mutating func action(
        _ action: RobotAction, epoch: UInt32, from id: SessionID, at now: Instant, begin: (RobotAction) throws(RobotActionError) -> Void
    ) throws(TeleopRefusal) {
        try decide(.action(action, epoch: epoch), id) { control throws(TeleopRefusal) in
            try control.permit(action, epoch, id, at: now)
            do throws(RobotActionError) { try begin(action) } catch { throw TeleopRefusal(error) }
        }
    }

    private mutating func permit(_ action: RobotAction, _ epoch: UInt32, _ id: SessionID, at now: Instant) throws(TeleopRefusal) {
        advance(to: now)
        _ = try present(id)
        if gate.isLatched { throw TeleopRefusal("estop", "the emergency stop is latched") }
        if let fault = gate.fault { throw TeleopRefusal("fault", fault) }
        try mustDrive(id, epoch: epoch)
        guard let known = capabilities.actions.first(where: { $0.name == action.name }) else {
            throw TeleopRefusal(.unknown(action.name, known: capabilities.actions.map(\.name)))
        }
        if !known.choices.isEmpty, !known.choices.contains(action.argument) {
            throw TeleopRefusal(.argument(action.argument, expected: known.choices.joined(separator: " or ")))
        }
    }

    public mutating func setMode(_ mode: DriveMode, epoch: UInt32, from id: SessionID, at now: Instant) throws(TeleopRefusal) {
        try decide(.mode(mode, epoch: epoch), id) { control throws(TeleopRefusal) in
            control.advance(to: now)
            _ = try control.present(id)
            try control.mustDrive(id, epoch: epoch)
            control.mode = mode
            control.gate.setLimits(control.capabilities.limits.scaled(by: mode.factor))
            control.settle(at: now)
        }
    }

    /// Whatever comes of it is told: no refusal is silent.
    private mutating func decide(
        _ command: DiscreteCommand, _ id: SessionID, _ act: (inout RobotControl) throws(TeleopRefusal) -> Void
    ) throws(TeleopRefusal) {
        do throws(TeleopRefusal) { try act(&self) } catch {
            tell(.decided(command, refusal: error, from: id))
            throw error
        }
        tell(.decided(command, refusal: nil, from: id))
    }

    private func present(_ id: SessionID) throws(TeleopRefusal) -> Session {
        if capabilities.drive == .recorded { throw .recorded }
        guard let session = sessions[id] else { throw TeleopRefusal("no_session", "this session has ended; connect again") }
        return session
    }

    private func mustDrive(_ id: SessionID, epoch: UInt32) throws(TeleopRefusal) {
        guard lease.authority?.session == id else { throw TeleopRefusal("not_holder", "take control first: only who drives can do this") }
        guard lease.epoch == epoch else {
            throw TeleopRefusal("old_epoch", "this was asked under epoch \(epoch), it is \(lease.epoch) now: ask again")
        }
    }

    // MARK: The driver

    /// The newest telemetry of the driver, or nil when there is none yet: a loop that no longer runs, a fault, a stop that was not carried
    /// out are each a reason to stop, and are told.
    public mutating func observe(_ telemetry: RobotTelemetry, at now: Instant) {
        let found = watch.observe(telemetry, at: now)
        guard found != gate.fault else { return }
        gate.setFault(found, at: now)
        if found != nil { outputs.append(.stop(after: setpoint.number)) }
        tell(.fault(found))
        settle(at: now)
    }

    // MARK: Time

    public var deadline: Instant? { earlier(gate.deadline, lease.deadline) }

    public mutating func advance(to now: Instant) {
        gate.advance(to: now)
        if let deadline = lease.deadline, now >= deadline {
            var next = lease
            next.advance(to: now)
            adopt(next, at: now)
        }
        settle(at: now)
    }

    /// Whatever changes the lease changes who the gate listens to.
    private mutating func adopt(_ next: Lease, at now: Instant) {
        let before = (lease.epoch, lease.state, lease.request)
        if next.holder != lease.holder { for id in sessions.keys { sessions[id]?.newest = nil } }
        lease = next
        guard before != (next.epoch, next.state, next.request) else { return }
        authorise(at: now)
    }

    /// The robot stands before anybody is told.
    private mutating func authorise(at now: Instant) {
        gate.authorise(lease.authority, at: now)
        settle(at: now)
        tell(.leaseChanged)
    }

    /// Tells the driver and the people what is different now.
    private mutating func settle(at now: Instant) {
        let isMoving = !gate.velocity.isZero
        if gate.velocity != setpoint.velocity || isMoving || gate.camera != setpoint.camera {
            let wasMoving = !setpoint.velocity.isZero
            let until = min(now + .milliseconds(100), gate.validUntil ?? now)
            setpoint = Setpoint(number: setpoint.number + 1, velocity: gate.velocity, camera: gate.camera, validUntil: until)
            if wasMoving, !isMoving {
                watch.expectStop(setpoint.number, at: now)
                if gate.state.reason != nil { outputs.append(.stop(after: setpoint.number - 1)) }
            }
            outputs.append(.setpoint(setpoint))
        }
        if gate.state != lastState {
            let wasMoving = lastState == .moving || lastState == .slowing
            lastState = gate.state
            if wasMoving, let reason = gate.state.reason { tell(.stopped(reason)) }
        }
    }

    private mutating func tell(_ event: ControlEvent) { outputs.append(.event(event)) }
}
