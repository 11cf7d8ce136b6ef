import Crypto
import HTTP
import Media
import RTC
import Reactor
import Robot
import Teleop
import Web
import Wire

/// Robots, their media and their people behind one web server and one media port. Lives on the reactor.
final class StationServer {
    private let reactor: Reactor
    let options: StationOptions
    private(set) var robots: [String: RobotHost] = [:]
    /// In the order in which they were given: the first is the one of `/snapshot.jpg` and `/video_feed`.
    private(set) var order: [String] = []
    private(set) var pictures: [String: PictureServer] = [:]
    private(set) var host: PeerHost?
    private var http: HTTPServer?
    private var tcpTransports: [LocalTransport] = []
    let metrics = MetricsRegistry()
    private var figures: StationFigures?
    let began = MonotonicClock.now()
    /// Whoever knows a session's name may change and end it: it cannot be guessed (RFC 9725 clause 5).
    private var byResource: [String: DriveSession] = [:]
    /// A certificate that this station made for itself: what browsers are to show, `AB:CD:…`.
    private(set) var fingerprint: String?
    private var recorder: StationRecorder?
    private var feed: SessionFeed?
    private var monitor: MonitorProgram?
    private var offers = OpenOffers()
    private let offerFigures: MetricFamily<Counter>
    private var isEnding = false

    init(_ options: StationOptions, reactor: Reactor) {
        self.options = options
        self.reactor = reactor
        offerFigures = metrics.counters("waldo_offers_total", "Offers by what became of them", labels: ["outcome"])
        metrics.gauge("waldo_offers_open", "Offers that were answered and whose senders have not connected yet") { [unowned self] in
            Double(offers.count)
        }
    }

    // MARK: Life

    /// Begins to serve these robots; answers the port of the console.
    func start(_ units: [RobotUnit]) throws -> UInt16 {
        guard let console = StaticFiles(root: options.console), console.has(["index.html"]) else {
            throw StationError.noConsole(options.console)
        }
        let environment = try EngineEnvironment(unixTime: MonotonicClock.unixNanoseconds() / 1_000_000_000)
        let host = try PeerHost(
            reactor: reactor, environment: environment, port: options.mediaPort, advertised: options.advertised)
        tcpTransports = try host.listenTCP()
        self.host = host
        figures = StationFigures(metrics, host)
        for unit in units { try add(unit) }
        let port = try listen(console)
        feed = SessionFeed(namespace: options.usageNamespace, reactor: reactor, log: options.log) { [unowned self] in
            robots.values.flatMap { robot in robot.sessions.compactMap(\.usage) }
        }
        startMonitor()
        return port
    }

    private func startMonitor() {
        guard let program = options.monitorProgram, let port = options.monitorPort else { return }
        let log = options.log.with(subject: "monitor")
        do throws(SystemError) {
            monitor = try MonitorProgram(program, port: port, namespace: options.usageNamespace, reactor: reactor, log: log)
        } catch {
            log.warning(
                "the usage monitor cannot be started; scripts/build waldo-monitor builds it, and it has to stand beside waldo",
                ["reason": LogValue(error)])
        }
    }

    private func add(_ unit: RobotUnit) throws {
        let robot = try RobotHost(
            unit, profile: options.profile, bitrate: options.bitrate, encoders: options.encoders, reactor: reactor,
            log: options.log.with(subject: unit.id))
        robots[unit.id] = robot
        order.append(unit.id)
        for feed in unit.cameras {
            pictures["\(unit.id)/\(feed.name)"] = try PictureServer(feed, reactor: reactor, log: options.log.with(subject: unit.id))
        }
        figures?.watch(robot)
        if recorder == nil, let path = options.recording {
            recorder = try StationRecorder(robot, path: path, limit: options.recordingLimit, log: options.log.with(subject: "recorder"))
            figures?.watch(recorder!)
        }
    }

    private func listen(_ console: StaticFiles) throws -> UInt16 {
        let usage = try UsageProxy(port: options.monitorPort, namespace: options.usageNamespace, reactor: reactor)
        let server = HTTPServer(handler: router(console, usage), reactor: reactor)
        server.metrics = HTTPServerMetrics(metrics)
        if options.logsRequests { server.accessLog = options.log.with(subject: "web") }
        http = server
        let tls = try options.tls.map { try TLSService($0, bind: options.bind) }
        fingerprint = tls?.fingerprint
        var security: HTTPServer.Security?
        if let tls { security = tls.server.makeStream }
        var port = options.port
        for address in options.bind { port = try server.listen(SocketAddress(address, port), security: security).port }
        return port
    }

    /// The robots stop first; then everybody is told. `then`: the monitor that was started has ended, too.
    func stop(then: @escaping () -> Void) {
        guard !isEnding else { return then() }
        isEnding = true
        for robot in robots.values { robot.shutDown() }
        recorder?.finish()
        for picture in pictures.values { picture.stop() }
        for session in byResource.values { host?.remove(session.peer) }
        feed = nil
        if let monitor { monitor.stop(then: then) } else { then() }
    }

    // MARK: Sessions

    /// What came of an offer.
    struct Admission {
        var answer: SessionDescription
        /// Of the session's URL.
        var resource: String
        var session: DriveSession
    }

    /// Answers the offer of somebody who wants to see and perhaps drive a robot (WHEP, RFC 9725 draft; the signalling socket).
    func admit(
        _ offer: SessionDescription, to robot: RobotHost, camera: String?, by request: HTTPRequest
    ) throws(HTTPProblem) -> Admission {
        guard let host, !isEnding else { throw HTTPProblem(.serviceUnavailable, "not_ready", "the station is starting or ending") }
        let source = try self.source(of: robot, camera)
        try makeRoom(for: robot, request.client.address)
        let peer: PeerSession
        do throws(PeerHostError) { peer = try host.makeSession(configuration(host)) } catch {
            throw HTTPProblem(.serviceUnavailable, "no_room", "\(error)")
        }
        guard let id = robot.with({ control, _ in control.join(name: "", rights: StationAccess.rights(of: request.user)) }) else {
            host.remove(peer)
            throw Self.noRoom
        }
        let session = DriveSession(id, peer: peer, robot: robot, camera: source)
        robot.add(session)
        let resource = Hex.encode((0..<16).map { _ in UInt8.random(in: .min ... .max) })
        byResource[resource] = session
        offers.add(peer.id, to: robot.id, from: request.client.address, at: MonotonicClock.now())
        session.onConnected = { [unowned self] in offers.remove(peer.id) }
        session.onEnd = { [unowned self] in
            offers.remove(peer.id)
            byResource[resource] = nil
        }
        do {
            let answer = try session.answer(offer)
            guard !answer.media.allSatisfy(\.isRejected) else {
                throw HTTPProblem(
                    .unprocessableContent, "nothing_accepted",
                    "offer: expected video (H.264 or VP8), sound (Opus) or data channels, got nothing of it")
            }
            offerFigures.member("answered").add()
            return Admission(answer: answer, resource: resource, session: session)
        } catch {
            host.remove(peer)
            throw error as? HTTPProblem ?? Self.badOffer("\(error)")
        }
    }

    /// Whoever offers and never comes must not keep out who does.
    private func makeRoom(for robot: RobotHost, _ address: IPAddress) throws(HTTPProblem) {
        let isFull = robot.control.sessions.count >= RobotControl.maximumSessions
        switch offers.decide(for: robot.id, from: address, isFull: isFull, at: MonotonicClock.now()) {
        case .take: break
        case .takeInPlaceOf(let number):
            offerFigures.member("gave_way").add()
            if let session = byResource.values.first(where: { $0.peer.id == number }) { end(session) }
        case .refuse(let seconds):
            offerFigures.member("refused").add()
            let why =
                isFull
                ? "the robot's places are taken by offers whose senders have not connected yet"
                : "\(OpenOffers.mostOfAddress) offers from \(address) wait for their senders to connect"
            throw HTTPProblem(
                .tooManyRequests, "too_many_offers", "\(why); try again in \(seconds) s", fields: ["Retry-After": String(seconds)])
        case .full:
            offerFigures.member("refused").add()
            throw Self.noRoom
        }
    }

    private static var noRoom: HTTPProblem {
        HTTPProblem(.serviceUnavailable, "no_room", "the robot has as many clients as it takes; try again when others have gone")
    }

    /// The ICE servers as one client is told them.
    func iceServers() -> [IceServerList.Entry] {
        guard let host, !options.iceServers.isEmpty else { return [] }
        return options.iceServers.entries(
            unixSeconds: MonotonicClock.unixSeconds(), number: .random(in: .min ... .max), host.environment.digests)
    }

    static func badOffer(_ reason: String) -> HTTPProblem { HTTPProblem(.badRequest, "bad_offer", "offer: \(reason)") }

    private func source(of robot: RobotHost, _ camera: String?) throws(HTTPProblem) -> VideoSource? {
        guard let name = camera ?? robot.unit.cameras.first?.name else { return nil }
        guard let source = robot.video[name] else {
            let names = robot.unit.cameras.map(\.name).joined(separator: ", ")
            throw HTTPProblem(.notFound, "no_camera", "camera: expected one of \(names), got \(name)")
        }
        return source
    }

    private func configuration(_ host: PeerHost) -> PeerConfiguration {
        var ice = IceConfiguration(mode: .lite, transports: host.transports + tcpTransports)
        ice.resolvesMDNS = false
        // Who asks and never comes holds a place for this long.
        ice.patience = .seconds(15)
        return PeerConfiguration(
            ice: ice, videoCodecs: options.encoders.codecs,
            bitrate: BitrateLimits(minimum: 100_000, start: max(options.bitrate, 1_000_000), maximum: max(options.bitrate * 4, 4_000_000)),
            clock: NTPClock(unixNanoseconds: MonotonicClock.unixNanoseconds(), at: MonotonicClock.now()), answersPassive: true)
    }

    /// The one that the request's URL names.
    func session(_ request: HTTPRequest) throws(HTTPProblem) -> DriveSession {
        let robot = try robot(request.parameters["robot"])
        guard let resource = request.parameters["session"], let session = byResource[resource], session.robot === robot else {
            throw HTTPProblem(.notFound, "no_session", "no such session of \(robot.id); it has ended or never was")
        }
        return session
    }

    func end(_ session: DriveSession) { host?.remove(session.peer) }
}

/// Why a station cannot begin.
public enum StationError: Error, Sendable, Hashable, CustomStringConvertible {
    case noConsole(String)

    public var description: String {
        switch self {
        case .noConsole(let path):
            "the console is not at \(path): expected a folder with an index.html, as `console` of the project; name it with --console"
        }
    }
}
