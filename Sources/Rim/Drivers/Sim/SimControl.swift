internal import CMuJoCo
import Glibc
import Reactor
import Robot
import Synchronization
import Wire

/// The world's own thread: it steps in real time by absolute deadlines, and before each step the motors are told.
final class SimControl: SimWorker {
    let threadName = "waldo-sim"
    let urgency = SimUrgency.realTime
    private let exchange: SimExchange
    private let world: SimWorld
    private let state: SimState
    private var motion: SimMotion
    private var sensing: SimSensing
    private var acting: SimActing
    private var dog: SimDog?
    private var resets = 0
    private let step: Duration

    /// So far behind, the world stands still instead of catching up.
    private static let patience = Duration.milliseconds(100)
    /// Settles before time begins.
    private static let settlingSteps = 150

    init(world: SimWorld, exchange: SimExchange) throws(SimError) {
        self.world = world
        self.exchange = exchange
        state = try SimState(world)
        step = .seconds(world.timestep)
        guard (Duration.microseconds(200)...Duration.milliseconds(10)).contains(step) else {
            throw .world(.unfit(path: world.path, subject: "option timestep", expected: "0.0002 to 0.01 s", got: "\(world.timestep)"))
        }
        motion = SimMotion()
        acting = SimActing(state)
        state.begin()
        if let parts = world.dog { dog = SimDog(parts, state) }
        for _ in 0..<Self.settlingSteps {
            acting.hold(state)
            guard unsafe waldo_step(world.model, state.data) == Int32(WALDO_DONE.rawValue) else { throw .physics(Self.complaint) }
        }
        sensing = SimSensing(state)
        let now = MonotonicClock.now()
        report(at: now)
        showScene(at: now)
    }

    var drive: DifferentialDrive { SimMotion.drive(state) }

    private static var complaint: String { unsafe SimFiles.message { unsafe waldo_mujoco_warnings($0, $1) }.1 }

    // MARK: Time

    func run() {
        let counters = exchange.counters
        let began = MonotonicClock.now()
        var due = began, lost = Duration.zero
        while exchange.isRunning.load(ordering: .relaxed) || !motion.commanded.isZero {
            due += step
            sleep(until: due)
            let now = MonotonicClock.now(), late = now - due
            if late > Self.patience {
                counters.skippedSteps.wrappingAdd(Int(late.nanoseconds / step.nanoseconds), ordering: .relaxed)
                lost += late
                due = now
            }
            SimCounters.keepLargest(counters.latestStep, late)
            guard advance(to: now, due: due) else { return }
            let done = MonotonicClock.now()
            let spent = done - now
            SimCounters.keepLargest(counters.slowestStep, spent)
            SimCounters.add(counters.stepTime, spent)
            counters.steps.wrappingAdd(1, ordering: .relaxed)
            counters.lost.store(lost.nanoseconds, ordering: .relaxed)
            counters.drift.store((now - due).nanoseconds, ordering: .relaxed)
            counters.wallTime.store((now - began).nanoseconds, ordering: .relaxed)
        }
    }

    private func sleep(until instant: Instant) {
        var time = timespec(tv_sec: Int(instant.nanoseconds / 1_000_000_000), tv_nsec: Int(instant.nanoseconds % 1_000_000_000))
        while unsafe clock_nanosleep(CLOCK_MONOTONIC, Int32(TIMER_ABSTIME), &time, nil) == EINTR {}
    }

    // MARK: A step

    /// False: MuJoCo cannot go on; telemetry says so from now on, and nothing moves.
    private func advance(to now: Instant, due: Instant) -> Bool {
        let (setpoint, fence, actions) = exchange.orders.withLock { ($0.setpoint, $0.fence, $0.takeActions()) }
        motion.follow(setpoint, fence: fence, at: now, seconds: world.timestep)
        motion.tellMotors(state)
        for action in actions { acting.begin(action, state, exchange) }
        acting.hold(state)
        dog?.live(state, seconds: world.timestep, called: acting.takeWhistle(), acting, exchange)
        guard unsafe waldo_step(world.model, state.data) == Int32(WALDO_DONE.rawValue) else {
            fail()
            return false
        }
        if state.resets != resets {
            resets = state.resets
            exchange.counters.resets.store(resets, ordering: .relaxed)
            state.begin()
            sensing.beginAgain(state)
        }
        acting.countLanded(state)
        if let eaten = dog?.takeEaten() { acting.eat(eaten, state) }
        sensing.feel(state, motion, seconds: world.timestep, light: acting.light, at: now)
        report(at: now)
        showScene(at: due)
        return true
    }

    private func fail() {
        let reason = "the simulation stopped: \(Self.complaint). Start again; if it stays, check the world's file."
        exchange.telemetry.withLock { telemetry in
            telemetry.fault = reason
            telemetry.velocity = .zero
            telemetry.commanded = .zero
        }
    }

    private func report(at now: Instant) {
        let counts = acting.takeCounts()
        let speaker =
            exchange.counters.speakerUntil.load(ordering: .relaxed) > now.nanoseconds
            ? exchange.counters.speakerLevel.load(ordering: .relaxed) : 0
        let microphone = exchange.counters.microphoneLevel.load(ordering: .relaxed)
        exchange.telemetry.withLock { telemetry in
            telemetry.time = now
            telemetry.commanded = motion.commanded
            if let number = motion.carriedOut { telemetry.setpoint = number }
            telemetry.light = acting.light.text
            telemetry.speakerLevel = speaker
            telemetry.microphoneLevel = microphone
            if let counts { telemetry.completed = counts }
            sensing.write(to: &telemetry)
            telemetry.noteStanding()
        }
    }

    /// What the cameras draw; copied, so that they never keep the world waiting.
    private func showScene(at time: Instant) {
        let asked = MonotonicClock.now()
        let places = Int(unsafe waldo_positions(world.model)), mocaps = Int(unsafe waldo_mocaps(world.model))
        exchange.scene.withLock { scene in
            SimCounters.keepLargest(exchange.counters.longestWait, MonotonicClock.now() - asked)
            scene.time = time
            scene.light = acting.light
            unsafe scene.positions.renew(state.positions, places)
            unsafe scene.mocapPlaces.renew(waldo_mocap_place(state.data), 3 * mocaps)
            unsafe scene.mocapTurns.renew(waldo_mocap_turn(state.data), 4 * mocaps)
        }
        exchange.noise.withLock { noise in
            noise.wheels = sensing.rimSpeed
            if let dog { noise.dogDistance = dog.distance }
        }
    }
}

extension Array where Element == Double {
    /// Copies into the place that it has.
    fileprivate mutating func renew(_ source: UnsafeMutablePointer<Double>?, _ count: Int) {
        if self.count != count { self = Array(repeating: 0, count: count) }
        guard let source = unsafe source else { return }
        unsafe withUnsafeMutableBufferPointer { unsafe $0.baseAddress?.update(from: source, count: count) }
    }
}
