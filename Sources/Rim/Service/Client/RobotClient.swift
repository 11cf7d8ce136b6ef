import Contracts
import Crypto
import HTTP
import Media
import RTC
import Reactor
import Robot
import Teleop
import Wire

/// A robot that waits on a signalling server for its operator, shows a camera, and takes what the operator says (specs: teleop-client clause 6).
///
///     let robot = try RobotClient(options, camera: .init(feed: camera.feed)) { event in print(event.text) }
///     try await robot.start()
public actor RobotClient {
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
        /// Operators who watch beside the one who drives.
        public var viewers = 0
        /// bit/s of a 1280x720 picture at 30 a second at most; smaller ones get their share.
        public var bitrate = 2_500_000
        public var encoders = VideoEncoders()
        public var profile = SafetyProfile.lan
        /// Under which this machine's usage monitor is told of the operators of a robot that is driven; nil: it is not.
        public var usageNamespace: String?
        public var log = Logger("robot")

        public init(signaling: WebURL, id: String) { (self.signaling, self.id) = (signaling, id) }
    }

    /// Where pictures come from. `wake` is called when an operator comes, `rest` ten seconds after the last has gone.
    public struct Camera: Sendable {
        public var feed: PictureFeed
        public var wake: @Sendable () -> Void
        public var rest: @Sendable () -> Void

        public init(feed: PictureFeed, wake: @escaping @Sendable () -> Void = {}, rest: @escaping @Sendable () -> Void = {}) {
            (self.feed, self.wake, self.rest) = (feed, wake, rest)
        }
    }

    private nonisolated let reactor: Reactor
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private let options: Options
    private let camera: Camera
    private let driven: RobotUnit?
    private let tell: @Sendable (ClientEvent) -> Void
    private let onAction: (@Sendable (String) -> Void)?

    private var pairing: RobotPairing
    private var peers: [PairID: RobotPeer] = [:]
    private var link: SignalLink?
    private var environment: EngineEnvironment?
    private var video: VideoSource?
    private var host: RobotHost?
    private var feed: SessionFeed?
    private var timer: ReactorTimer?
    private var restTimer: ReactorTimer?
    private var isAwake = false
    private var isDraining = false
    private var hasNamesake = false

    /// How long a camera stays warm for the next operator.
    private static let warmth = Duration.seconds(10)
    /// A robot may take another operator after so long without a packet.
    private static let patience = Duration.seconds(3)

    /// `drive`: what the commands drive, through the safety gate; nil: they are only reported. `tell` and `onAction`, which gets each command as
    /// it was received, are called on the client's own thread.
    public init(
        _ options: Options, camera: Camera, drive: RobotUnit? = nil, onAction: (@Sendable (String) -> Void)? = nil,
        tell: @escaping @Sendable (ClientEvent) -> Void
    ) throws {
        (self.options, self.camera, driven, self.onAction, self.tell) = (options, camera, drive, onAction, tell)
        pairing = RobotPairing(id: options.id, operators: 1 + options.viewers, needsProof: drive != nil)
        reactor = try Reactor(name: "waldo-reactor", keepsTime: drive != nil)
    }

    /// Goes to the signalling server and waits there.
    public func start() throws {
        environment = try EngineEnvironment()
        try makeVideo()
        timer = reactor.makeTimer { [unowned self] now in assumeIsolated { $0.with { $0.advance(to: now) } } }
        restTimer = reactor.makeTimer { [unowned self] _ in assumeIsolated { $0.rest() } }
        let link = try SignalLink(
            options.signaling, trust: options.serverTrust, reactor: reactor,
            log: options.log.with(subject: "signaling"), tell: tell)
        link.onJoined = { [unowned self] in assumeIsolated { $0.joined() } }
        link.onMessage = { [unowned self] message in
            assumeIsolated { $0.heard(message) }
        }
        self.link = link
        link.start()
    }

    /// The source of the picture; where a robot is driven it is the robot's, which knows when each picture was taken.
    private func makeVideo() throws {
        if var unit = driven {
            unit.cameras = [camera.feed]
            let host = try RobotHost(
                unit, profile: options.profile, mode: .full, bitrate: options.bitrate, encoders: options.encoders, reactor: reactor,
                log: options.log)
            self.host = host
            host.observers.append { [unowned self] event, _ in assumeIsolated { $0.happened(event) } }
            feed = SessionFeed(namespace: options.usageNamespace, reactor: reactor, log: options.log) { [unowned self] in
                assumeIsolated { $0.peers.values.compactMap(\.usage) }
            }
            video = host.video[camera.feed.name]
        } else {
            let feed = camera.feed
            let share = min(1, Double(feed.width * feed.height * feed.rate) / Double(1280 * 720 * 30))
            video = VideoSource(
                feed: feed, reactor: reactor, bitrate: max(Int(Double(options.bitrate) * share), 200_000), encoders: options.encoders)
        }
    }

    /// The robot stands, everybody is told, and everything is closed.
    public func stop() async {
        host?.shutDown()
        with { $0.shutDown() }
        feed = nil
        video?.stop()
        camera.rest()
        await withCheckedContinuation { continuation in
            guard let link else { return continuation.resume() }
            link.close { continuation.resume() }
        }
    }

    // MARK: The pairing

    /// Calls the machine and carries out what it then wants.
    private func with(_ body: (inout RobotPairing) -> Void) {
        body(&pairing)
        // What an output causes is carried out by the round that is under way.
        guard !isDraining else { return }
        isDraining = true
        while let output = pairing.nextOutput() { carryOut(output) }
        isDraining = false
        timer?.deadline = pairing.deadline
        if pairing.isPaired {
            restTimer?.deadline = nil
        } else if isAwake, restTimer?.deadline == nil {
            restTimer?.deadline = MonotonicClock.now() + Self.warmth
        }
        promote()
    }

    private func carryOut(_ output: RobotPairing.Output) {
        switch output {
        case .send(let message):
            link?.send(message)
            if case .answer = message.body { tell(.answerSent) }
        case .begin(let pair, let offer, let interval, let isOurs): begin(pair, offer, interval: interval, isOurs: isOurs)
        case .candidate(let pair, let text): peers[pair]?.add(candidate: text)
        case .end(let pair):
            peers.removeValue(forKey: pair)?.close()
        case .turnedAway: options.log.info("another operator was told that the robot is taken")
        }
    }

    private func heard(_ message: SignalMessage) {
        if message.from == options.id, !hasNamesake {
            hasNamesake = true
            tell(.namesake(options.id))
        }
        with { $0.receive(message, at: MonotonicClock.now()) }
    }

    private func joined() {
        if pairing.connected.isEmpty { tell(.waiting) }
        with { $0.joinedServer() }
    }

    // MARK: Peers

    private func begin(_ pair: PairID, _ offer: String, interval: Double?, isOurs: Bool) {
        tell(.offerReceived)
        guard let environment, let video else { return }
        wake()
        var peerOptions = ClientPeer.Options()
        (peerOptions.servers, peerOptions.bind, peerOptions.relayOnly) = (options.iceServers, options.bind, options.relayOnly)
        (peerOptions.serverTrust, peerOptions.patience, peerOptions.bitrate) = (options.turnTrust, Self.patience, options.bitrate)
        do {
            let description = try SessionDescription(parsing: Array(offer.utf8))
            let connection = try ClientPeer(peerOptions, environment: environment, reactor: reactor)
            let peer = RobotPeer(
                connection, video: video, drive: host.map { ($0, options.profile) }, name: pairing.name(of: pair), interval: interval)
            peer.tell = tell
            peer.onAction = onAction
            peer.onConnected = { [unowned self] in
                assumeIsolated { client in client.with { $0.connected(pair, at: MonotonicClock.now()) } }
            }
            peer.onDead = { [unowned self] reason in assumeIsolated { $0.died(pair, reason) } }
            connection.onCandidate = { [unowned self] candidate in
                assumeIsolated { client in client.with { $0.gathered(candidate, for: pair) } }
            }
            peers[pair] = peer
            let drives = driven?.driver.capabilities.model
            try peer.answer(description, waits: !isOurs) { [unowned self] outcome in
                assumeIsolated { client in
                    switch outcome {
                    case .success(let answer): client.with { $0.answered(pair, sdp: answer, drives: drives) }
                    case .failure(let error): client.refuse(pair, "\(error)")
                    }
                }
            }
        } catch { refuse(pair, "\(error)") }
    }

    private func refuse(_ pair: PairID, _ reason: String) {
        tell(.warning("the offer cannot be used: \(reason)"))
        peers.removeValue(forKey: pair)?.close()
        with { $0.refused(pair, at: MonotonicClock.now()) }
    }

    private func died(_ pair: PairID, _ reason: String) {
        options.log.info("an operator is gone", ["reason": .text(reason)])
        peers[pair] = nil
        with { $0.ended(pair, at: MonotonicClock.now()) }
        if !pairing.isPaired { tell(.waiting) }
    }

    /// The first of those who are connected drives.
    private func promote() {
        guard host != nil else { return }
        let driver = pairing.connected.first
        // Who drove gives it up before the next one gets it.
        for (pair, peer) in peers where pair != driver { peer.mayDrive = false }
        if let driver { peers[driver]?.mayDrive = true }
    }

    private func happened(_ event: ControlEvent) {
        switch event {
        case .verdict, .decided: break
        case .leaseChanged, .stopped, .latched, .cleared, .fault: for peer in peers.values { peer.tellStatus() }
        }
    }

    // MARK: The camera

    private func wake() {
        restTimer?.deadline = nil
        guard !isAwake else { return }
        isAwake = true
        camera.wake()
    }

    private func rest() {
        guard isAwake, !pairing.isPaired else { return }
        isAwake = false
        camera.rest()
    }
}
