import Contracts
import Media
import RTC
import Reactor
import Robot
import Teleop
import Wire

/// One robot on the reactor: carries out what its control machine wants, and tells its clients. Holds no rule of its own.
final class RobotHost {
    let unit: RobotUnit
    private(set) var control: RobotControl
    private var clients: [SessionID: DriveSession] = [:]
    /// By the camera's name.
    private(set) var video: [String: VideoSource] = [:]
    let sound: SoundSource?
    let log: Logger
    /// Who is told what happened, beside the clients: metrics, the recorder.
    var observers: [(ControlEvent, Instant) -> Void] = []
    /// Each telemetry message as nobody in particular sees it.
    var onTelemetry: ((JSON, Instant) -> Void)?
    var isRecording = false
    /// From a datagram with an emergency stop to the driver's having it, newest: ns.
    private(set) var stopNanoseconds: Int64 = 0

    /// How long a stop took.
    var onStopTime: ((StopClock.Reading) -> Void)?

    private let reactor: Reactor
    private var stopClock: StopClock?
    private var timer: ReactorTimer?
    private var ticker: ReactorTimer?
    private var isDraining = false
    private var lastState = MotionState.idle
    private var leaseTold = Instant.zero
    private var leaseIsDue = false
    /// 20 Hz.
    private static let tick = Duration.milliseconds(50)

    init(
        _ unit: RobotUnit, profile: SafetyProfile, mode: DriveMode = .normal, bitrate: Int, encoders: VideoEncoders, reactor: Reactor,
        log: Logger
    ) throws {
        self.unit = unit
        self.reactor = reactor
        self.log = log
        control = RobotControl(capabilities: unit.driver.capabilities, profile: profile, mode: mode, at: MonotonicClock.now())
        sound = try unit.microphone.map { try SoundSource(feed: $0, reactor: reactor) }
        for feed in unit.cameras {
            // Smaller pictures are worth fewer bits.
            let share = min(1, Double(feed.width * feed.height * feed.rate) / Double(1280 * 720 * 30))
            let source = VideoSource(
                feed: feed, reactor: reactor, bitrate: max(Int(Double(bitrate) * share), 200_000), encoders: encoders)
            source.onSending = { [unowned self] frame in control.captured(ticks: frame.timestamp, at: frame.captureTime) }
            video[feed.name] = source
        }
        stopClock = StopClock(unit.driver, reactor: reactor) { [unowned self] reading in tell(reading) }
        timer = reactor.makeTimer { [unowned self] now in with { control, _ in control.advance(to: now) } }
        ticker = reactor.makeTimer { [unowned self] now in tell(at: now) }
        ticker?.deadline = MonotonicClock.now() + Self.tick
    }

    var id: String { unit.id }
    var clientCount: Int { clients.count }
    var sessions: [DriveSession] { Array(clients.values) }

    /// Calls the machine and carries out what it then wants.
    func with<Result>(_ body: (inout RobotControl, Instant) throws -> Result) rethrows -> Result {
        defer { drain() }
        return try body(&control, MonotonicClock.now())
    }

    private func drain() {
        // What an event causes is carried out by the round that is under way.
        guard !isDraining else { return }
        isDraining = true
        while let output = control.nextOutput() {
            switch output {
            case .setpoint(let setpoint): unit.driver.apply(setpoint)
            case .stop(let number): unit.driver.stop(after: number)
            case .event(let event): handle(event, at: MonotonicClock.now())
            }
        }
        isDraining = false
        timer?.deadline = control.deadline
        if control.gate.state != lastState {
            lastState = control.gate.state
            log.debug("motion", ["state": .text(lastState.name), "reason": lastState.reason.map { .text($0.rawValue) }])
        }
    }

    // MARK: Clients

    func add(_ client: DriveSession) { clients[client.id] = client }

    func remove(_ client: DriveSession) {
        guard clients.removeValue(forKey: client.id) != nil else { return }
        with { control, now in control.leave(client.id, at: now) }
    }

    /// Pulls the emergency stop for whoever asks. `since`: when the wish arrived.
    func emergencyStop(by: String, since arrival: Instant) {
        with { control, now in control.emergencyStop(by: by, at: now) }
        stopNanoseconds = (MonotonicClock.now() - arrival).nanoseconds
    }

    // MARK: What happens

    private func handle(_ event: ControlEvent, at now: Instant) {
        for observe in observers { observe(event, now) }
        switch event {
        case .verdict, .decided: break
        case .leaseChanged:
            log.debug("the lease", ["state": .text(control.lease.state.rawValue), "epoch": .integer(Int64(control.lease.epoch))])
            // Who pulls the emergency stop a thousand times a second does not make us tell everybody as often: the tick brings the newest.
            if now - leaseTold >= .milliseconds(20) { tellLease(at: now) } else { leaseIsDue = true }
            // Who drives may make the picture smaller for all: theirs matters most. Operators who are no clients of ours see to it themselves.
            guard !clients.isEmpty else { break }
            let leader = control.lease.holder.flatMap { clients[$0]?.peer }
            for fanOut in video.values.flatMap(\.all) { fanOut.leader = leader }
        case .stopped(let reason):
            log.info("stopped", ["reason": .text(reason.rawValue)])
            stopClock?.start(reason, last: control.gate.lastSign ?? now, at: now)
            broadcast(RobotMessage.stop(reason, at: now))
        case .latched(let by):
            log.warning("emergency stop", ["by": .text(by)])
            broadcast(RobotMessage.emergencyStop(isLatched: true, by: by, at: now))
            tell(at: now)
        case .cleared(let by):
            log.warning("emergency stop cleared", ["by": .text(by)])
            broadcast(RobotMessage.emergencyStop(isLatched: false, by: by, at: now))
        case .fault(let text):
            if let text { log.error("fault", ["text": .text(text)]) } else { log.info("the fault is gone") }
        }
    }

    private func tellLease(at now: Instant) {
        (leaseTold, leaseIsDue) = (now, false)
        for client in clients.values { client.sendLease(at: now) }
    }

    private func tell(_ reading: StopClock.Reading) {
        log.info(
            "the stop took",
            [
                "reason": .text(reading.reason.rawValue), "decided_ms": .double(reading.decided.milliseconds),
                "commanded_ms": .double(reading.commanded.milliseconds), "standing_ms": reading.standing.map { .double($0.milliseconds) },
            ])
        onStopTime?(reading)
    }

    private func broadcast(_ message: JSON) {
        let text = message.description
        for client in clients.values { client.send(text) }
    }

    /// The newest of everything to everybody; also when the driver's silence is noticed.
    private func tell(at now: Instant) {
        ticker?.deadline = now + Self.tick
        let telemetry = unit.driver.telemetry
        with { control, now in control.observe(telemetry, at: now) }
        if leaseIsDue { tellLease(at: now) }
        let general = message(telemetry, for: nil, at: now)
        onTelemetry?(general, now)
        guard clients.values.contains(where: \.canTell) else { return }
        let text = general.description
        for client in clients.values where client.canTell {
            client.sendNewest(control.commands(client.id, at: now) ? message(telemetry, for: client.id, at: now).description : text)
        }
    }

    /// As `GET …/state` answers it.
    func state(at now: Instant) -> JSON { message(unit.driver.telemetry, for: nil, at: now) }

    private func message(_ telemetry: RobotTelemetry, for id: SessionID?, at now: Instant) -> JSON {
        let ours = RobotMessage.telemetry(telemetry, control, for: id, isRecording: isRecording, viewers: clients.count, at: now)
        guard let recorded = unit.recorded?.telemetry(clients: clients.count)?.object else { return ours }
        return RobotMessage.telemetry(recorded: recorded, over: ours)
    }

    /// The robot stops before anything else ends.
    func shutDown() {
        // A driver that has ended is no fault.
        ticker = nil
        with { control, now in control.stop(.manual, at: now) }
        unit.driver.stop(after: .max)
        for source in video.values { source.stop() }
        sound?.stop()
        unit.driver.shutDown()
    }
}
