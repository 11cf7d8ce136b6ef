import Robot
import Teleop
import Wire
import XCTest

/// Random histories from seeds: any interleaving of commands, losses, duplicates, reorderings, clock offsets, hand-overs, emergency stops and
/// hung processes (specs: safety clause 8). What is judged is what the driver's motors are told, by rules written down here once more.
final class HistoryTests: XCTestCase {
    func testAHundredThousandHistories() {
        var tally = Tally()
        for seed in UInt64(0)..<100_000 {
            var history = History(seed: seed)
            if let breach = history.run() { return XCTFail("seed \(seed): \(breach)") }
            tally.add(history.tally)
        }
        print("histories:", tally.counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
        // Nothing is shown of what never happens.
        let rules: [GateRule] = [
            .estop, .authority, .sequence, .finite, .stale, .view, .deadman, .clamp, .delayCap, .slew, .blind, .rest, .fault,
        ]
        let others = ["moved", "moved blind", "moved plain", "cleared", "left", "mode", "handed over", "confirmed", "wrapped"]
        for name in rules.map(\.rawValue) + others {
            XCTAssertGreaterThan(tally.counts[name] ?? 0, 100, name)
        }
    }
}

/// How often what happened.
private struct Tally {
    private(set) var counts: [String: Int] = [:]

    mutating func count(_ name: String) { counts[name, default: 0] += 1 }
    mutating func add(_ other: Tally) { counts.merge(other.counts, uniquingKeysWith: +) }
}

/// A robot, two operators and the network between them.
private struct History {
    private var random: SeededRandom
    private var harness: ControlHarness
    private let profile: SafetyProfile
    private var people: [Person] = []
    private var network: [Delivery] = []
    private var order = 0
    private var nextPicture: Instant
    /// Whoever looks on sees: until when the motors may be told to move.
    private var mayMoveUntil = Instant.zero
    private var breach: String?
    private(set) var tally = Tally()

    private enum Kind { case full, blind, plain }

    private struct Person {
        var id: SessionID
        var kind = Kind.full
        /// Their clock less ours, ms.
        var offset: Double
        var epoch: UInt32 = 0
        var sequence: UInt32
        var stick = Velocity.zero
        var holds = true
        var isSending = true
        var seen: (ticks: UInt32, captured: Instant)?
        /// The least time on the way so far under this lease, by the truth.
        var fastest: Duration?
    }

    private struct Delivery {
        var at: Instant
        var order: Int
        var command: DriveCommand
        var person: Int
        var sent: Instant
        var captured: Instant?
        /// No order given before this counts.
        var stops: Int
    }

    /// Long enough for the lease to be suspended.
    private var silentUntil = [Instant.zero, .zero]

    /// How often the emergency stop was pulled or cleared, or the lease changed.
    private var fences = 0

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        profile = Bool.random(using: &random) ? .lan : .wan
        harness = ControlHarness(profile)
        nextPicture = harness.now
        for _ in 0..<2 {
            let offset = Double.random(in: -1e9...1e9, using: &random)
            let sequence = Bool.random(using: &random) ? UInt32.random(in: 0 ... .max, using: &random) : .max - 20
            people.append(Person(id: harness.join(), offset: offset, sequence: sequence))
            let kinds: [Kind] = [.full, .full, .full, .blind, .plain]
            people[people.count - 1].kind = kinds[Int.random(in: 0..<5, using: &random)]
            introduce(people.count - 1)
        }
        acquire(0)
    }

    private mutating func introduce(_ index: Int) {
        harness.control.introduce(people[index].id, name: nil, isBlind: people[index].kind == .blind)
    }

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
    private mutating func milliseconds(_ range: ClosedRange<Int>) -> Duration { .milliseconds(Int.random(in: range, using: &random)) }

    mutating func run() -> String? {
        let loss = Int.random(in: 0...30, using: &random), delay = Int.random(in: 0...60, using: &random)
        let jitter = Int.random(in: 0...80, using: &random)
        for _ in 0..<Int.random(in: 10...45, using: &random) where breach == nil {
            picture()
            for index in people.indices { say(index, loss: loss, delay: delay, jitter: jitter) }
            let end = harness.now + milliseconds(20...45)
            // A process that hangs: nothing is delivered and nothing advances, but the driver's own loop runs.
            if chance(2) { hang(milliseconds(50...900)) } else { live(until: end) }
            // Nobody says anything until the lease is suspended.
            if chance(1) { live(until: max(harness.now, silentUntil.max()!)) }
            event()
        }
        people.indices.forEach { people[$0].isSending = false }
        live(until: harness.now + .milliseconds(700))
        if !harness.velocity.isZero { note("moves after everybody fell silent") }
        return breach
    }

    // MARK: The people

    private mutating func picture() {
        while nextPicture <= harness.now {
            let ticks = UInt32(truncatingIfNeeded: nextPicture.nanoseconds * 9 / 100_000)
            harness.control.captured(ticks: ticks, at: nextPicture)
            for index in people.indices where chance(85) { people[index].seen = (ticks, nextPicture) }
            nextPicture += .milliseconds(33)
        }
    }

    private mutating func say(_ index: Int, loss: Int, delay: Int, jitter: Int) {
        guard harness.now >= silentUntil[index] else { return }
        guard people[index].isSending else {
            if chance(10) { people[index].isSending = true }
            return
        }
        if chance(3) { people[index].isSending = false }
        if chance(1) { silentUntil[index] = harness.now + milliseconds(500...4000) }
        if chance(20) { people[index].stick = stick() }
        if chance(5) { people[index].holds.toggle() } else if chance(30) { people[index].holds = true }
        people[index].sequence &+= 1
        let person = people[index]
        let now = harness.now
        var stamp = DriveCommand.Stamp(
            epoch: person.epoch, sequence: person.sequence, sent: Double(now.nanoseconds) / 1e6 + person.offset,
            seen: person.seen?.ticks ?? 0, isHeld: person.holds)
        if chance(2) { stamp.sent = [.nan, .infinity, stamp.sent - 1e7][Int.random(in: 0..<3, using: &random)] }
        if chance(2) { stamp.seen = UInt32.random(in: 0 ... .max, using: &random) }
        let isKnown = stamp.seen == person.seen?.ticks
        let command = DriveCommand(.velocity(person.stick), stamp: person.kind == .plain ? nil : stamp)
        for _ in 0..<(chance(5) ? 2 : 1) where !chance(loss) {
            order += 1
            network.append(
                Delivery(
                    at: now + .milliseconds(delay) + milliseconds(0...max(jitter, 1)), order: order, command: command, person: index,
                    sent: now,
                    captured: isKnown ? person.seen?.captured : nil, stops: fences))
        }
    }

    private mutating func stick() -> Velocity {
        switch Int.random(in: 0..<10, using: &random) {
        case 0...3: .zero
        case 4: [Velocity(vx: .nan), Velocity(vyaw: -.infinity), Velocity(vx: 1e6)][Int.random(in: 0..<3, using: &random)]
        default: Velocity(vx: .random(in: -1.5...1.5, using: &random), vyaw: .random(in: -3...3, using: &random))
        }
    }

    private mutating func event() {
        let index = Int.random(in: 0..<2, using: &random), id = people[index].id, now = harness.now
        switch Int.random(in: 0..<60, using: &random) {
        case 0:
            harness.control.emergencyStop(by: "x", at: now)
            changed()
        case 1...6:
            let epoch = harness.control.lease.epoch
            let wasLatched = harness.control.gate.isLatched
            try? harness.act { control, now throws(TeleopRefusal) in try control.clearEmergencyStop(id, epoch: epoch, at: now) }
            if wasLatched, !harness.control.gate.isLatched {
                fences += 1
                tally.count("cleared")
            }
        case 7...9: acquire(index)
        case 10: handOver(index)
        case 11:
            harness.control.linkLost(id, at: now)
            if harness.control.lease.holder == id { mayMoveUntil = now }
        case 12, 13:
            var telemetry = RobotTelemetry(time: now)
            telemetry.setpoint = harness.driver.number
            telemetry.commanded = harness.velocity
            telemetry.fault = chance(30) ? "blocked" : nil
            harness.control.observe(telemetry, at: now)
        case 14:
            let epoch = harness.control.lease.epoch, modes = DriveMode.allCases
            let mode = modes[Int.random(in: 0..<modes.count, using: &random)]
            let done: Void? = try? harness.act { control, now throws(TeleopRefusal) in
                try control.setMode(mode, epoch: epoch, from: id, at: now)
            }
            if done != nil { tally.count("mode") }
        case 15:
            let epoch = harness.control.lease.epoch
            harness.control.leave(id, at: now)
            harness.drain()
            if harness.control.lease.epoch != epoch { changed() }
            people[index].id = harness.join()
            introduce(index)
            tally.count("left")
        case 16, 17:
            let epoch = harness.control.lease.epoch
            try? harness.act { control, now throws(TeleopRefusal) in try control.lease(.confirm, id, at: now) }
            if harness.control.lease.epoch != epoch {
                changed()
                tally.count("confirmed")
            }
        // Word of a new epoch takes its time.
        default: if chance(60) { learnEpoch(index) }
        }
        harness.drain()
        check()
    }

    private mutating func acquire(_ index: Int) {
        let id = people[index].id
        let epoch = harness.control.lease.epoch
        try? harness.act { control, now throws(TeleopRefusal) in try control.lease(.acquire, id, at: now) }
        if harness.control.lease.epoch != epoch { changed() }
        learnEpoch(index)
    }

    private mutating func handOver(_ index: Int) {
        let (id, other) = (people[index].id, people[1 - index].id)
        let epoch = harness.control.lease.epoch
        try? harness.act { control, now throws(TeleopRefusal) in try control.lease(.transfer(to: other), id, at: now) }
        if harness.control.lease.epoch != epoch {
            changed()
            tally.count("handed over")
        }
    }

    private mutating func changed() {
        fences += 1
        mayMoveUntil = harness.now
        people.indices.forEach { people[$0].fastest = nil }
    }

    private mutating func learnEpoch(_ index: Int) { people[index].epoch = harness.control.lease.epoch }

    // MARK: Time

    private mutating func live(until end: Instant) {
        while breach == nil {
            let arrival = network.min { ($0.at, $0.order) < ($1.at, $1.order) }
            let next = [arrival?.at, harness.control.deadline].compactMap { $0 }.min() ?? end
            guard next < end else { break }
            harness.now = max(harness.now, next)
            check()
            if let arrival, arrival.at <= harness.now {
                network.removeAll { $0.order == arrival.order }
                deliver(arrival)
            } else {
                advance()
            }
            check()
        }
        harness.now = max(harness.now, end)
        advance()
        check()
    }

    private mutating func hang(_ duration: Duration) {
        let end = harness.now + duration
        while harness.now < end {
            harness.now += .milliseconds(5)
            check()
        }
        // What waited in the socket comes now.
        for index in network.indices where network[index].at < harness.now { network[index].at = harness.now }
    }

    private mutating func advance() {
        let epoch = harness.control.lease.epoch
        harness.control.advance(to: harness.now)
        harness.drain()
        if harness.control.lease.epoch != epoch { changed() }
    }

    // MARK: The judge

    private mutating func deliver(_ delivery: Delivery) {
        let person = people[delivery.person], now = harness.now
        let lease = harness.control.lease, wasLatched = harness.control.gate.isLatched
        let before = harness.control.gate.velocity
        harness.control.drive(delivery.command, seenTicks: delivery.command.stamp?.seen, from: person.id, at: now)
        harness.drain()
        if harness.control.lease.epoch != lease.epoch { changed() }
        guard let verdict = harness.control.lastVerdict else { return note("no verdict") }
        if let rule = verdict.refused { tally.count(rule.rawValue) }
        for rule in verdict.changes { tally.count(rule.rawValue) }
        guard let stamp = delivery.command.stamp else { return judgePlain(delivery, person, verdict, lease, wasLatched) }
        guard case .velocity(let asked) = delivery.command.value else { return }
        if verdict.isAccepted {
            if stamp.sequence < 20 { tally.count("wrapped") }
            // By the truth that only this test knows.
            if wasLatched { note("accepted while latched") }
            if lease.holder != person.id || lease.state == .free { note("accepted from who does not hold the lease") }
            if stamp.epoch != lease.epoch || delivery.stops != fences, harness.control.lease.epoch == lease.epoch {
                if !asked.isZero || stamp.epoch != lease.epoch { note("accepted although it was sent before the last fence") }
            }
            if !asked.isZero { judgeMotion(asked, stamp, delivery, person) }
            if !asked.isZero { mayMoveUntil = now + profile.stop } else { mayMoveUntil = now }
        } else {
            let after = harness.control.gate.velocity
            if abs(after.vx) > abs(before.vx) + 0.07 { note("a refused command made the robot faster") }
        }
        if stamp.sent.isFinite, lease.authority == Authority(person.id, epoch: stamp.epoch) {
            let way = now - delivery.sent
            if abs(stamp.sent - (Double(delivery.sent.nanoseconds) / 1e6 + person.offset)) < 1 {
                people[delivery.person].fastest = min(person.fastest ?? way, way)
            }
        }
    }

    /// A plain command tells nothing of when it was given: it counts as given on arrival, slowly.
    private mutating func judgePlain(_ delivery: Delivery, _ person: Person, _ verdict: Verdict, _ lease: Lease, _ wasLatched: Bool) {
        guard case .velocity(let asked) = delivery.command.value else { return }
        if harness.control.lease.authority?.session == person.id, !wasLatched, asked.isZero, !verdict.isAccepted {
            return note("a stop of a plain holder's was refused: \(verdict)")
        }
        guard verdict.isAccepted else { return }
        if wasLatched { note("accepted while latched") }
        if lease.holder != person.id || lease.state != .held { note("accepted from who does not hold the lease") }
        if !asked.isFinite || abs(asked.vx) > 100 { note("accepted a number that is none") }
        if verdict.applied.speed > profile.blindSpeed + 1e-9 { note("a plain client goes \(verdict.applied.speed) m/s") }
        if !verdict.applied.isZero { tally.count("moved plain") }
        mayMoveUntil = asked.isZero ? harness.now : harness.now + profile.stop
    }

    private mutating func judgeMotion(_ asked: Velocity, _ stamp: DriveCommand.Stamp, _ delivery: Delivery, _ person: Person) {
        let now = harness.now
        if !asked.isFinite || abs(asked.vx) > 100 { note("accepted a number that is none") }
        if !stamp.isHeld { note("accepted without the dead-man") }
        if person.kind == .blind {
            if harness.control.lastVerdict!.applied.speed > profile.blindSpeed + 1e-9 { note("goes fast without a picture") }
        } else {
            guard let captured = delivery.captured else { return note("accepted on a picture that never was") }
            if now - captured > profile.viewAge { note("accepted on a picture \((now - captured).milliseconds) ms old") }
        }
        if !harness.control.lastVerdict!.applied.isZero { tally.count(person.kind == .blind ? "moved blind" : "moved") }
        if let fastest = person.fastest, (now - delivery.sent) - fastest > profile.staleness + .milliseconds(1) {
            note("accepted a command \((now - delivery.sent).milliseconds) ms old, the fastest took \(fastest.milliseconds)")
        }
        let applied = harness.control.lastVerdict!.applied
        let limits = harness.control.gate.limits.maximum
        if abs(applied.vx) > limits.vx || abs(applied.vyaw) > limits.vyaw || applied.vy != 0 { note("beyond the limits: \(applied)") }
        guard person.kind == .full else { return }
        if let delay = harness.control.lastVerdict!.delay, applied.speed * delay.seconds > profile.delayDistance + 1e-9 {
            note("travels \(applied.speed * delay.seconds) m during the delay")
        }
    }

    /// At any time: nothing but zero where there is no order to move, or it is too old.
    private mutating func check() {
        let velocity = harness.driver.velocity(at: harness.now)
        guard !velocity.isZero else { return }
        let gate = harness.control.gate
        if harness.now > mayMoveUntil { note("moves \((harness.now - mayMoveUntil).milliseconds) ms after it had to stand: \(velocity)") }
        if gate.isLatched { note("moves while latched") }
        if gate.fault != nil { note("moves with a fault") }
        if !velocity.isFinite { note("not a velocity: \(velocity)") }
    }

    private mutating func note(_ text: String) { if breach == nil { breach = "\(harness.now.nanoseconds / 1_000_000) ms: \(text)" } }
}
