import Contracts
import Crypto
import HTTP
import RTC
import Reactor
import Synchronization
import Teleop
import Wire

/// An operator who looks for a robot on a signalling server, sees its picture and tells it what to do (specs: teleop-client clause 7).
///
///     let operator = try OperatorClient(options) { event in print(event.text) }
///     try await operator.start()
public actor OperatorClient {
    public struct Options: Sendable {
        /// `ws` or `wss`, any path.
        public var signaling: WebURL
        public var serverTrust = TLSTrust.system
        public var iceServers: [IceServer] = []
        /// Host addresses to use; empty: all of this machine's.
        public var bind: [IPAddress] = []
        public var relayOnly = false
        public var turnTrust = TLSTrust.system
        public var id: String
        /// The robot's id; nil: any robot.
        public var wanted: String?
        public var format = ActionMessage.Format.string
        public var log = Logger("operator")

        public init(signaling: WebURL, id: String) { (self.signaling, self.id) = (signaling, id) }
    }

    /// What is said to the robot while the channel is open, beside what `send` and `drive` say.
    public enum Commands: Sendable {
        case none
        /// Asked every `interval` seconds; nil: nothing this time.
        case every(Double, @Sendable () -> String?)
        /// x and y, each at random from 0 to 1, every so many seconds: for trying a connection. A robot that says that it drives is sent none,
        /// unless `drivesRandomly`.
        case test(Double, drivesRandomly: Bool = false)

        var interval: Double? {
            switch self {
            case .none: nil
            case .every(let interval, _), .test(let interval, _): interval
            }
        }

        /// What a robot that drives is told to expect; hands that drive it keep to no interval.
        var announced: Double? { if case .test(_, drivesRandomly: false) = self { nil } else { interval } }
    }

    /// What other threads ask for, in their order.
    private enum Order: Sendable {
        case say(String)
        /// Hands have moved: `hands` has what they ask for.
        case drive
        case shown(UInt32)
        case keyFrame, emergencyStop, clear
    }

    private nonisolated let reactor: Reactor
    private nonisolated let orders: Mailbox<Order>
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private let options: Options
    private let commands: Commands
    private let tell: @Sendable (ClientEvent) -> Void
    private let onFrame: (@Sendable (ReceivedFrame) -> Void)?

    private var pairing: OperatorPairing
    private var link: SignalLink?
    private var environment: EngineEnvironment?
    private var pair: PairID?
    private var connection: ClientPeer?
    private var track: TransceiverID?
    private var channel: DataChannelID?
    private var isOpen = false
    private var timer: ReactorTimer?
    private var commandTimer: ReactorTimer?
    private var addressTimer: ReactorTimer?
    private var addresses: [IPAddress] = []
    private var isDraining = false
    private var manual: ManualCommands
    /// Until then hands that rest say nothing: a script drives.
    private var scriptedUntil = Instant.zero
    private static let scriptPatience = Duration.seconds(2)
    /// Of those that keep to an interval.
    private var nextCommand = Instant.zero
    private var hasRefused = false
    private var hasWarned = false
    private var hasNamesake = false
    private nonisolated let opened = Atomic<Bool>(false)
    /// The newest that hands ask for, until it is taken: whatever else waits, a key that is let go is not left out.
    private nonisolated let hands = Lock<(x: Double, y: Double, isHeld: Bool)?>(nil)
    /// Lines that wait until the network has taken those before, in their order.
    private var unsaid: [String] = []
    private nonisolated let isBehind = Atomic<Bool>(false)

    /// What is known of the robot and the picture.
    public private(set) var status = OperatorStatus()

    private static let patience = Duration.seconds(5)
    private static let reportEvery = 30
    /// Bytes that wait for the network. With more nothing is added but what hands ask for and the emergency stop, for which there is room then.
    private static let mostWaiting = 32 << 10
    private static let lookAgain = Duration.milliseconds(5)

    /// `tell` and `onFrame`, which gets each encoded frame in decoding order, are called on the client's own thread.
    public init(
        _ options: Options, commands: Commands = .none, onFrame: (@Sendable (ReceivedFrame) -> Void)? = nil,
        tell: @escaping @Sendable (ClientEvent) -> Void
    ) throws {
        if let interval = commands.interval { precondition(interval >= 0.001 && interval.isFinite, "commands every \(interval) s") }
        (self.options, self.commands, self.onFrame, self.tell) = (options, commands, onFrame, tell)
        pairing = OperatorPairing(
            id: options.id, wanted: options.wanted, interval: commands.announced, seed: SystemRandomNumberGenerator().seed())
        manual = ManualCommands(options.format)
        reactor = try Reactor(name: "waldo-reactor")
        orders = try Mailbox(limit: 256)
    }

    // MARK: From any thread, in order; left out while 256 of them wait, but for hands and the emergency stop

    /// A robot has been found, if perhaps lost again.
    public nonisolated var hasOpened: Bool { opened.load(ordering: .relaxed) }
    /// False: to be said again later.
    public nonisolated func submit(_ text: String) -> Bool { !isBehind.load(ordering: .relaxed) && orders.put(.say(text)) }
    public nonisolated func submit(x: Double, y: Double, isHeld: Bool) {
        hands.withLock { $0 = (x, y, isHeld) }
        // Any other order does as well.
        _ = orders.put(.drive)
    }
    public nonisolated func submit(shown timestamp: UInt32) { _ = orders.put(.shown(timestamp)) }
    public nonisolated func submitKeyFrameRequest() { _ = orders.put(.keyFrame) }
    public nonisolated func submitEmergencyStop() { if !orders.put(.emergencyStop) { Task { await emergencyStop() } } }
    public nonisolated func submitClear() { _ = orders.put(.clear) }

    /// Looks for a robot until it is stopped.
    public func start() throws {
        environment = try EngineEnvironment()
        timer = reactor.makeTimer { [unowned self] now in assumeIsolated { $0.with { $0.advance(to: now) } } }
        commandTimer = reactor.makeTimer { [unowned self] now in assumeIsolated { $0.command(at: now) } }
        addressTimer = reactor.makeTimer { [unowned self] now in assumeIsolated { $0.watchAddresses(at: now) } }
        addresses = hostAddresses()
        addressTimer?.deadline = MonotonicClock.now() + .seconds(1)
        let link = try SignalLink(
            options.signaling, trust: options.serverTrust, reactor: reactor,
            log: options.log.with(subject: "signaling"), tell: tell)
        link.onJoined = { [unowned self] in assumeIsolated { client in client.with { $0.joinedServer(at: MonotonicClock.now()) } } }
        link.onLost = { [unowned self] in assumeIsolated { client in client.with { $0.lostServer() } } }
        link.onMessage = { [unowned self] message in assumeIsolated { $0.heard(message) } }
        self.link = link
        try orders.open(on: reactor) { [unowned self] order in
            assumeIsolated { client in
                client.carryOut(order)
                client.takeHands()
            }
        }
        link.start()
        with { $0.start() }
    }

    public func stop() async {
        commandTimer = nil
        // The robot stands before it learns that we are gone.
        if isOpen, status.drives != nil { say(manual.rest(status.drive, at: MonotonicClock.now())) }
        with { $0.shutDown() }
        await withCheckedContinuation { continuation in
            guard let link else { return continuation.resume() }
            link.close { continuation.resume() }
        }
    }

    // MARK: The pairing

    /// Calls the machine and carries out what it then wants.
    private func with(_ body: (inout OperatorPairing) -> Void) {
        body(&pairing)
        // What an output causes is carried out by the round that is under way.
        guard !isDraining else { return }
        isDraining = true
        while let output = pairing.nextOutput() { carryOut(output) }
        isDraining = false
        timer?.deadline = pairing.deadline
    }

    private func carryOut(_ output: OperatorPairing.Output) {
        switch output {
        case .send(let message): link?.send(message)
        case .begin(let pair): begin(pair)
        case .offerSent(let isFirst): if isFirst { tell(.offerSent) }
        case .accept(let pair, let answer, let drives, let isOurs): accept(pair, answer, drives, isOurs: isOurs)
        case .candidate(let pair, let text): if pair == self.pair { connection?.add(candidate: text) }
        case .end(let pair): if pair == self.pair { letGo() }
        case .busy: tell(.busy)
        }
    }

    private func heard(_ message: SignalMessage) {
        if message.from == options.id, !hasNamesake {
            hasNamesake = true
            tell(.namesake(options.id))
        }
        with { $0.receive(message, at: MonotonicClock.now()) }
        // Robots of ours take the rest of the candidates as they come.
        if pairing.hearsRobot { connection?.gathered() }
    }

    // MARK: The peer

    private func begin(_ pair: PairID) {
        letGo()
        guard let environment else { return }
        var peerOptions = ClientPeer.Options()
        (peerOptions.servers, peerOptions.bind, peerOptions.relayOnly) = (options.iceServers, options.bind, options.relayOnly)
        (peerOptions.serverTrust, peerOptions.patience) = (options.turnTrust, Self.patience)
        do {
            let connection = try ClientPeer(peerOptions, environment: environment, reactor: reactor)
            (self.pair, self.connection) = (pair, connection)
            connection.onEvent = { [unowned self] event in assumeIsolated { $0.handle(event) } }
            connection.onDead = { [unowned self] reason in assumeIsolated { $0.died(pair, reason) } }
            connection.onCandidate = { [unowned self] candidate in
                assumeIsolated { client in client.with { $0.gathered(candidate, for: pair) } }
            }
            try connection.session.with { peer, now in
                track = peer.addTransceiver(.video, direction: .recvonly, trackID: "camera")
                channel = try peer.openDataChannel(DataChannelOptions(label: "robot-control"), at: now)
                _ = try peer.createOffer(at: now)
            }
            connection.gather { [unowned self] in assumeIsolated { $0.offer(pair) } }
            if pairing.hearsRobot { connection.gathered() }
        } catch {
            tell(.warning("no peer connection can be made: \(error)"))
            letGo()
            with { $0.ended(pair, at: MonotonicClock.now()) }
        }
    }

    private func offer(_ pair: PairID) {
        guard pair == self.pair, let connection else { return }
        do {
            let offer = try connection.session.with { peer, now in
                let offer = try peer.createOffer(at: now)
                try peer.setLocal(offer, .offer, at: now)
                return offer
            }
            let text = offer.description
            connection.sent(text)
            with { $0.offered(pair, sdp: text, at: MonotonicClock.now()) }
        } catch { died(pair, "no offer can be made: \(error)") }
    }

    private func accept(_ pair: PairID, _ answer: String, _ drives: String?, isOurs: Bool) {
        guard pair == self.pair, let connection else { return }
        tell(.answerReceived)
        do {
            let description = try SessionDescription(parsing: Array(answer.utf8))
            try connection.session.with { peer, now in try peer.setRemote(description, .answer, at: now) }
            (status.drives, status.isOurs) = (drives, isOurs)
        } catch {
            tell(.warning("the answer cannot be used: \(error)"))
            with { $0.refused(pair, at: MonotonicClock.now()) }
        }
    }

    private func handle(_ event: PeerEvent) {
        switch event {
        case .stateChanged(let state, _):
            status.state = state
            tell(.state(state))
            if state == .connected, let pair { with { $0.connected(pair, at: MonotonicClock.now()) } }
        case .videoFrame(_, let frame): received(frame)
        case .dataChannel(let event): handle(event)
        default: break
        }
    }

    private func died(_ pair: PairID, _ reason: String) {
        guard pair == self.pair else { return }
        options.log.info("the robot is gone", ["reason": .text(reason)])
        letGo()
        with { $0.ended(pair, at: MonotonicClock.now()) }
    }

    /// Closes whatever connection there is.
    private func letGo() {
        commandTimer?.deadline = nil
        if isOpen { tell(.channelClosed) }
        if connection != nil, status.state != .closed, status.state != .failed, status.state != .new { tell(.state(.closed)) }
        connection?.close()
        (connection, pair, track, channel, isOpen) = (nil, nil, nil, nil, false)
        (status.state, status.drives, status.drive, hasRefused) = (.new, nil, nil, false)
        manual.forget()
        if !unsaid.isEmpty { warnOfSilence() }
        unsaid = []
        isBehind.store(false, ordering: .relaxed)
    }

    /// Other addresses than before: what the connection goes over may be gone, and waiting would not bring it back.
    private func watchAddresses(at now: Instant) {
        addressTimer?.deadline = now + .seconds(1)
        let present = hostAddresses()
        guard present != addresses else { return }
        let gone = addresses.filter { !present.contains($0) }
        addresses = present
        guard let connection, let pair, let local = connection.localAddress, gone.contains(local) else { return }
        options.log.info("the network has changed")
        letGo()
        with { $0.ended(pair, immediately: true, at: now) }
    }

    // MARK: The picture

    private func received(_ frame: ReceivedFrame) {
        status.add(frame)
        if status.frames % Self.reportEvery == 0 {
            tell(.frames(count: status.frames, width: status.width, height: status.height))
        }
        onFrame?(frame)
    }

    /// Whoever decodes has lost one.
    public func requestKeyFrame() {
        guard let track else { return }
        connection?.session.with { peer, _ in peer.requestKeyFrame(of: track) }
    }

    /// What was received until now, in the words of W3C webrtc-stats where they have one.
    public var statistics: PeerStatistics? { connection?.session.statistics }

    // MARK: The channel

    private func handle(_ event: DataChannelEvent) {
        switch event {
        case .opened(let id, _):
            guard id == channel else { return }
            (isOpen, hasWarned) = (true, false)
            opened.store(true, ordering: .relaxed)
            tell(.channelOpen)
            openedChannel()
        case .closed(let id):
            guard id == channel, let pair else { return }
            died(pair, "the robot has closed the channel")
        case .message(let id, let message): if id == channel { take(message) }
        }
    }

    private func openedChannel() {
        let now = MonotonicClock.now()
        if case .test(_, let drivesRandomly) = commands, status.drives != nil {
            if drivesRandomly { say(manual.rest(status.drive, at: now)) } else { refuseToDriveRandomly() }
        }
        nextCommand = now
        commandTimer?.deadline = now
    }

    private func refuseToDriveRandomly() {
        guard !hasRefused else { return }
        hasRefused = true
        tell(.warning("this robot (\(status.drives ?? "")) really drives: no test commands are sent; --yes-drive-randomly sends them"))
    }

    private func take(_ message: DataMessage) {
        guard case .text(let text) = message, let news = DriveStatus.read(Array(text.utf8).span) else { return }
        status.drive = news
    }

    /// Says something to the robot, now. False: the channel is not open, or full.
    @discardableResult
    public func send(_ text: String) -> Bool { !isFull && say(text) }

    private var isFull: Bool { (connection?.session.with { peer, _ in peer.bufferedAmount } ?? 0) >= Self.mostWaiting }

    /// Lines are not left out: they wait, and whoever brings more of them does.
    private func sayInTurn(_ text: String) {
        guard isOpen else { return warnOfSilence() }
        unsaid.append(text)
        scriptedUntil = MonotonicClock.now() + Self.scriptPatience
        sayWhatWaits()
        if !unsaid.isEmpty { commandTimer?.deadline = earlier(commandTimer?.deadline, MonotonicClock.now() + Self.lookAgain) }
    }

    private func sayWhatWaits() {
        while !unsaid.isEmpty, !isFull { if !say(unsaid.removeFirst()) { warnOfSilence() } }
        isBehind.store(!unsaid.isEmpty, ordering: .relaxed)
    }

    @discardableResult
    private func say(_ text: String) -> Bool {
        guard isOpen, let channel, let connection else { return false }
        do {
            try connection.session.with { peer, now in try peer.send(.text(text), on: channel, at: now) }
            manual.said()
            tell(.actionSent(text))
            return true
        } catch { return false }
    }

    /// How long what hands ask for holds, unless it is said again.
    public static var handsPatience: Duration { ManualCommands.patience }

    /// What hands ask for: −1…1 each, x to the right, y forward. Said often while they do, and once more when they stop: it
    /// holds for `handsPatience`, so whoever goes on says it again.
    public func drive(x: Double, y: Double, isHeld: Bool) {
        func share(_ value: Double) -> Double { value.isFinite ? min(max(value, -1), 1) : 0 }
        let now = MonotonicClock.now()
        manual.set(x: share(x), y: share(y), isHeld: isHeld, at: now)
        if isOpen { commandTimer?.deadline = now }
    }

    private func takeHands() {
        if let wish = hands.withLock({ $0.take() }) { drive(x: wish.x, y: wish.y, isHeld: wish.isHeld) }
    }

    /// The RTP time of the picture that the operator sees.
    public func shown(_ timestamp: UInt32) { manual.seen = timestamp }

    public func emergencyStop() {
        guard !say(ActionMessage.emergencyStopText) else { return }
        let reason = isOpen ? "the channel to the robot takes nothing" : "there is no channel to the robot, which stands without one"
        tell(.warning("the emergency stop was not sent: \(reason)"))
    }
    public func clearEmergencyStop() { say(ActionMessage.clear(epoch: status.drive?.epoch).description) }

    /// Once an outage.
    private func warnOfSilence() {
        guard !hasWarned else { return }
        hasWarned = true
        tell(.warning("there is no channel to the robot: what is said now is not sent"))
    }

    private func carryOut(_ order: Order) {
        switch order {
        case .say(let text): sayInTurn(text)
        case .drive: break
        case .shown(let timestamp): shown(timestamp)
        case .keyFrame: requestKeyFrame()
        case .emergencyStop: emergencyStop()
        case .clear: clearEmergencyStop()
        }
    }

    private func command(at now: Instant) {
        guard isOpen else { return }
        sayWhatWaits()
        if let text = manual.next(status.drives != nil ? status.drive : nil, rests: now >= scriptedUntil, at: now) {
            say(text)
        } else if let interval = commands.interval, manual.isIdle, now >= nextCommand {
            // On the beat, unless that has been lost.
            nextCommand = max(nextCommand + .seconds(interval), now + .seconds(interval * 0.5))
            if let text = scheduled(), send(text) { scriptedUntil = now + Self.scriptPatience }
        }
        // Hands that rest have their say again once the script is silent.
        let hands = earlier(manual.deadline, scriptedUntil > now ? scriptedUntil : nil)
        let next = earlier(hands, commands.interval.map { _ in nextCommand })
        commandTimer?.deadline = earlier(next, unsaid.isEmpty ? nil : now + Self.lookAgain)
    }

    private func scheduled() -> String? {
        switch commands {
        case .none: return nil
        case .every(_, let ask): return ask()
        case .test(_, let drivesRandomly):
            if status.drives != nil, !drivesRandomly {
                refuseToDriveRandomly()
                return nil
            }
            // Hundredths, so that two decimals never make it a whole 1.
            func share() -> Double { Double(Int.random(in: 0..<100)) / 100 }
            return ActionMessage.motion(x: share(), y: share(), options.format).description
        }
    }
}
