import Crypto
import RTC
import Reactor
import Teleop
import Wire

/// One peer connection of a client: its sockets, its candidates, and whether the other side is still there. Lives on the reactor.
final class ClientPeer {
    struct Options {
        var servers: [IceServer] = []
        var bind: [IPAddress] = []
        var relayOnly = false
        var serverTrust = TLSTrust.system
        /// Without a packet for so long the other side is dead.
        var patience = Duration.seconds(5)
        /// bit/s of video at most.
        var bitrate = 2_500_000
    }

    let session: PeerSession
    var onEvent: ((PeerEvent) -> Void)?
    /// Once, with the reason; the peer is closed already.
    var onDead: ((String) -> Void)?
    /// A candidate that the description which went out does not hold; an empty text: there are no more.
    var onCandidate: ((SignalCandidate) -> Void)?

    private let host: PeerHost
    private let patience: Duration
    private var watch: ReactorTimer?
    private var gatherTimer: ReactorTimer?
    private var whenGathered: (() -> Void)?
    private var isOver = false
    private let reactor: Reactor
    private var farewell: ReactorTimer?
    /// Not heard before it.
    private var connectedAt: Instant?
    /// What went out; nil: nothing yet, and candidates go with it.
    private var described: String?

    private static let gatheringTime = Duration.seconds(2)
    private static let look = Duration.milliseconds(250)

    init(_ options: Options, environment: EngineEnvironment, reactor: Reactor) throws {
        // Sockets of its own: what this machine's addresses were for the last peer is no matter.
        host = try PeerHost(reactor: reactor, environment: environment, port: 0, addresses: options.bind)
        (patience, self.reactor) = (options.patience, reactor)
        var ice = IceConfiguration(
            transports: host.transports, servers: options.servers, relayOnly: options.relayOnly, resolvesMDNS: true)
        // Whether the other side is there is asked often: nothing else may be on its way.
        ice.consentInterval = .seconds(1)
        let configuration = PeerConfiguration(
            ice: ice, bitrate: BitrateLimits(minimum: 100_000, start: 1_000_000, maximum: max(options.bitrate * 2, 2_000_000)),
            clock: NTPClock(unixNanoseconds: MonotonicClock.unixNanoseconds(), at: MonotonicClock.now()),
            unexpectedMediaDirection: .inactive)
        session = try host.makeSession(configuration)
        session.serverTrust = options.serverTrust
        session.onEvent = { [weak self] event in self?.handle(event) }
        watch = reactor.makeTimer { [weak self] now in self?.look(at: now) }
        gatherTimer = reactor.makeTimer { [weak self] _ in self?.gathered() }
    }

    /// This machine's address that the connection goes over.
    var localAddress: IPAddress? {
        guard let local = session.with({ peer, _ in peer.selectedPair?.local }) else { return nil }
        return local.related?.ip ?? local.address?.ip
    }

    func makeTimer(_ fire: @escaping (Instant) -> Void) -> ReactorTimer { reactor.makeTimer(fire) }

    // MARK: Candidates

    /// Calls `then` when all candidates are there, or have not come in time.
    func gather(_ then: @escaping () -> Void) {
        guard !session.gatheringIsComplete else { return then() }
        whenGathered = then
        gatherTimer?.deadline = MonotonicClock.now() + Self.gatheringTime
    }

    /// Those that have not come yet will be trickled.
    func gathered() {
        gatherTimer?.deadline = nil
        whenGathered.take()?()
    }

    /// What went out as our description.
    func sent(_ description: String) { described = description }

    func add(candidate text: String) {
        // Browsers and SDP differ in what they put in front.
        let line = text.firstRange(of: "candidate:").map { String(text[$0.lowerBound...]) } ?? (text.isEmpty ? "" : "candidate:" + text)
        // What is no candidate helps nobody, and hurts nobody.
        session.with { peer, now in try? peer.addRemoteCandidate(line, at: now) }
    }

    // MARK: Life

    private func handle(_ event: PeerEvent) {
        guard !isOver else { return }
        switch event {
        case .candidate(let candidate, let mid): trickle("\(candidate)", mid: mid)
        case .gatheringComplete:
            gathered()
            if described != nil { onCandidate?(SignalCandidate("", mid: "0", line: 0)) }
        case .stateChanged(.connected, _):
            connectedAt = MonotonicClock.now()
            watch?.deadline = MonotonicClock.now() + Self.look
            onEvent?(event)
        case .stateChanged(let state, let reason) where state == .failed || state == .closed:
            onEvent?(event)
            die(reason ?? "the connection has \(state.rawValue)")
        default: onEvent?(event)
        }
    }

    private func trickle(_ text: String, mid: String) {
        guard let described, !described.contains(text) else { return }
        let fragment = session.with { peer, _ in peer.localUsernameFragment }
        onCandidate?(SignalCandidate(text, mid: mid, line: 0, fragment: fragment))
    }

    private func look(at now: Instant) {
        guard let connectedAt, !isOver else { return }
        let silence = now - max(session.lastPacket ?? connectedAt, connectedAt)
        guard silence < patience else { return die("nothing was heard for \(Int(patience.seconds)) s") }
        watch?.deadline = now + Self.look
    }

    private func die(_ reason: String) {
        guard !isOver else { return }
        let tell = onDead
        close()
        tell?(reason)
    }

    /// Says goodbye on the connection, and calls nobody any more.
    func close() {
        guard !isOver else { return }
        isOver = true
        (watch, gatherTimer, whenGathered) = (nil, nil, nil)
        (onEvent, onDead, onCandidate) = (nil, nil, nil)
        session.onEvent = nil
        // An event of its own may be what ends it, and is not over yet.
        farewell = reactor.makeTimer { [self] _ in
            host.remove(session)
            farewell = nil
        }
        farewell?.deadline = MonotonicClock.now()
    }
}
