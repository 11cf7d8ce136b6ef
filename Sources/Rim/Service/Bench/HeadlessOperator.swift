import Crypto
import HTTP
import RTC
import Reactor
import Web
import Wire

/// `waldo bench operator`: an operator without a screen who drives a robot in circles for as long as it lets him: for measuring how it stops.
///
/// He sees: the newest whole frame is what he acts on. He keeps the rules: takes the lease, lets the stick rest where that is asked for,
/// confirms a suspended lease, and connects anew when the link is gone.
public actor HeadlessOperator {
    public struct Options: Sendable {
        /// The station: `http://192.0.2.1:8000`.
        public var station = "http://127.0.0.1:8000"
        public var robot = "rover"
        /// This machine's address that media uses; unspecified: all.
        public var bind: [IPAddress] = []
        /// What is asked of the robot: m/s and rad/s.
        public var vx = 0.3
        public var vyaw = 0.8
        /// Commands a second.
        public var rate = 30
        public var token: String?

        public init() {}
    }

    public struct Figures: Sendable {
        public var connects = 0
        public var commands = 0
        public var frames = 0
        /// Milliseconds of pings on the control channel, newest last, at most 1000.
        public var roundTrips: [Double] = []
        public var state = "connecting"
    }

    private nonisolated let reactor: Reactor
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private let options: Options
    private var environment: EngineEnvironment?
    private var client: HTTPClient?
    private var host: PeerHost?
    private var session: PeerSession?
    private var control: DataChannelID?
    private var state: DataChannelID?
    private var ticker: ReactorTimer?
    public private(set) var figures = Figures()

    private var lease: JSON = .null
    private var telemetry: JSON = .null
    private var heard: Instant?
    private var seen: UInt32 = 0
    private var sequence: UInt32 = 0
    private var epoch: Int64 = -1
    private var nonce: Int64 = 0
    private var nextAsk = Instant.zero
    private var nextDial = Instant.zero
    private var isDialling = false

    /// Without a word from the robot for so long, the link counts as gone.
    private static let patience = Duration.milliseconds(1500)

    public init(_ options: Options) throws {
        self.options = options
        reactor = try Reactor(name: "waldo-operator")
    }

    /// Begins to drive.
    public func start() throws {
        environment = try EngineEnvironment(unixTime: MonotonicClock.unixNanoseconds() / 1_000_000_000)
        client = try HTTPClient(reactor: reactor, trust: .system)
        ticker = reactor.makeTimer { [unowned self] now in assumeIsolated { $0.tick(at: now) } }
        ticker?.deadline = MonotonicClock.now()
    }

    public func stop() {
        ticker = nil
        hangUp()
    }

    private func tick(at now: Instant) {
        ticker?.deadline = now + Duration(nanoseconds: 1_000_000_000 / Int64(options.rate))
        if let heard, now - heard > Self.patience, session != nil, !isDialling { hangUp() }
        if session == nil, !isDialling, now >= nextDial { dial(at: now) }
        guard state != nil else { return }
        drive(at: now)
    }

    // MARK: The link

    private func dial(at now: Instant) {
        isDialling = true
        nextDial = now + .milliseconds(500)
        Task { await connect() }
    }

    private func connect() async {
        defer { isDialling = false }
        do {
            guard let environment, let client else { return }
            let host = try PeerHost(reactor: reactor, environment: environment, port: 0, addresses: options.bind)
            let session = try host.makeSession(PeerConfiguration(ice: IceConfiguration(transports: host.transports)))
            session.onEvent = { [unowned self] event in assumeIsolated { $0.handle(event) } }
            (self.host, self.session) = (host, session)
            let offer = try session.with { peer, now in
                _ = peer.addTransceiver(.video, direction: .recvonly)
                _ = try peer.openDataChannel(
                    DataChannelOptions(label: "control", isOrdered: false, reliability: .maxRetransmits(0)), at: now)
                _ = try peer.openDataChannel(DataChannelOptions(label: "state"), at: now)
                let offer = try peer.createOffer(at: now)
                try peer.setLocal(offer, .offer, at: now)
                return offer
            }
            var fields: HTTPFields = ["Content-Type": "application/sdp"]
            if let token = options.token { fields["Authorization"] = "Bearer \(token)" }
            var request = try HTTPClientRequest(
                .post, "\(options.station)/whep/\(options.robot)", fields: fields, body: Array(offer.description.utf8))
            request.requestTimeout = .seconds(2)
            let answer = try await client.send(request)
            guard answer.status == .created else { return hangUp() }
            let description = try SessionDescription(parsing: answer.body)
            try session.with { peer, now in try peer.setRemote(description, .answer, at: now) }
            figures.connects += 1
            heard = MonotonicClock.now()
        } catch { hangUp() }
    }

    private func hangUp() {
        if let session { host?.remove(session) }
        (host, session, control, state, heard) = (nil, nil, nil, nil, nil)
        (lease, telemetry, seen) = (.null, .null, 0)
        figures.state = "connecting"
    }

    private func handle(_ event: PeerEvent) {
        switch event {
        case .videoFrame(_, let frame):
            seen = frame.timestamp
            figures.frames += 1
        case .dataChannel(.opened(let id, let options)): opened(id, options.label)
        case .dataChannel(.message(_, .text(let text))): take(text)
        // The session is let go of when this event has been handled.
        case .stateChanged(.failed, _): heard = .zero
        default: break
        }
    }

    private func opened(_ id: DataChannelID, _ label: String) {
        if label == "control" { control = id } else { state = id }
        if state == id { say(["type": "hello", "name": "headless operator", "view": "video"], on: id) }
    }

    // MARK: The robot

    private func take(_ text: String) {
        heard = MonotonicClock.now()
        guard let message = try? JSON(parsing: text) else { return }
        switch message["type"]?.string {
        case "telemetry":
            telemetry = message
            lease = message["lease"] ?? lease
        case "lease": lease = message
        case "pong":
            guard let sent = message["t"]?.double else { return }
            figures.roundTrips.append(milliseconds() - sent)
            if figures.roundTrips.count > 1000 { figures.roundTrips.removeFirst() }
        default: break
        }
    }

    private func drive(at now: Instant) {
        guard let state, let control else { return }
        guard lease["yours"]?.bool == true, lease["state"]?.string == "held", let epoch = lease["epoch"]?.integer else {
            return ask(state, at: now)
        }
        if epoch != self.epoch { (self.epoch, sequence) = (epoch, 0) }
        sequence &+= 1
        let needsRest = telemetry["safety"]?["rest_needed"]?.bool ?? true
        figures.state = needsRest ? "resting" : "driving"
        figures.commands += 1
        say(
            [
                "type": "drive", "epoch": .integer(epoch), "seq": .integer(Int64(sequence)), "t": .double(milliseconds()),
                "seen": .integer(Int64(seen)), "hold": .bool(!needsRest), "vx": .double(needsRest ? 0 : options.vx), "vy": 0,
                "vyaw": .double(needsRest ? 0 : options.vyaw),
            ], on: control)
        if sequence % 15 == 0 { say(["type": "ping", "t": .double(milliseconds())], on: control) }
    }

    /// A lease that is free, or suspended, or somebody else's.
    private func ask(_ channel: DataChannelID, at now: Instant) {
        guard now >= nextAsk, telemetry != .null else { return }
        nextAsk = now + .milliseconds(200)
        nonce += 1
        figures.state = "asking"
        say(["type": "lease", "action": lease["yours"]?.bool == true ? "confirm" : "acquire", "nonce": .integer(nonce)], on: channel)
    }

    private func say(_ message: JSON, on channel: DataChannelID) {
        // What cannot be sent is worth nothing later.
        session?.with { peer, now in try? peer.send(.text(message.description), on: channel, at: now) }
    }

    private func milliseconds() -> Double { Double(MonotonicClock.now().nanoseconds) / 1e6 }
}
