import RTC
import Wire

/// Two whole peers on a simulated network, from the offer to the end: connects them, sends video and data, lets incidents happen, and
/// watches that every promise is kept.
public final class SimulatedSession {
    public let network: SimulatedNetwork
    public let robot: SessionHost
    public let viewer: SessionHost
    public let scenario: SessionScenario
    public private(set) var report = SessionReport()
    public let robotAddress = IPAddress(10, 0, 0, 2)
    public let viewerAddress = IPAddress(192, 168, 1, 3)

    private let server: SimulatedServer
    private var video: ModelledVideo
    private var packetiser: VideoPacketiser
    private var transceiver: TransceiverID?
    private var wantsKeyFrame = true
    private var target: Int
    private var captured: [Instant] = []
    private var lastFrame = -1
    private var telemetry: SessionMessages
    private var commands: SessionMessages
    private var hasEnded = false
    private var sampledBytes = 0

    public init(
        _ scenario: SessionScenario, environment: (UInt64) -> any Environment = { SimulatedEnvironment(seed: $0) },
        clock: @escaping (Instant) -> Void = { _ in }
    ) {
        self.scenario = scenario
        network = SimulatedNetwork(seed: scenario.seed)
        network.addAddress(IPAddress(203, 0, 113, 1))
        let robotEnvironment = environment(scenario.seed &* 2)
        server = SimulatedServer(network, at: SocketAddress(IPAddress(203, 0, 113, 1), 3478), digests: robotEnvironment.digests)
        var nats: [NATID] = []
        for (access, address, outer) in [
            (scenario.robot, robotAddress, IPAddress(198, 51, 100, 1)), (scenario.viewer, viewerAddress, IPAddress(198, 51, 100, 2)),
        ] {
            var nat: NATID?
            if let kind = access.nat { nat = network.addNAT(NAT(kind, outer: outer)) }
            network.addAddress(address, behind: nat, up: access.up, down: LinkConditions(delay: .microseconds(100)))
            if let nat { nats.append(nat) }
        }
        self.nats = nats
        func configuration(_ mode: IceMode) -> PeerConfiguration {
            var servers: [IceServer] = []
            if scenario.hasTURN, let turn = try? IceServer(url: "turn:203.0.113.1:3478", username: "user", credential: "secret") {
                servers.append(turn)
            }
            if let stun = try? IceServer(url: "stun:203.0.113.1:3478") { servers.append(stun) }
            return PeerConfiguration(
                ice: IceConfiguration(mode: mode, servers: mode == .lite ? [] : servers, relayOnly: scenario.relayOnly),
                videoCodecs: [scenario.codec], bitrate: scenario.limits, unexpectedMediaDirection: .recvonly,
                traces: scenario.traces)
        }
        robot = SessionHost(
            network, at: SocketAddress(robotAddress, 5004), configuration: configuration(scenario.robot.mode),
            environment: robotEnvironment, clock: clock)
        viewer = SessionHost(
            network, at: SocketAddress(viewerAddress, 6004), configuration: configuration(scenario.viewer.mode),
            environment: environment(scenario.seed &* 2 &+ 1), clock: clock)
        video = ModelledVideo(codec: scenario.codec, frameRate: scenario.frameRate, seed: scenario.seed)
        packetiser = VideoPacketiser(codec: scenario.codec)
        target = min(scenario.limits.start, scenario.demand)
        telemetry = SessionMessages(DataChannelOptions(label: "telemetry"), seed: scenario.seed)
        commands = SessionMessages(
            DataChannelOptions(label: "commands", isOrdered: false, reliability: .maxRetransmits(0)), seed: scenario.seed &+ 1)
    }

    private let nats: [NATID]

    /// Runs to the end and tells what was seen.
    public func run() -> SessionReport {
        begin()
        let isConnected = network.run(for: .seconds(40)) { [unowned self] in report.connectedAt != nil }
        guard isConnected else {
            report.problems.append("no connection in 40 s: robot \(robot.peer.state), viewer \(viewer.peer.state)")
            return finish()
        }
        for (after, incident) in scenario.incidents { network.schedule(after: after) { [unowned self] in begin(incident) } }
        network.run(for: scenario.length)
        return finish()
    }

    // MARK: signalling

    private func begin() {
        robot.onEvent = { [unowned self] event, now in robotHeard(event, at: now) }
        viewer.onEvent = { [unowned self] event, now in viewerHeard(event, at: now) }
        if scenario.sendsVideo {
            robot.act { peer, _ in transceiver = peer.addTransceiver(.video, direction: .sendonly) }
            // An answerer's own transceiver takes up the offered section; the viewer must have asked for it when it offers.
            if !scenario.robotOffers { viewer.act { peer, _ in _ = peer.addTransceiver(.video, direction: .recvonly) } }
        }
        if scenario.sendsData {
            offerer.act { peer, now in
                for messages in [telemetry, commands] {
                    do { _ = try peer.openDataChannel(messages.options, at: now) } catch { report.problems.append("channel: \(error)") }
                }
            }
        }
        offer(restartsICE: false)
    }

    private var offerer: SessionHost { scenario.robotOffers ? robot : viewer }
    private var answerer: SessionHost { scenario.robotOffers ? viewer : robot }

    private func offer(restartsICE: Bool) {
        do {
            let text = try offerer.act { peer, now throws(NegotiationError) in
                let offer = try peer.createOffer(restartsICE: restartsICE, at: now)
                try peer.setLocal(offer, .offer, at: now)
                return offer.description
            }
            network.schedule(after: scenario.signallingDelay) { [unowned self] in answer(text) }
        } catch {
            report.problems.append("offer: \(error)")
        }
    }

    private func answer(_ text: String) {
        do {
            let offer = try SessionDescription(parsing: text)
            let answer = try answerer.act { peer, now throws(NegotiationError) in try peer.answer(offer, at: now).description }
            network.schedule(after: scenario.signallingDelay) { [unowned self] in accept(answer) }
        } catch {
            report.problems.append("answer: \(error)")
        }
    }

    private func accept(_ text: String) {
        do {
            let answer = try SessionDescription(parsing: text)
            try offerer.act { peer, now throws(NegotiationError) in try peer.setRemote(answer, .answer, at: now) }
        } catch {
            report.problems.append("accepting: \(error)")
        }
    }

    private func trickle(_ text: String, to host: SessionHost) {
        network.schedule(after: scenario.signallingDelay) { [unowned self] in
            do { try host.act { peer, now throws(IceCandidateError) in try peer.addRemoteCandidate(text, at: now) } } catch {
                report.problems.append("candidate: \(error)")
            }
        }
    }

    // MARK: events

    private func robotHeard(_ event: PeerEvent, at now: Instant) {
        switch event {
        case .candidate(let candidate, _): trickle(candidate.description, to: viewer)
        case .gatheringComplete: trickle("", to: viewer)
        case .keyFrameNeeded: wantsKeyFrame = true
        case .targetBitrate(let bitrate):
            target = min(bitrate, scenario.demand)
            report.targets.append((now, bitrate))
        case .stateChanged(let state, let reason): stateChanged("robot", state, reason, at: now)
        case .trace(let line): report.traces.append(line)
        case .dataChannel(let event): heard(event, sending: &telemetry, receiving: &commands)
        default: break
        }
    }

    private func viewerHeard(_ event: PeerEvent, at now: Instant) {
        switch event {
        case .candidate(let candidate, _): trickle(candidate.description, to: robot)
        case .gatheringComplete: trickle("", to: robot)
        case .stateChanged(let state, let reason): stateChanged("viewer", state, reason, at: now)
        case .dataChannel(let event): heard(event, sending: &commands, receiving: &telemetry)
        case .videoFrame(_, let frame): received(frame, at: now)
        default: break
        }
    }

    private func stateChanged(_ name: String, _ state: PeerState, _ reason: String?, at now: Instant) {
        report.states.append("\(name) \(state) \((now - .zero).milliseconds)")
        // A failure that an incident explains may be mended by the restart; the end tells.
        if state == .failed && (scenario.incidents.isEmpty || report.connectedAt == nil) || state == .closed, !hasEnded {
            report.problems.append("\(name) \(state) after \((now - .zero).seconds) s: \(reason ?? "no reason")")
        }
        if report.connectedAt == nil, robot.peer.state == .connected, viewer.peer.state == .connected { connected(at: now) }
    }

    /// Called with two properties of this object inout: must not touch them by name.
    private func heard(_ event: DataChannelEvent, sending: inout SessionMessages, receiving: inout SessionMessages) {
        switch event {
        case .opened(let id, let options): if options.label == sending.options.label { sending.channel = id }
        case .message(_, let message):
            report.messagesReceived += 1
            if let problem = receiving.receive(message) { report.problems.append(problem) }
        case .closed: if !hasEnded { report.problems.append("a data channel closed") }
        }
    }

    // MARK: traffic

    private func connected(at now: Instant) {
        report.connectedAt = now
        report.connectedAfter = now - .zero
        sampledBytes = uplink.bytes
        if scenario.sendsVideo { every(Duration.seconds(1.0 / Double(scenario.frameRate))) { [unowned self] in makeFrame(at: $0) } }
        if scenario.sendsData {
            every(.milliseconds(100)) { [unowned self] in send(robot, \.telemetry, at: $0) }
            every(.milliseconds(20)) { [unowned self] in send(viewer, \.commands, at: $0) }
        }
        every(.milliseconds(10)) { [unowned self] _ in report.queueDelays.append(network.queueDelay(up: robotAddress)) }
        every(.milliseconds(100)) { [unowned self] _ in
            report.bytesEach100Milliseconds.append(uplink.bytes - sampledBytes)
            sampledBytes = uplink.bytes
        }
    }

    /// Bytes with the headers that the link counts.
    private var uplink: (bytes: Int, statistics: LinkStatistics) {
        let statistics = network.statistics(robotAddress)?.up ?? LinkStatistics()
        return (statistics.bytes + (statistics.sent - statistics.lost - statistics.overflowed) * 28, statistics)
    }

    private func every(_ interval: Duration, _ action: @escaping (Instant) -> Void) {
        network.schedule(after: interval) { [unowned self] in
            guard !hasEnded else { return }
            action(network.now)
            every(interval, action)
        }
    }

    private func makeFrame(at now: Instant) {
        guard let transceiver, robot.peer.sendingCodec(of: transceiver) != nil else { return }
        let isKeyFrame = wantsKeyFrame && video.mayMakeKeyFrame(at: now) || video.framesMade == 0
        if isKeyFrame { wantsKeyFrame = false }
        let encoded = video.frame(bitrate: target, isKeyFrame: isKeyFrame, at: now)
        captured.append(now)
        report.framesSent += 1
        guard let frame = packetiser.packetise(encoded) else {
            report.problems.append("a frame that cannot be cut into packets")
            return
        }
        robot.act { peer, now in
            if report.framesSent == 1 { peer.setDemand(scenario.demand, at: now) }
            peer.send(frame, on: transceiver, at: now)
        }
    }

    private func received(_ frame: ReceivedFrame, at now: Instant) {
        report.framesReceived += 1
        if frame.isKeyFrame { report.keyFramesReceived += 1 }
        guard let number = ModelledVideo.number(of: frame), number < captured.count else {
            report.framesCorrupted += 1
            report.problems.append(
                "a corrupt frame at \((now - .zero).seconds) s, \(frame.bytes.count) bytes, key frame \(frame.isKeyFrame)")
            return
        }
        if number <= lastFrame { report.problems.append("frame \(number) after \(lastFrame)") }
        // Every delta frame builds on the one before it: a decoder would show damage.
        if number != lastFrame + 1, !frame.isKeyFrame { report.problems.append("delta frame \(number) follows \(lastFrame)") }
        lastFrame = number
        report.arrivals.append(now)
        report.latencies.append(now - captured[number])
    }

    private func send(_ host: SessionHost, _ messages: ReferenceWritableKeyPath<SimulatedSession, SessionMessages>, at now: Instant) {
        guard let channel = self[keyPath: messages].channel, host.peer.bufferedAmount < 64_000 else { return }
        let message = self[keyPath: messages].next()
        do throws(DataChannelError) {
            try host.act { peer, now throws(DataChannelError) in try peer.send(message, on: channel, at: now) }
            self[keyPath: messages].wasSent()
            report.messagesSent += 1
        } catch {
            if error != .bufferFull { report.problems.append("sending a message: \(error)") }
        }
    }

    // MARK: incidents

    private func begin(_ incident: SessionIncident) {
        switch incident {
        case .blackOut(let length):
            setBlackOut(true)
            network.schedule(after: length) { [unowned self] in
                setBlackOut(false)
                offer(restartsICE: true)
            }
        case .newAddresses:
            for nat in nats { network.updateNAT(nat) { $0.forget() } }
            offer(restartsICE: true)
        case .bandwidth(let bandwidth): network.updateUp(robotAddress) { $0.bandwidth = bandwidth }
        case .restart: offer(restartsICE: true)
        }
    }

    private func setBlackOut(_ isBlack: Bool) {
        for address in [robotAddress, viewerAddress] { network.update(address) { $0.isBlackedOut = isBlack } }
    }

    // MARK: the end

    private func finish() -> SessionReport {
        hasEnded = true
        report.robotStatistics = robot.peer.statistics
        report.viewerStatistics = viewer.peer.statistics
        report.uplink = uplink.statistics
        if report.connectedAt != nil { judge() }
        for (name, host) in [("robot", robot), ("viewer", viewer)] where host.deadlinesInThePast > 0 {
            report.problems.append("\(name): \(host.deadlinesInThePast) deadlines in the past")
        }
        robot.act { peer, now in peer.close(at: now) }
        viewer.act { peer, now in peer.close(at: now) }
        network.end()
        return report
    }

    private func judge() {
        for (name, statistics) in [("robot", report.robotStatistics!), ("viewer", report.viewerStatistics!)] {
            if statistics.state != .connected { report.problems.append("\(name) ends \(statistics.state)") }
            if statistics.outputsDropped > 0 { report.problems.append("\(name) dropped \(statistics.outputsDropped) outputs") }
            for refusal in ["unknownProtocol", "rtp", "rtcp"] where statistics.refusals[refusal] != nil {
                report.problems.append("\(name) refused: \(statistics.refusals)")
            }
        }
        if scenario.sendsVideo, report.framesReceived < 3 {
            report.problems.append("\(report.framesReceived) frames of \(report.framesSent)")
        }
        if scenario.sendsData, telemetry.received == 0 || commands.received == 0 {
            report.problems.append(
                "messages: telemetry \(telemetry.received) of \(telemetry.sent), commands \(commands.received) of \(commands.sent)")
        }
    }
}
