import Crypto
import HTTP
import Media
import RTC
import Reactor
import Web
import Wire

/// `waldo bench source`: a live synthetic video, encoded once for all, served by WHEP; an echo on every data channel.
public actor SourceServer {
    public struct Options: Sendable {
        public var port: UInt16 = 8000
        public var bind = IPAddress(0, 0, 0, 0)
        public var codec = CodecKind.h264
        public var width = 1280
        public var height = 720
        /// Frames a second.
        public var rate = 30
        /// bit/s.
        public var bitrate = 1_500_000
        /// Two seconds, encoded once, again and again.
        public var replays = false
        /// UDP and ICE-TCP port for all peers; 0: the kernel chooses.
        public var mediaPort: UInt16 = 0
        /// Put into candidates instead of this machine's own addresses.
        public var advertised: [IPAddress] = []
        public var log = Logger("source")
        /// A line for each HTTP request.
        public var logsRequests = false

        public init() {}
    }

    private nonisolated let reactor: Reactor
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private let options: Options
    private var host: PeerHost?
    private var fanOut: FanOut?
    private var camera: TestCamera?
    private var encoder: EncoderThread?
    private var http: HTTPServer?
    private let metrics = MetricsRegistry()
    private var figures: SourceFigures?
    private var tcpTransports: [LocalTransport] = []
    private var viewers: [Int: Viewer] = [:]
    /// Who knows a viewer's resource may end and change its session: the names cannot be guessed (RFC 9725 clause 5).
    private var byResource: [String: Int] = [:]
    /// Bytes.
    private static let longestOffer = 262_144

    private struct Viewer {
        var session: PeerSession
        var resource: String
        var transceiver: TransceiverID?
    }

    public init(_ options: Options) throws {
        self.options = options
        reactor = try Reactor(name: "waldo-reactor", keepsTime: true)
    }

    /// Begins to serve; answers the port of the page.
    public func start() throws -> UInt16 {
        let encoder = try makeEncoder()
        let environment = try EngineEnvironment(unixTime: MonotonicClock.unixNanoseconds() / 1_000_000_000)
        let host = try PeerHost(
            reactor: reactor, environment: environment, port: options.mediaPort, advertised: options.advertised)
        tcpTransports = try host.listenTCP()
        fanOut = try FanOut(encoder, reactor: reactor)
        self.encoder = encoder
        self.host = host
        figures = SourceFigures(metrics)
        let look: () -> Void = { [unowned self] in assumeIsolated { source in source.figures?.moment = source.look() } }
        metrics.beforeReading(look)
        let server = HTTPServer(handler: router(), reactor: reactor)
        server.metrics = HTTPServerMetrics(metrics)
        if options.logsRequests { server.accessLog = options.log.with(subject: "web") }
        http = server
        return try server.listen(SocketAddress(options.bind, options.port)).port
    }

    private func makeEncoder() throws -> EncoderThread {
        // The time code is only read at the full size.
        let settings = EncoderThread.Settings(
            codec: options.codec, bitrate: options.bitrate, usesLadder: false, replays: options.replays)
        let feed = PictureFeed(name: "source", width: options.width, height: options.height, rate: options.rate)
        if !options.replays { camera = try TestCamera(feed: feed, bitsPerPicture: options.bitrate / options.rate) }
        return try EncoderThread(feed: feed, settings: settings)
    }

    /// Says goodbye to every peer.
    public func stop() {
        camera?.stop()
        fanOut?.stop()
        for viewer in viewers.values { host?.remove(viewer.session) }
    }

    // MARK: HTTP

    private func router() -> Router {
        var common = RouterOptions()
        common.title = "Waldo's test source"
        (common.allowedOrigins, common.exposedFields, common.log) = (["*"], ["Location"], options.log.with(subject: "web"))
        // The page is one file, and its icon is empty.
        common.contentSecurityPolicy =
            "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
        let router = Router(common)
        router.get("/", "A page that plays the picture") { _ in .text(sourcePage, type: "text/html; charset=utf-8") }
        add(.post, "/whep", "A viewer's offer; the answer and, as Location, the session", "application/sdp", to: router) {
            try $0.offer($1)
        }
        add(.patch, "/whep/{id}", "Candidates, or a new offer", "application/trickle-ice-sdpfrag, application/sdp", to: router) {
            try $0.change(try $0.viewer(of: $1), $1)
        }
        add(.delete, "/whep/{id}", "The viewer's end", nil, to: router) { $0.end(try $0.viewer(of: $1)) }
        router.addMetrics(metrics)
        return router
    }

    private func add(
        _ method: HTTPMethod, _ path: String, _ summary: String, _ bodyType: String?, to router: Router,
        _ handle: @escaping @Sendable (isolated SourceServer, HTTPRequest) throws -> HTTPResponse
    ) {
        var route = Route(
            method, path, summary,
            handler: .value { [unowned self] request in try assumeIsolated { source in try handle(source, request) } })
        (route.bodyType, route.bodyLimit, route.tag) = (bodyType, Self.longestOffer, "whep")
        router.add(route)
    }

    private func viewer(of request: HTTPRequest) throws(HTTPProblem) -> Viewer {
        guard let id = byResource[request.parameters["id"] ?? ""], let viewer = viewers[id] else {
            throw HTTPProblem(.notFound, "no_session", "no such session; it has ended or never was")
        }
        return viewer
    }

    // MARK: WHEP

    private func offer(_ request: HTTPRequest) throws(HTTPProblem) -> HTTPResponse {
        guard request.fields["Content-Type"]?.hasPrefix("application/sdp") == true else {
            throw HTTPProblem(.unsupportedMediaType, "content_type", "expected Content-Type: application/sdp")
        }
        guard let host else { throw HTTPProblem(.serviceUnavailable, "not_ready", "the source is starting or ending") }
        let description: SessionDescription
        do throws(SDPError) { description = try SessionDescription(parsing: request.body) } catch { throw Self.badOffer("\(error)") }
        let session: PeerSession
        do throws(PeerHostError) { session = try host.makeSession(configuration(host)) } catch {
            throw HTTPProblem(.serviceUnavailable, "no_room", "\(error)")
        }
        let answer: SessionDescription
        do throws(NegotiationError) { answer = try accept(description, session) } catch {
            host.remove(session)
            throw Self.badOffer("\(error)")
        }
        guard let resource = viewers[session.id]?.resource, !answer.media.allSatisfy(\.isRejected) else {
            host.remove(session)
            throw HTTPProblem(.unprocessableContent, "nothing_accepted", refusal(of: description))
        }
        let fields: HTTPFields = ["Content-Type": "application/sdp", "Location": "/whep/" + resource]
        return HTTPResponse(.created, fields: fields, body: .bytes(Array(answer.description.utf8)))
    }

    private static func badOffer(_ reason: String) -> HTTPProblem { HTTPProblem(.badRequest, "bad_offer", "offer: \(reason)") }

    private func configuration(_ host: PeerHost) -> PeerConfiguration {
        var ice = IceConfiguration(mode: .lite, transports: host.transports + tcpTransports)
        ice.resolvesMDNS = false
        // Who asks and never comes holds a place for this long.
        ice.patience = .seconds(15)
        return PeerConfiguration(
            ice: ice, videoCodecs: [options.codec],
            bitrate: BitrateLimits(minimum: 100_000, start: max(options.bitrate, 1_000_000), maximum: max(options.bitrate * 4, 4_000_000)),
            clock: NTPClock(unixNanoseconds: MonotonicClock.unixNanoseconds(), at: MonotonicClock.now()), answersPassive: true)
    }

    private func accept(_ offer: SessionDescription, _ session: PeerSession) throws(NegotiationError) -> SessionDescription {
        let wantsVideo = offer.media.contains { $0.kind == .video && !$0.isRejected }
        var transceiver: TransceiverID?
        if wantsVideo {
            transceiver = session.with { peer, _ in peer.addTransceiver(.video, direction: .sendonly, streamID: "source", trackID: "video")
            }
        }
        let resource = Hex.encode((0..<16).map { _ in UInt8.random(in: .min ... .max) })
        byResource[resource] = session.id
        viewers[session.id] = Viewer(session: session, resource: resource, transceiver: transceiver)
        let id = session.id
        session.onEvent = { [unowned self] event in assumeIsolated { $0.handle(event, of: id) } }
        return try session.answer(offer)
    }

    /// Why nothing of an offer could be accepted.
    private func refusal(of offer: SessionDescription) -> String {
        guard offer.media.contains(where: { $0.kind == .video && !$0.isRejected }) else {
            return "offer: expected a video section or data channels, got neither"
        }
        let other = options.codec == .h264 ? CodecKind.vp8 : .h264
        return "offer: this source sends \(options.codec.name) only, which the offer does not take; "
            + "start the source with --codec \(other.rawValue)"
    }

    private func end(_ viewer: Viewer) -> HTTPResponse {
        host?.remove(viewer.session)
        return HTTPResponse(.ok)
    }

    /// Trickled candidates need no answer: peers reach us, not we them. A whole new offer is a renegotiation or an ICE restart.
    private func change(_ viewer: Viewer, _ request: HTTPRequest) throws(HTTPProblem) -> HTTPResponse {
        let type = request.fields["Content-Type"] ?? ""
        if type.hasPrefix("application/trickle-ice-sdpfrag") { return HTTPResponse(.noContent) }
        guard type.hasPrefix("application/sdp") else {
            throw HTTPProblem(
                .unsupportedMediaType, "content_type", "expected Content-Type: application/trickle-ice-sdpfrag or application/sdp")
        }
        do {
            let offer = try SessionDescription(parsing: request.body)
            return .text(try viewer.session.answer(offer).description, type: "application/sdp")
        } catch { throw Self.badOffer("\(error)") }
    }

    // MARK: Peers

    private func handle(_ event: PeerEvent, of id: Int) {
        guard let viewer = viewers[id] else { return }
        let session = viewer.session
        tell(event, of: session)
        if let transceiver = viewer.transceiver { fanOut?.follow(event, of: session, on: transceiver) }
        switch event {
        case .stateChanged(.failed, _), .stateChanged(.closed, _): forget(session)
        case .dataChannel(.message(let channel, let message)):
            session.with { peer, now in
                // A full buffer, or a channel that is closing, refuses the echo: whoever floods measures the loss, and the counter tells.
                do throws(DataChannelError) { try peer.send(message, on: channel, at: now) } catch { figures?.echoesRefused.add() }
            }
        default: break
        }
    }

    private func tell(_ event: PeerEvent, of session: PeerSession) {
        guard case .stateChanged(let state, let reason) = event else { return }
        let log = options.log.with(connection: UInt64(session.id))
        switch state {
        case .connected: log.info("a viewer is connected", ["address": session.selectedAddress.map { .endpoint($0) }])
        case .failed, .closed: log.info("a viewer is gone", ["state": .text(state.rawValue), "reason": reason.map { .text($0) }])
        default: log.debug("a viewer's state", ["state": .text(state.rawValue)])
        }
    }

    private func forget(_ session: PeerSession) {
        fanOut?.remove(session)
        if let viewer = viewers.removeValue(forKey: session.id) { byResource[viewer.resource] = nil }
        figures?.past.add(session.statistics)
    }

    // MARK: Figures

    private func look() -> SourceFigures.Moment {
        let all = viewers.values.map(\.session.statistics)
        var moment = SourceFigures.Moment()
        moment.totals = figures?.past ?? SourceFigures.Totals()
        for statistics in all { moment.totals.add(statistics) }
        (moment.peers, moment.connected) = (all.count, all.count { $0.state == .connected })
        (moment.viewers, moment.keyFrames) = (fanOut?.viewerCount ?? 0, fanOut?.keyFrames ?? 0)
        if let encoder { moment.encoded = (encoder.statistics.frames, encoder.statistics.seconds) }
        if let host { (moment.socket, moment.strangers) = (host.socketStatistics, host.strangers) }
        return moment
    }
}
