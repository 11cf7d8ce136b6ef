import Crypto
import Media
import RTC
import Reactor
import Wire

/// `waldo bench peer`: one peer that is driven by lines and answers by lines, for measurements and for tests against other implementations.
public actor PeerBench {
    public struct Options: Sendable {
        /// Host addresses to use; empty: all of this machine's.
        public var bind: [IPAddress] = []
        public var servers: [IceServer] = []
        public var relayOnly = false
        public var serverTrust = TLSTrust.system
        /// Also take ICE-TCP connections.
        public var listensTCP = false
        /// Descriptions go out at once and candidates follow; else descriptions wait until they are complete.
        public var trickles = false
        public var traces = false
        public var video: MediaDirection?
        public var audio: MediaDirection?
        public var codecs: [CodecKind] = [.h264, .vp8]
        public var width = 1280
        public var height = 720
        /// Pictures a second.
        public var rate = 30
        /// bit/s.
        public var bitrate = 1_500_000
        /// Data channels to open.
        public var channels: [DataChannelOptions] = []
        /// Send every message back.
        public var echoes = false

        public init() {}
    }

    private nonisolated let reactor: Reactor
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private nonisolated let lines: Mailbox<String>
    private let options: Options
    private let say: @Sendable (String) -> Void
    private let onEnd: @Sendable () -> Void

    private var host: PeerHost?
    private var session: PeerSession?
    private var video: TransceiverID?
    private var audio: TransceiverID?
    private var camera: TestCamera?
    private var fanOut: FanOut?
    private var tone: ToneSource?
    private var channels: [DataChannelID: String] = [:]
    private var frames = FrameCounter()
    private var sound = SoundCounter()
    private var ticker: ReactorTimer?
    /// A description that waits for its candidates.
    private var pending: DescriptionKind?

    /// `say` gets each line of output, `onEnd` is called after the last.
    public init(_ options: Options, say: @escaping @Sendable (String) -> Void, onEnd: @escaping @Sendable () -> Void) throws {
        self.options = options
        self.say = say
        self.onEnd = onEnd
        reactor = try Reactor(name: "waldo-reactor")
        lines = try Mailbox(limit: 1024)
    }

    /// Takes a line to carry out, from any thread. False while the peer is behind: to be said again.
    public nonisolated func put(_ line: String) -> Bool { lines.put(line) }

    /// Makes the peer and begins to carry out lines.
    public func start() throws {
        let environment = try EngineEnvironment(unixTime: MonotonicClock.unixNanoseconds() / 1_000_000_000)
        let host = try PeerHost(reactor: reactor, environment: environment, port: 0, addresses: options.bind)
        self.host = host
        var transports = host.transports
        if options.listensTCP { transports += try host.listenTCP() }
        let ice = IceConfiguration(transports: transports, servers: options.servers, relayOnly: options.relayOnly, resolvesMDNS: true)
        let configuration = PeerConfiguration(
            ice: ice, videoCodecs: options.codecs,
            bitrate: BitrateLimits(minimum: 100_000, start: max(options.bitrate, 1_000_000), maximum: max(options.bitrate * 4, 4_000_000)),
            clock: NTPClock(unixNanoseconds: MonotonicClock.unixNanoseconds(), at: MonotonicClock.now()),
            unexpectedMediaDirection: .inactive, traces: options.traces)
        let session = try host.makeSession(configuration)
        session.serverTrust = options.serverTrust
        session.onEvent = { [unowned self] event in assumeIsolated { $0.handle(event) } }
        self.session = session
        try addMedia(session)
        try session.with { peer, now in
            for channel in options.channels { channels[try peer.openDataChannel(channel, at: now)] = channel.label }
        }
        ticker = reactor.makeTimer { [unowned self] now in assumeIsolated { $0.tick(at: now) } }
        ticker?.deadline = MonotonicClock.now() + .seconds(1)
        try lines.open(on: reactor) { [unowned self] line in assumeIsolated { $0.carryOut(line) } }
        say("ready")
    }

    private func addMedia(_ session: PeerSession) throws {
        session.with { peer, _ in
            if let direction = options.video { video = peer.addTransceiver(.video, direction: direction, trackID: "video") }
            if let direction = options.audio { audio = peer.addTransceiver(.audio, direction: direction, trackID: "audio") }
        }
        if options.video?.sends == true, let codec = options.codecs.first {
            let feed = PictureFeed(name: "video", width: options.width, height: options.height, rate: options.rate)
            let settings = EncoderThread.Settings(codec: codec, bitrate: options.bitrate, usesLadder: false)
            fanOut = try FanOut(try EncoderThread(feed: feed, settings: settings), reactor: reactor)
            camera = try TestCamera(feed: feed, bitsPerPicture: options.bitrate / options.rate)
        }
        if options.audio?.sends == true { tone = try ToneSource(reactor: reactor) }
    }

    // MARK: Lines in

    private func carryOut(_ line: String) {
        let words = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true).map(String.init)
        guard let command = words.first, let session else { return }
        let rest = words.count > 1 ? words[1] : ""
        do {
            if host?.sessions[session.id] == nil, command != "stats", command != "close" {
                throw BenchError("the peer has \(session.state.rawValue); start another")
            }
            switch command {
            case "create-offer": try offer(restartsICE: false)
            case "restart": try offer(restartsICE: true)
            case "offer": try answer(try description(rest))
            case "answer":
                let answer = try description(rest)
                try session.with { peer, now in try peer.setRemote(answer, .answer, at: now) }
            case "candidate": try add(candidate: rest)
            case "send", "send-bytes", "close-channel": try carryOut(command, onChannel: rest)
            case "key-frame": session.with { peer, _ in if let video { peer.requestKeyFrame(of: video) } }
            case "stats": say("stats " + session.statistics.line)
            case "close": end()
            default: throw BenchError("unknown command `\(command)`; `waldo bench peer --help` lists them")
            }
        } catch {
            say("error \(command): \(oneLine("\(error)"))")
        }
    }

    private func description(_ text: String) throws -> SessionDescription {
        guard let bytes = Base64.decode(text) else { throw BenchError("expected a description in base64") }
        return try SessionDescription(parsing: bytes)
    }

    private func offer(restartsICE: Bool) throws {
        guard let session else { return }
        // The first call begins to gather; where nothing is trickled, the offer that goes out is made when all is there.
        let offer = try session.with { peer, now in try peer.createOffer(restartsICE: restartsICE, at: now) }
        try send(offer, .offer)
    }

    private func answer(_ offer: SessionDescription) throws {
        guard let session else { return }
        let answer = try session.with { peer, now in
            try peer.setRemote(offer, .offer, at: now)
            return try peer.createAnswer(at: now)
        }
        try send(answer, .answer)
    }

    private func send(_ description: SessionDescription, _ kind: DescriptionKind) throws {
        guard let session else { return }
        guard options.trickles || session.gatheringIsComplete else {
            pending = kind
            return
        }
        var description = description
        try session.with { peer, now in
            // Once more: candidates may have come since.
            if !options.trickles { description = try kind == .offer ? peer.createOffer(at: now) : peer.createAnswer(at: now) }
            try peer.setLocal(description, kind, at: now)
        }
        say("\(kind.rawValue) \(Base64.encode(Array(description.description.utf8)))")
    }

    private func gathered() {
        if options.trickles { say("gathered") }
        guard let kind = pending, let session else { return }
        pending = nil
        do {
            let description = try session.with { peer, now in
                try kind == .offer ? peer.createOffer(at: now) : peer.createAnswer(at: now)
            }
            try send(description, kind)
        } catch {
            say("error \(kind.rawValue): \(oneLine("\(error)"))")
        }
    }

    /// The text alone, or as another peer's `candidate` line says it, with the mid in front.
    private func add(candidate line: String) throws {
        let text = line.firstRange(of: "candidate:").map { String(line[$0.lowerBound...]) } ?? ""
        try session?.with { peer, now in try peer.addRemoteCandidate(text, at: now) }
    }

    private func carryOut(_ command: String, onChannel rest: String) throws {
        let parts = rest.split(separator: " ", maxSplits: 1).map(String.init)
        guard let label = parts.first, let id = channels.first(where: { $0.value == label })?.key else {
            throw BenchError("no channel has the label `\(parts.first ?? "")`")
        }
        let argument = parts.count > 1 ? parts[1] : ""
        try session?.with { peer, now in
            switch command {
            case "send": try peer.send(.text(argument), on: id, at: now)
            case "close-channel": peer.closeDataChannel(id, at: now)
            default:
                guard let count = Int(argument), (0...262_144).contains(count) else {
                    throw BenchError("expected a number of bytes up to 262144, got `\(argument)`")
                }
                try peer.send(.binary((0..<count).map { UInt8(truncatingIfNeeded: $0) }), on: id, at: now)
            }
        }
    }

    private func end() {
        if let session { host?.remove(session) }
        camera?.stop()
        fanOut?.stop()
        onEnd()
    }

    // MARK: Events

    private func handle(_ event: PeerEvent) {
        switch event {
        case .stateChanged(let state, let reason): changed(state, reason)
        case .candidate(let candidate, let mid): if options.trickles { say("candidate \(mid) \(candidate)") }
        case .gatheringComplete: gathered()
        case .selectedPair(let pair): say("pair \(pair.local) | \(pair.remote)")
        case .serverFailed(let url, let code, let reason): say("server-failed \(url) \(code) \(oneLine(reason))")
        case .negotiationNeeded: if session?.state == .connected { say("negotiation-needed") }
        case .dataChannel(let event): handle(event)
        case .keyFrameNeeded: fanOut?.requestKeyFrame()
        case .targetBitrate(let bitrate): if let session { fanOut?.setTarget(bitrate, for: session) }
        case .videoFrame(_, let frame): if frames.add(frame) { say(frames.line) }
        case .audio(_, let audio): sound.add(audio)
        case .trace(let line): say("trace \(line)")
        }
    }

    private func changed(_ state: PeerState, _ reason: String?) {
        say("state \(state.rawValue)" + (reason.map { " " + oneLine($0) } ?? ""))
        guard let session else { return }
        switch state {
        case .connected:
            if let fanOut, let video { fanOut.add(session, video) }
            if let tone, let audio { tone.start(session, audio) }
        case .failed, .closed:
            fanOut?.remove(session)
            tone?.stop()
        case .new, .connecting, .disconnected: break
        }
    }

    private func handle(_ event: DataChannelEvent) {
        switch event {
        case .opened(let id, let options):
            channels[id] = options.label
            say("channel open \(options.label)")
        case .closed(let id):
            say("channel closed \(channels.removeValue(forKey: id) ?? "")")
        case .message(let id, let message):
            say("message \(channels[id] ?? "") \(message.line)")
            guard options.echoes else { return }
            do { try session?.with { peer, now in try peer.send(message, on: id, at: now) } } catch {
                say("error echo: \(oneLine("\(error)"))")
            }
        }
    }

    private func tick(at now: Instant) {
        ticker?.deadline = now + .seconds(1)
        if frames.isNews() { say(frames.line) }
        if sound.isNews() { say(sound.line) }
    }
}

/// What a line asked for that cannot be done.
struct BenchError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

private func oneLine(_ text: String) -> String { text.split(whereSeparator: \.isNewline).joined(separator: " ") }

extension PeerSession {
    var gatheringIsComplete: Bool { peer.gatheringIsComplete }
}

extension DataMessage {
    fileprivate var line: String {
        switch self {
        case .text(let text) where text.utf8.count <= 1000 && !text.contains(where: \.isNewline): text
        case .text(let text): "text:\(text.utf8.count)"
        case .binary(let bytes): "bytes:\(bytes.count)"
        }
    }
}
