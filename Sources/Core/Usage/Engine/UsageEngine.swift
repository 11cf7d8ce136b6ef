import Wire

/// The whole monitor without the outside world: told packets, messages, input events, sockets and the time; drained of what is to be done.
///
///     engine.packet(bytes, wireLength: 1200, isOutgoing: false, interface: 2, at: now)
///     engine.advance(to: now)
///     while let output = engine.nextOutput() { … }
///     timer.deadline = engine.deadline
/// It is never copied: there is one truth, and a copy of all its tables at each question would cost more than the answer.
public struct UsageEngine: ~Copyable, Sendable {
    public enum Output: Sendable {
        /// For everybody who listens.
        case event(UsageEvent)
        /// An alert; its event comes beside it.
        case alert(Alert)
        /// The state or a figure is another: what others read of it in shared memory is to be written. `isUpdate`: a `state_update` went out.
        case publish(isUpdate: Bool)
        /// Something is to be done for the ZeroMQ subscriber.
        case zmq(ZMQDetector.Action)
        /// Who owns the ends of this flow is to be found out, and told by `answer`.
        case askOwners(FlowKey)
    }

    public let configuration: MonitorConfiguration
    public var clock: WallClock
    public private(set) var state = TeleoperationState()
    public private(set) var stats = MonitorStats()
    public private(set) var metrics: MetricStore
    public private(set) var alertBook: AlertBook
    /// Of the detectors that are switched on; the rim knows what they may see.
    public var status: [DetectorKind: DetectorStatus] = [:]

    public private(set) var webrtc: WebRTCDetector
    public private(set) var zmq: ZMQDetector
    public private(set) var input: InputDetector
    public private(set) var network: NetworkDetector
    private var custom = CustomSources()
    /// Programs that say of themselves that they are driven.
    private var tellingPrograms: Set<String> = []
    private var own = OwnTraffic()
    private let zmqPorts: PortSet
    /// A bit a detector: asked for every packet.
    private let switchedOn: UInt8

    private let rules: [AlertRule]
    private var outputs = Ring<Output>(limit: 8192)
    private var lastSequence: Int64 = 0
    private let started: Instant
    private var sessionStarted: Instant?
    /// Of the session that runs or was the last.
    private var sessionLength = Duration.zero
    /// Since when each operator is there.
    private var joined: [String: Instant] = [:]
    /// When the first evidence came that no evaluation has seen.
    private var newsSince: Instant?
    private var nextEvaluation: Instant
    private var nextCheck: Instant
    private var lastUpdate: Instant?
    /// A change is told at most so often.
    private var noChangeBefore: Instant
    private var controlFlowSeen: Instant?

    /// What is due within it may be done now: to wake once more costs more than to evaluate.
    public static let slack = Duration.milliseconds(5)
    private static let betweenChanges = Duration.milliseconds(20)
    private static let betweenChecks = Duration.seconds(1)

    /// `captures`: whether packets will come.
    public init(_ configuration: MonitorConfiguration, captures: Bool, clock: WallClock, at now: Instant) {
        (self.configuration, self.clock) = (configuration, clock)
        metrics = MetricStore(window: configuration.performance.metricsWindow)
        alertBook = AlertBook(cooldown: configuration.performance.alertCooldown)
        rules = AlertRule.all(configuration.alerts)
        zmqPorts = PortSet(configuration.zmq.portNumbers)
        switchedOn = configuration.detectors.reduce(0) { $0 | Self.bit($1) }
        webrtc = WebRTCDetector(ports: configuration.webrtc, excluding: configuration.zmq.portNumbers)
        zmq = ZMQDetector(ports: configuration.zmq, captures: captures)
        input = InputDetector()
        network = NetworkDetector(webrtc: configuration.webrtc, zmq: configuration.zmq)
        (started, nextEvaluation, nextCheck, noChangeBefore) = (now, now, now + Self.betweenChecks, now)
    }

    // MARK: What it is told

    /// Whether packets are seen from now on.
    public mutating func captures(_ captures: Bool) { zmq.setCaptures(captures) }

    /// A packet from its network header on; `bytes` may be its first part.
    public mutating func packet(_ bytes: Span<UInt8>, wireLength: Int, isOutgoing: Bool, interface: Int32, at now: Instant) {
        guard let packet = Packet(parsing: bytes, wireLength: wireLength, isOutgoing: isOutgoing, interface: interface) else { return }
        guard !own.contains(packet) else { return }
        let payload = bytes.extracting(min(packet.payloadOffset, bytes.count)..<bytes.count)
        let isZMQ = packet.transport == .tcp && (zmqPorts.contains(packet.source.port) || zmqPorts.contains(packet.destination.port))
        if isZMQ {
            if isOn(.zmq) { zmq.observe(packet, payload: payload, at: now) }
        } else if isOn(.webrtc) {
            webrtc.observe(packet, payload: payload, at: now)
        }
        if isOn(.network) { network.observe(packet, at: now) }
    }

    /// The kernel's sockets, each second, where packets cannot be seen (section 18). `received`, `sent`: the host's UDP datagrams so far.
    public mutating func sockets(_ sockets: [SocketSample], datagramsReceived: UInt64, datagramsSent: UInt64, at now: Instant) {
        let others = sockets.filter { !own.contains($0) }
        if isOn(.webrtc) {
            webrtc.observe(sockets: others, datagramsReceived: datagramsReceived, datagramsSent: datagramsSent, at: now)
        }
        if isOn(.zmq) { zmq.observe(sockets: others, at: now) }
        if isOn(.network) { network.observe(sockets: others, at: now) }
    }

    /// A TCP connection of the monitor's own: it never counts. `isOpen`: it begins or ends.
    public mutating func ownConnection(local: SocketAddress, remote: SocketAddress, isOpen: Bool) {
        own.set(local: local, remote: remote, isOpen: isOpen)
    }

    /// The monitor's server listens there.
    public mutating func ownServer(port: UInt16) { own.serverPort = port }

    public mutating func answer(_ flow: FlowKey, local: FlowOwner?, far: FlowOwner?) { webrtc.answer(flow, local: local, far: far) }
    public mutating func listening(on ports: Set<UInt16>) { webrtc.listening(on: ports) }

    public mutating func zmqAwaited(_ flow: ZMQDetector.FlowName) { zmq.awaited(flow) }
    public mutating func zmqConnected(_ flow: ZMQDetector.FlowName, at now: Instant) { zmq.connected(flow, at: now) }
    public mutating func zmqReceived(_ flow: ZMQDetector.FlowName, _ bytes: Span<UInt8>, at now: Instant) {
        zmq.received(flow, bytes, at: now)
    }
    public mutating func zmqDisconnected(_ flow: ZMQDetector.FlowName, at now: Instant) { zmq.disconnected(flow, at: now) }
    public mutating func zmqRoundTrip(_ flow: ZMQDetector.FlowName, _ roundTrip: Duration) { zmq.roundTrip(flow, roundTrip) }

    /// Whether the device is to be read.
    public mutating func inputAdded(_ id: Int, _ description: InputDetector.Description, at now: Instant) -> Bool {
        input.added(id, description, at: now)
    }
    public mutating func inputReceived(_ id: Int, _ bytes: Span<UInt8>, at now: Instant) { input.received(id, bytes, at: now) }
    public mutating func inputRemoved(_ id: Int, at now: Instant) { input.removed(id, at: now) }

    /// What a custom detector or plug-in finds; nil: it has ended, or what it found is no longer valid.
    public mutating func custom(_ name: String, _ detection: PluginDetection?, at now: Instant) {
        let source = detection.map {
            CustomSources.Source(isActive: $0.isActive, confidence: $0.confidence, operators: $0.operatorName.map { [$0] } ?? [])
        }
        if custom.set(name, source) { newsSince = newsSince ?? now }
    }

    /// All sessions that programs of this machine have now. Who drives is a signal of the program's own; everybody's name is known.
    public mutating func sessions(_ programs: [SessionList], at now: Instant) {
        var drivers: [String: [String]] = [:], names: [SocketAddress: String] = [:]
        for program in programs {
            let source = MonitorConfiguration.isCustomName(program.source) ? program.source : "program"
            for session in program.sessions {
                let name = OperatorName.cleaned(session.operatorName) ?? Analysis.unknown
                if session.role == .driver { drivers[source, default: []].append(name) }
                if let remote = session.remote.flatMap({ SocketAddress($0) }) { names[remote] = name }
            }
        }
        webrtc.setNames(names)
        for source in Set(drivers.keys).union(tellingPrograms) {
            let found = drivers[source].map { CustomSources.Source(isActive: true, confidence: 100, operators: $0) }
            if custom.set(source, found) { newsSince = newsSince ?? now }
        }
        tellingPrograms = Set(drivers.keys)
    }

    /// What the monitor itself takes: percent of one core over the last second, and 10⁶ bytes.
    public mutating func resources(cpuPct: Double, memoryMb: Double) {
        state.cpuUsagePct = Self.rounded(cpuPct)
        state.memoryUsageMb = Self.rounded(memoryMb)
    }

    @discardableResult
    public mutating func recordMetric(_ name: String, _ value: Double, tags: [(String, String)], at now: Instant) -> Bool {
        !MetricStore.builtIn.contains(name) && metrics.record(name, value, tags: tags, at: now)
    }

    /// A custom check's or plug-in's alert. False: it is silent for now.
    @discardableResult
    public mutating func raise(_ severity: Alert.Severity, _ message: String, by name: String, at now: Instant) -> Bool {
        guard !alertBook.isSilent(name, at: now) else { return false }
        raise(
            Alert(timestamp: clock.microseconds(at: now), metric: name, severity: severity, reason: message, summary: nil), .alert, at: now)
        return true
    }

    /// A detector or a plug-in cannot do its work.
    public mutating func failed(_ component: String, _ message: String, at now: Instant) {
        stats.errors += 1
        emit(.errorOccurred, ["component": .string(component), "message": .string(message)], at: now)
    }

    // MARK: What it does

    public mutating func nextOutput() -> Output? { outputs.popFirst() }

    public var deadline: Instant {
        var next = min(nextEvaluation, nextCheck)
        if newsSince != nil { next = min(next, noChangeBefore) }
        if let lastUpdate { next = min(next, lastUpdate + configuration.detection.updateInterval) }
        for deadline in [webrtc.deadline, zmq.deadline, input.deadline, network.deadline] { next = min(next, deadline ?? next) }
        return next
    }

    public mutating func advance(to now: Instant) {
        if isOn(.webrtc) { webrtc.advance(to: now) }
        if isOn(.zmq) { zmq.advance(to: now) }
        if isOn(.input) { input.advance(to: now) }
        if isOn(.network) { network.advance(to: now) }
        ask()
        if hasNews { newsSince = newsSince ?? now }
        if now + Self.slack >= nextEvaluation || isUpdateDue(at: now) || newsSince != nil, now >= noChangeBefore { evaluate(at: now) }
        if now >= nextCheck { checkAlerts(at: now) }
    }

    /// What stands now, before the monitor ends: others are told that it is over.
    public mutating func finish(at now: Instant) {
        var ended = state
        (ended.isActive, ended.operators, ended.confidence, ended.reasons) = (false, [], 0, [])
        for kind in DetectorKind.allCases { ended[connections: kind] = 0 }
        (ended.startTime, ended.duration) = (nil, nil)
        if let sessionStarted { sessionLength = now - sessionStarted }
        tell(StateChange(old: state, new: ended), Analysis([], threshold: 100, corroborated: 100), at: now)
    }

    public func isOn(_ kind: DetectorKind) -> Bool { switchedOn & Self.bit(kind) != 0 }

    private static func bit(_ kind: DetectorKind) -> UInt8 {
        switch kind {
        case .webrtc: 1
        case .zmq: 2
        case .input: 4
        case .network: 8
        }
    }

    /// Seconds since the start.
    public func uptime(at now: Instant) -> Double { Self.seconds(now - started) }

    private var hasNews: Bool { webrtc.hasNews || zmq.hasNews || input.hasNews || network.hasNews }

    private mutating func ask() {
        while let action = zmq.nextAction() { put(.zmq(action)) }
        while let flow = webrtc.nextQuestion() { put(.askOwners(flow)) }
    }

    // MARK: Evaluation

    private mutating func evaluate(at now: Instant) {
        stats.evaluations += 1
        stats.lastDetectionLatencyMs = Self.rounded(newsSince.map { (now - $0).milliseconds } ?? 0)
        stats.uptime = uptime(at: now)
        newsSince = nil
        nextEvaluation = now + configuration.detection.detectionInterval
        let (analysis, next) = assess(at: now)
        tellConnections(at: now)
        tellCommands(at: now)
        tell(StateChange(old: state, new: next), analysis, at: now)
    }

    /// What the evidence says at this moment.
    private mutating func assess(at now: Instant) -> (Analysis, TeleoperationState) {
        var next = state, signals: [Signal] = []
        for kind in DetectorKind.allCases where isOn(kind) {
            let evidence = evidence(of: kind, at: now)
            next[connections: kind] = evidence.connections
            guard let score = evidence.score else { continue }
            signals.append(Signal(source: kind.rawValue, score: score, reason: evidence.reason, operators: evidence.operators))
        }
        signals += custom.signals
        let threshold = configuration.detection.confidenceThreshold
        let analysis = Analysis(
            signals, threshold: threshold, corroborated: configuration.detection.corroboratedThreshold ?? max(0, threshold - 20))
        next.confidence = analysis.confidence
        next.reasons = signals.map(\.reason)
        next.isActive = analysis.isActive
        next.operators = analysis.operators.map(\.name)
        measure(&next, at: now)
        next.timestamp = clock.microseconds(at: now)
        if let sessionStarted { sessionLength = now - sessionStarted }
        if next.isActive, sessionStarted == nil { (sessionStarted, next.startTime, sessionLength) = (now, next.timestamp, .zero) }
        if !next.isActive { (sessionStarted, next.startTime) = (nil, nil) }
        next.duration = next.isActive ? Self.seconds(sessionLength) : nil
        if next.isActive { stats.detections += 1 }
        return (analysis, next)
    }

    private mutating func evidence(of kind: DetectorKind, at now: Instant) -> Evidence {
        switch kind {
        case .webrtc: webrtc.evidence(at: now)
        case .zmq: zmq.evidence(at: now)
        case .input: input.evidence(at: now)
        case .network: network.evidence(at: now)
        }
    }

    /// Figures of the link (section 10): each is sampled while there is something to measure.
    private mutating func measure(_ next: inout TeleoperationState, at now: Instant) {
        let media = webrtc.figures(at: now), messages = zmq.figures(at: now)
        let latency = media.roundTripMs ?? messages.roundTripMs
        let isMoving = next.webrtcConnections + next.zmqFlows > 0
        if messages.hasControlFlow { controlFlowSeen = now }
        next.latencyMs = sample("latency_ms", latency, at: now)
        // Flows that the network pattern counts are mostly the same ones.
        let isCounted = isMoving || next.networkFlows > 0
        let bandwidth = max(media.megabitsPerSecond + messages.megabitsPerSecond, network.megabitsPerSecond)
        next.bandwidthMbps = sample("bandwidth_mbps", isCounted ? bandwidth : nil, at: now)
        next.packetLossPct = sample("packet_loss_pct", media.lossPct, at: now)
        next.fps = sample("fps", media.framesPerSecond, at: now)
        next.commandRateHz = sample("command_rate_hz", messages.hasControlFlow ? messages.commandRateHz : nil, at: now)
        _ = sample("cpu_usage_pct", next.memoryUsageMb > 0 ? next.cpuUsagePct : nil, at: now)
        _ = sample("memory_usage_mb", next.memoryUsageMb > 0 ? next.memoryUsageMb : nil, at: now)
    }

    private mutating func sample(_ name: String, _ value: Double?, at now: Instant) -> Double {
        guard let value, value.isFinite else { return 0 }
        metrics.record(name, value, at: now)
        return Self.rounded(value)
    }

    /// Three decimals: more is noise, and longer to send.
    private static func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }

    // MARK: Telling

    private mutating func tellConnections(at now: Instant) {
        while let change = webrtc.nextChange() ?? zmq.nextChange() ?? input.nextChange() {
            emit(
                change.isEstablished ? .connectionEstablished : .connectionLost,
                [
                    "kind": .string(change.kind.rawValue), "local": .string(change.local), "remote": .string(change.remote),
                    "operator": .string(change.operatorName),
                ], at: now)
        }
    }

    private mutating func tellCommands(at now: Instant) {
        while let command = zmq.nextCommand() {
            emit(
                command.isEmergencyStop ? .emergencyStop : .modeChanged,
                ["operator": .string(command.operatorName), "command": .string(command.text)], at: now)
        }
    }

    /// The events of one change, in the order of section 6.
    private mutating func tell(_ change: StateChange, _ analysis: Analysis, at now: Instant) {
        state = change.new
        guard !change.isEmpty else {
            if isUpdateDue(at: now) { update(change, at: now) } else if Self.differ(change) { put(.publish(isUpdate: false)) }
            return
        }
        stats.stateChanges += 1
        noChangeBefore = now + Self.betweenChanges
        update(change, at: now)
        if change.isActiveChanged {
            emit(.activeChanged, ["old_value": .bool(change.old.isActive), "new_value": .bool(change.new.isActive)], at: now)
        }
        if change.areOperatorsChanged { tellOperators(change, analysis, at: now) }
        guard change.isActiveChanged else { return }
        if change.new.isActive {
            emit(
                .started,
                [
                    "operators": StateChange.names(change.new.operators), "confidence": .double(change.new.confidence),
                    "reasons": StateChange.names(change.new.reasons),
                ], at: now)
        } else {
            emit(
                .stopped, ["duration": .double(Self.seconds(sessionLength)), "operators": StateChange.names(change.old.operators)], at: now)
        }
    }

    /// `update_interval` may be shorter than the time between two evaluations.
    private func isUpdateDue(at now: Instant) -> Bool {
        lastUpdate.map { now - $0 + Self.slack >= configuration.detection.updateInterval } ?? true
    }

    private mutating func update(_ change: StateChange, at now: Instant) {
        lastUpdate = now
        emit(.stateUpdate, ["state": change.new.json, "changes": change.json], at: now)
        put(.publish(isUpdate: true))
    }

    private mutating func tellOperators(_ change: StateChange, _ analysis: Analysis, at now: Instant) {
        let all = StateChange.names(change.new.operators)
        emit(.operatorsChanged, ["old_value": StateChange.names(change.old.operators), "new_value": all], at: now)
        for name in change.added {
            joined[name] = now
            let source = analysis.operators.first { $0.name == name }?.source ?? Analysis.unknown
            emit(.operatorConnected, ["operator": .string(name), "source": .string(source), "operators": all], at: now)
        }
        for name in change.removed {
            let since = joined.removeValue(forKey: name) ?? now
            emit(
                .operatorDisconnected,
                ["operator": .string(name), "connected_seconds": .double(Self.seconds(now - since)), "operators": all], at: now)
        }
    }

    /// To the microsecond.
    private static func seconds(_ duration: Duration) -> Double { Double(duration.wholeMicroseconds) / 1e6 }

    /// Whether anything but the time is another.
    private static func differ(_ change: StateChange) -> Bool {
        var old = change.old
        (old.timestamp, old.duration) = (change.new.timestamp, change.new.duration)
        return old != change.new
    }

    private mutating func emit(_ kind: UsageEvent.Kind, _ data: JSON, at now: Instant) {
        lastSequence += 1
        put(.event(UsageEvent(kind, data, timestamp: clock.microseconds(at: now), sequence: lastSequence)))
    }

    /// The queue is drained after each call, and what one call brings is bounded by the detectors' own queues.
    private mutating func put(_ output: Output) { _ = outputs.append(output) }

    // MARK: Alerts

    private mutating func checkAlerts(at now: Instant) {
        nextCheck = now + Self.betweenChecks
        metrics.forget(at: now)
        for rule in rules where isMeant(rule, at: now) && !alertBook.isSilent(rule.metric, at: now) {
            let window = min(configuration.performance.metricsWindow, rule.longest)
            guard let reason = rule.reason(metrics.extent(rule.metric, over: window, at: now)) else { continue }
            let summary = metrics.summary(rule.metric, over: window, at: now)
            raise(
                Alert(
                    timestamp: clock.microseconds(at: now), metric: rule.metric, severity: .warning, reason: reason, summary: summary),
                rule.event, at: now)
        }
    }

    /// What is low only because nobody is there is no alert.
    private func isMeant(_ rule: AlertRule, at now: Instant) -> Bool {
        switch rule.event {
        case .fpsWarning: webrtc.figures(at: now).hasVideo
        case .commandRateWarning: state.isActive && controlFlowSeen.map { now - $0 <= rule.longest } ?? false
        default: true
        }
    }

    private mutating func raise(_ alert: Alert, _ event: UsageEvent.Kind, at now: Instant) {
        alertBook.add(alert, at: now)
        emit(event, alert.json, at: now)
        put(.alert(alert))
    }
}
