import Wire

/// Teleoperation by ZeroMQ (section 8.2): subscriptions to the configured ports, and what is seen of other connections on them.
///
/// The rim connects and carries bytes as `nextAction` says, and tells packets and socket tables; the detector is told the time with everything.
///
///     detector.advance(to: now)
///     while let action = detector.nextAction() { … }
///     if detector.hasNews { evaluate(detector.evidence(at: now)) }
public struct ZMQDetector: Sendable {
    /// What is published on a port; the names are those of the configuration (section 2).
    public enum FlowName: String, CaseIterable, Sendable, Hashable {
        case controlCommands = "control_commands", stateFeedback = "state_feedback", videoStream = "video_stream", telemetry, joystick

        /// Its messages steer the machine; those of the others come back from it.
        public var isControl: Bool { self == .controlCommands || self == .joystick }
    }

    public enum Action: Equatable, Sendable {
        /// Open a TCP connection; answered by `connected` or `disconnected`.
        case connect(FlowName, MonitorConfiguration.ZMQEndpoint)
        case send(FlowName, [UInt8])
        /// Close the connection, or stop opening it; not answered.
        case close(FlowName)
        /// A line for the log.
        case log(FlowName, String)
    }

    /// A control message that is an event of its own (section 6).
    public struct Command: Equatable, Sendable {
        /// `emergency_stop`; else `mode_changed`.
        public var isEmergencyStop: Bool
        /// Who sent it; `unknown` when the flow names nobody.
        public var operatorName: String
        /// The word it is known by: `estop`, `emergency_stop`, `mode` or `set_mode`.
        public var text: String

        public init(isEmergencyStop: Bool, operatorName: String, text: String) {
            (self.isEmergencyStop, self.operatorName, self.text) = (isEmergencyStop, operatorName, text)
        }
    }

    /// What is measured (section 10).
    public struct Figures: Equatable, Sendable {
        /// Messages a second over all active control flows; 0 when there is none.
        public var commandRateHz = 0.0
        /// A control flow is active, whatever its rate.
        public var hasControlFlow = false
        /// Of all active flows, 10⁶ bit/s over the last second, each publisher once.
        public var megabitsPerSecond = 0.0
        /// Mean of the TCP round trips of active control flows; nil: none is known.
        public var roundTripMs: Double?

        public init() {}
    }

    /// The operator of a flow that names nobody.
    public static let unknown = "unknown"
    /// The score of a control flow, and the rate in messages a second that it needs more than (section 7).
    public static let score = 85.0, leastRate = 10.0
    /// Connections of others that are followed (section 17).
    public static let connectionLimit = 512

    var subscriptions: [ZMQSubscription]
    /// The ports, each with the flow that it is for.
    let ports: [(port: UInt16, name: FlowName)]
    /// Packets are seen.
    public internal(set) var captures: Bool
    /// What is active.
    var flows: [ZMQFlow] = []
    var connections: [ZMQConnection] = []
    var places: [ZMQConnection.Key: Int] = [:]
    var lastPlace = 0
    var passiveInspector = MessageInspector()
    /// Connections that gave way to newer ones at the limit.
    public internal(set) var displaced = 0

    private var actions = Ring<Action>(limit: 128)
    private var changes = Ring<ConnectionChange>(limit: 256)
    private var commands = Ring<Command>(limit: 8)
    private var lastCommand: (emergencyStop: Instant?, mode: Instant?)
    /// No flow changes by itself before this time.
    private var nextCheck: Instant?
    private var hadScore = false
    /// The score, the operators or the number of active flows may differ from what `evidence` said last.
    public private(set) var hasNews = false

    /// `captures`: packets are seen and told by `observe`; `video_stream` is then not subscribed to.
    public init(ports: MonitorConfiguration.ZMQPorts, captures: Bool) {
        let endpoints: [(FlowName, MonitorConfiguration.ZMQEndpoint?)] = [
            (.controlCommands, ports.controlCommands), (.stateFeedback, ports.stateFeedback), (.videoStream, ports.videoStream),
            (.telemetry, ports.telemetry), (.joystick, ports.joystick),
        ]
        subscriptions = endpoints.compactMap { name, endpoint in endpoint.map { ZMQSubscription(name, $0) } }
        self.ports = endpoints.compactMap { name, endpoint in endpoint.map { ($0.port, name) } }
        self.captures = captures
        for index in subscriptions.indices where subscriptions[index].name != .videoStream || !captures {
            subscriptions[index].state = .waiting(until: .zero)
        }
    }

    /// Packets are seen from now on, or no longer (section 18).
    public mutating func setCaptures(_ captures: Bool) {
        guard captures != self.captures else { return }
        self.captures = captures
        guard let index = index(of: .videoStream) else { return }
        if captures {
            if case .waiting = subscriptions[index].state {} else { act(.close(.videoStream)) }
            subscriptions[index].state = .off
        } else {
            subscriptions[index].state = .waiting(until: .zero)
        }
    }

    // MARK: what the rim is to do

    /// What is to be done next, in order; asked for after every call that tells something.
    public mutating func nextAction() -> Action? { actions.popFirst() }
    /// A flow that has become active, or ended; the oldest of more than 256 are lost.
    public mutating func nextChange() -> ConnectionChange? { changes.popFirst() }
    /// At most one emergency stop and one mode a second.
    public mutating func nextCommand() -> Command? { commands.popFirst() }

    /// When `advance` has something to do.
    public var deadline: Instant? {
        var deadline = nextCheck
        for subscription in subscriptions { deadline = earlier(deadline, subscription.deadline) }
        return deadline
    }

    /// Connects what is due, ends flows whose second is over.
    public mutating func advance(to now: Instant) {
        for index in subscriptions.indices { advance(index, to: now) }
        advanceFlows(to: now)
    }

    /// Also before anything new is heard: what is over is over, however late the time is told.
    mutating func advanceFlows(to now: Instant) {
        if let nextCheck, nextCheck <= now { check(at: now) }
    }

    private mutating func advance(_ index: Int, to now: Instant) {
        guard let deadline = subscriptions[index].deadline, deadline <= now else { return }
        if case .opening = subscriptions[index].state {
            act(.close(subscriptions[index].name))
            subscriptions[index].closed(refused: false, at: now)
        } else {
            subscriptions[index].state = .opening(since: now)
            act(.connect(subscriptions[index].name, subscriptions[index].endpoint))
        }
    }

    /// A peer that asks for more answers than the rim has fetched goes without them; what opens and closes is never lost: it is a handful.
    private mutating func act(_ action: Action) {
        switch action {
        case .send, .log: if actions.count >= Self.waitingAnswers { return }
        case .connect, .close: break
        }
        _ = actions.append(action)
    }

    private static let waitingAnswers = 64

    func index(of name: FlowName) -> Int? { subscriptions.firstIndex { $0.name == name } }

    // MARK: subscriptions

    /// Nobody listens where a connection was asked for: the rim connects as soon as somebody does, and need not be asked again.
    public mutating func awaited(_ flow: FlowName) {
        guard let index = index(of: flow), case .opening = subscriptions[index].state else { return }
        subscriptions[index].state = .awaited
    }

    /// The connection that was asked for is there.
    public mutating func connected(_ flow: FlowName, at now: Instant) {
        guard let index = index(of: flow), subscriptions[index].state.mayConnect else { return }
        act(.send(flow, subscriptions[index].connected(at: now)))
    }

    /// The connection was refused, or is over.
    public mutating func disconnected(_ flow: FlowName, at now: Instant) {
        guard let index = index(of: flow) else { return }
        switch subscriptions[index].state {
        case .off, .waiting: return
        case .opening, .awaited, .open: subscriptions[index].disconnected(at: now)
        }
    }

    /// TCP's own estimate of the round trip on the subscription's connection.
    public mutating func roundTrip(_ flow: FlowName, _ roundTrip: Duration) {
        if let index = index(of: flow) { subscriptions[index].roundTrip = roundTrip }
    }

    /// Bytes from the publisher, cut anywhere.
    public mutating func received(_ flow: FlowName, _ bytes: Span<UInt8>, at now: Instant) {
        guard let index = index(of: flow) else { return }
        advanceFlows(to: now)
        var offset = 0
        while offset < bytes.count {
            switch subscriptions[index].state {
            case .off, .waiting: return
            case .opening, .awaited, .open: break
            }
            guard let event = subscriptions[index].machine.next(bytes, &offset) else { return }
            handle(event, index, at: now)
        }
    }

    private mutating func handle(_ event: ZMTPSubscriber.Event, _ index: Int, at now: Instant) {
        let name = subscriptions[index].name
        switch event {
        case .message: heardMessage(index, at: now)
        case .send(let bytes):
            if subscriptions[index].machine.isSubscribed { subscriptions[index].subscribed() }
            act(.send(name, bytes))
        case .log(let text): log(index, text, at: now)
        case .passiveOnly(let reason):
            log(index, "port \(subscriptions[index].endpoint.port) is only watched: \(reason)", at: now)
            close(index, refused: true, at: now)
        case .failed(let reason):
            log(index, reason, at: now)
            close(index, refused: false, at: now)
        }
    }

    private mutating func close(_ index: Int, refused: Bool, at now: Instant) {
        act(.close(subscriptions[index].name))
        subscriptions[index].closed(refused: refused, at: now)
    }

    private mutating func log(_ index: Int, _ text: String, at now: Instant) {
        if subscriptions[index].mayLog(text, at: now) { act(.log(subscriptions[index].name, text)) }
    }

    private mutating func heardMessage(_ index: Int, at now: Instant) {
        let name = subscriptions[index].name, key = subscriptions[index].publisher
        subscriptions[index].events.add(1, bytes: subscriptions[index].machine.message.length, at: now)
        let known = flows.firstIndex { $0.key == key }
        // Who sends what comes back from the machine is of interest once, and steers nothing.
        let finding = name.isControl || known == nil ? subscriptions[index].inspect() : MessageInspector.Finding()
        heard(key, from: .subscription(name), finding, until: now + ZMQFlow.activity, at: now)
    }

    // MARK: flows

    /// Messages of a publisher have come, and their source has counted them.
    mutating func heard(
        _ key: ZMQFlow.Key, from source: ZMQFlow.Source, _ finding: MessageInspector.Finding?, until: Instant, at now: Instant
    ) {
        let known = flows.firstIndex { $0.key == key }
        let index = known ?? begin(key, source, at: now)
        flows[index].heard(until: until)
        let rate = rate(of: source, at: now)
        if flows[index].source != source, rate > self.rate(of: flows[index].source, at: now) { flows[index].source = source }
        let leads = flows[index].source == source
        if leads { flows[index].rate = rate }
        if let finding { take(finding, index, leads: leads) }
        if known == nil { announce(flows[index], isEstablished: true) }
        if hasScore != hadScore { hasNews = true }
        nextCheck = earlier(nextCheck, flows[index].nextChange)

        func take(_ finding: MessageInspector.Finding, _ index: Int, leads: Bool) {
            if let name = finding.operatorName, flows[index].named(name, at: now) { hasNews = true }
            guard key.name.isControl, let command = finding.command else { return }
            switch command {
            case .movement: if leads { flows[index].moved() }
            case .stop: break
            case .emergencyStop, .mode: publish(command, finding.word, flows[index].operatorName, at: now)
            }
        }
    }

    private mutating func begin(_ key: ZMQFlow.Key, _ source: ZMQFlow.Source, at now: Instant) -> Int {
        let ends = ends(of: source)
        flows.append(ZMQFlow(key: key, local: ends.local, remote: ends.remote, source: source, at: now))
        hasNews = true
        return flows.count - 1
    }

    private mutating func publish(_ command: CommandType, _ word: String, _ operatorName: String, at now: Instant) {
        let isEmergencyStop = command == .emergencyStop
        let last = isEmergencyStop ? lastCommand.emergencyStop : lastCommand.mode
        if let last, now - last < .seconds(1) { return }
        if isEmergencyStop { lastCommand.emergencyStop = now } else { lastCommand.mode = now }
        _ = commands.append(Command(isEmergencyStop: isEmergencyStop, operatorName: operatorName, text: word))
    }

    private mutating func announce(_ flow: ZMQFlow, isEstablished: Bool) {
        let change = ConnectionChange(
            kind: .zmq, isEstablished: isEstablished, local: flow.local, remote: flow.remote, operatorName: flow.operatorName)
        if changes.isFull { _ = changes.popFirst() }
        _ = changes.append(change)
    }

    private var hasScore: Bool {
        var rate = 0.0
        for flow in flows where flow.isControl { rate += flow.rate }
        return rate > Self.leastRate
    }

    /// Ends what is over, and finds out when to look again.
    private mutating func check(at now: Instant) {
        nextCheck = nil
        var index = 0
        while index < flows.count {
            guard flows[index].activeUntil > now else {
                announce(flows[index], isEstablished: false)
                flows.swapAt(index, flows.count - 1)
                flows.removeLast()
                hasNews = true
                continue
            }
            if flows[index].dropOldNames(at: now) { hasNews = true }
            flows[index].rate = rate(of: flows[index].source, at: now)
            nextCheck = earlier(nextCheck, flows[index].nextChange)
            index += 1
        }
        if hasScore != hadScore { hasNews = true }
    }

    // MARK: what is known

    /// Entries of all tables: active flows and connections of others. At most 2 · `connectionLimit` + 5.
    public var stateCount: Int { flows.count + connections.count }

    /// The score, its reason, who steers, and how many publishers are active (sections 3 and 7). Clears `hasNews`.
    public mutating func evidence(at now: Instant) -> Evidence {
        check(at: now)
        (hasNews, hadScore) = (false, hasScore)
        guard hadScore else { return Evidence(score: nil, reason: "", operators: [], connections: flows.count) }
        var rate = 0.0, operators: Set<String> = []
        for flow in flows where flow.isControl {
            rate += flow.rate
            operators.formUnion(flow.operators)
        }
        let tenths = Int((min(rate, 1e9) * 10).rounded())
        return Evidence(
            score: Self.score, reason: "ZMQ: \(tenths / 10).\(tenths % 10) Hz", operators: operators.sorted(), connections: flows.count)
    }

    /// What is measured at this moment.
    public func figures(at now: Instant) -> Figures {
        var figures = Figures(), bytes = 0.0, roundTrips: [Double] = []
        for flow in flows where flow.activeUntil > now {
            bytes += bytesPerSecond(of: flow.source, at: now)
            guard flow.isControl else { continue }
            figures.hasControlFlow = true
            figures.commandRateHz += rate(of: flow.source, at: now)
            if let roundTrip = roundTrip(of: flow) { roundTrips.append(roundTrip.milliseconds) }
        }
        figures.megabitsPerSecond = bytes * 8 / 1e6
        if !roundTrips.isEmpty { figures.roundTripMs = roundTrips.reduce(0, +) / Double(roundTrips.count) }
        return figures
    }

    /// `teleoperation` while a control flow carries 10–200 messages a second, ten movements were among them, and it has lasted 2 s.
    public func pattern(at now: Instant) -> String? {
        flows.contains { $0.activeUntil > now && $0.isTeleoperation(at: now) } ? "teleoperation" : nil
    }

    /// Control and feedback are both active.
    public func isBidirectional(at now: Instant) -> Bool {
        flows.contains { $0.activeUntil > now && $0.isControl } && flows.contains { $0.activeUntil > now && !$0.isControl }
    }
}

extension ZMTPSubscriber.PassiveReason: CustomStringConvertible {
    /// `its socket is a PUSH`.
    public var description: String {
        switch self {
        case .version(0): "no publisher of ZMTP 3 answers there"
        case .version(let version): "its protocol is ZMTP \(version)"
        case .mechanism(let mechanism): "it asks for \(mechanism) security"
        case .socketType(let type): "its socket is a \(type.isEmpty ? "nameless one" : type)"
        }
    }
}
