import Crypto
import Media
import RTC
import Reactor
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

        public init() {}
    }

    private nonisolated let reactor: Reactor
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private let options: Options
    private var host: PeerHost?
    private var fanOut: FanOut?
    private var encoder: EncoderThread?
    private var http: SmallHTTPServer?
    private var tcpTransports: [LocalTransport] = []
    private var viewers: [Int: Viewer] = [:]
    /// Who knows a viewer's resource may end and change its session: the names cannot be guessed (RFC 9725 clause 5).
    private var byResource: [String: Int] = [:]
    /// Of peers that have gone: counters never fall.
    private var past = Totals()
    private var echoesRefused = 0

    private struct Viewer {
        var session: PeerSession
        var resource: String
        var transceiver: TransceiverID?
    }

    private struct Totals {
        var packets = 0
        var bytes = 0
        var framesDropped = 0
        var retransmissions = 0

        mutating func add(_ statistics: PeerStatistics) {
            packets += statistics.rtpPacketsSent
            bytes += statistics.mediaBytesSent
            framesDropped += statistics.outboundVideo.map(\.framesDropped).reduce(0, +)
            retransmissions += statistics.outboundVideo.map(\.retransmittedPacketsSent).reduce(0, +)
        }
    }

    public init(_ options: Options) throws {
        self.options = options
        reactor = try Reactor(name: "waldo-reactor")
    }

    /// Begins to serve; answers the port of the page.
    public func start() throws -> UInt16 {
        let video = VideoEncoderSettings(width: options.width, height: options.height, rate: options.rate, bitrate: options.bitrate)
        let encoder = try EncoderThread(EncoderThread.Settings(codec: options.codec, video: video, replays: options.replays))
        let environment = try EngineEnvironment(unixTime: MonotonicClock.unixNanoseconds() / 1_000_000_000)
        let host = try PeerHost(
            reactor: reactor, environment: environment, port: options.mediaPort, advertised: options.advertised)
        tcpTransports = try host.listenTCP()
        fanOut = try FanOut(encoder, reactor: reactor)
        self.encoder = encoder
        self.host = host
        http = try SmallHTTPServer(SocketAddress(options.bind, options.port), reactor: reactor) { [unowned self] request in
            assumeIsolated { $0.handle(request) }
        }
        return http?.address?.port ?? options.port
    }

    /// Says goodbye to every peer.
    public func stop() {
        encoder?.stop()
        for viewer in viewers.values { host?.remove(viewer.session) }
    }

    // MARK: HTTP

    private func handle(_ request: SmallRequest) -> SmallResponse {
        switch (request.method, request.path) {
        case ("GET", "/"), ("HEAD", "/"): return SmallResponse(200, "text/html; charset=utf-8", sourcePage)
        case ("GET", "/metrics"): return SmallResponse(200, "text/plain; version=0.0.4", metrics)
        case ("POST", "/whep"): return offer(request)
        case ("OPTIONS", _):
            return SmallResponse(
                204,
                headers: [
                    ("Access-Control-Allow-Methods", "GET, POST, PATCH, DELETE, OPTIONS"),
                    ("Access-Control-Allow-Headers", "Content-Type, If-Match"), ("Accept-Post", "application/sdp"),
                ])
        case ("DELETE", let path), ("PATCH", let path):
            guard let id = byResource[path], let viewer = viewers[id] else {
                return SmallResponse(404, "text/plain", "no such session; it has ended or never was\n")
            }
            return request.method == "DELETE" ? end(viewer) : change(viewer, request)
        case (_, "/"), (_, "/metrics"), (_, "/whep"):
            return SmallResponse(405, headers: [("Allow", request.path == "/whep" ? "POST, OPTIONS" : "GET, OPTIONS")])
        default: return SmallResponse(404, "text/plain", "expected /, /metrics or /whep\n")
        }
    }

    // MARK: WHEP

    private func offer(_ request: SmallRequest) -> SmallResponse {
        guard request.headers["content-type"]?.hasPrefix("application/sdp") == true else {
            return SmallResponse(415, "text/plain", "expected Content-Type: application/sdp\n")
        }
        guard let host else { return SmallResponse(503) }
        let description: SessionDescription
        do throws(SDPError) { description = try SessionDescription(parsing: request.body) } catch {
            return SmallResponse(400, "text/plain", "offer: \(error)\n")
        }
        var ice = IceConfiguration(mode: .lite, transports: host.transports + tcpTransports)
        ice.resolvesMDNS = false
        // Who asks and never comes holds a place for this long.
        ice.patience = .seconds(15)
        let configuration = PeerConfiguration(
            ice: ice, videoCodecs: [options.codec],
            bitrate: BitrateLimits(minimum: 100_000, start: max(options.bitrate, 1_000_000), maximum: max(options.bitrate * 4, 4_000_000)),
            clock: NTPClock(unixNanoseconds: MonotonicClock.unixNanoseconds(), at: MonotonicClock.now()), answersPassive: true)
        let session: PeerSession
        do throws(PeerHostError) { session = try host.makeSession(configuration) } catch {
            return SmallResponse(503, "text/plain", "\(error)\n")
        }
        do throws(NegotiationError) {
            let answer = try accept(description, session)
            if answer.media.allSatisfy(\.isRejected) {
                host.remove(session)
                return SmallResponse(422, "text/plain", refusal(of: description) + "\n")
            }
            return SmallResponse(
                201, "application/sdp", answer.description, headers: [("Location", viewers[session.id]?.resource ?? "/whep")])
        } catch {
            host.remove(session)
            return SmallResponse(400, "text/plain", "offer: \(error)\n")
        }
    }

    private func accept(_ offer: SessionDescription, _ session: PeerSession) throws(NegotiationError) -> SessionDescription {
        let wantsVideo = offer.media.contains { $0.kind == .video && !$0.isRejected }
        var transceiver: TransceiverID?
        if wantsVideo {
            transceiver = session.with { peer, _ in peer.addTransceiver(.video, direction: .sendonly, streamID: "source", trackID: "video")
            }
        }
        let resource = "/whep/" + Hex.encode((0..<16).map { _ in UInt8.random(in: .min ... .max) })
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

    private func end(_ viewer: Viewer) -> SmallResponse {
        host?.remove(viewer.session)
        return SmallResponse(200)
    }

    /// Trickled candidates need no answer: peers reach us, not we them. A whole new offer is a renegotiation or an ICE restart.
    private func change(_ viewer: Viewer, _ request: SmallRequest) -> SmallResponse {
        let type = request.headers["content-type"] ?? ""
        if type.hasPrefix("application/trickle-ice-sdpfrag") { return SmallResponse(204) }
        guard type.hasPrefix("application/sdp") else {
            return SmallResponse(415, "text/plain", "expected Content-Type: application/trickle-ice-sdpfrag or application/sdp\n")
        }
        do {
            let offer = try SessionDescription(parsing: request.body)
            let answer = try viewer.session.answer(offer)
            return SmallResponse(200, "application/sdp", answer.description)
        } catch {
            return SmallResponse(400, "text/plain", "offer: \(error)\n")
        }
    }

    // MARK: Peers

    private func handle(_ event: PeerEvent, of id: Int) {
        guard let viewer = viewers[id] else { return }
        let session = viewer.session
        if let transceiver = viewer.transceiver { fanOut?.follow(event, of: session, on: transceiver) }
        switch event {
        case .stateChanged(.failed, _), .stateChanged(.closed, _): forget(session)
        case .dataChannel(.message(let channel, let message)):
            session.with { peer, now in
                // A full buffer, or a channel that is closing, refuses the echo: whoever floods measures the loss, and the counter tells.
                do throws(DataChannelError) { try peer.send(message, on: channel, at: now) } catch { echoesRefused += 1 }
            }
        default: break
        }
    }

    private func forget(_ session: PeerSession) {
        fanOut?.remove(session)
        if let viewer = viewers.removeValue(forKey: session.id) { byResource[viewer.resource] = nil }
        past.add(session.statistics)
    }

    // MARK: Figures

    private var metrics: String {
        let all = viewers.values.map(\.session.statistics)
        let socket = host?.socketStatistics ?? (calls: 0, dropped: 0, offload: "none")
        let encoded = encoder?.statistics ?? (frames: 0, seconds: 0)
        var totals = past
        for statistics in all { totals.add(statistics) }
        var text = MetricsText()
        text.counter("waldo_rtp_packets_sent_total", "RTP packets sent to all peers", totals.packets)
        text.counter("waldo_media_bytes_sent_total", "SRTP and SRTCP bytes sent", totals.bytes)
        text.gauge("waldo_peers_connected", "Peers whose DTLS handshake is done", all.count { $0.state == .connected })
        text.gauge("waldo_peers", "Peers known", all.count)
        text.gauge("waldo_viewers", "Peers that the video goes to", fanOut?.viewerCount ?? 0)
        text.counter("waldo_frames_encoded_total", "Pictures encoded", encoded.frames)
        text.counter("waldo_encode_seconds_total", "Time spent encoding", encoded.seconds)
        text.counter("waldo_key_frames_total", "Key frames sent out", fanOut?.keyFrames ?? 0)
        text.counter("waldo_frames_dropped_total", "Frames that slow peers were spared", totals.framesDropped)
        text.counter("waldo_retransmitted_packets_total", "RTP packets sent again", totals.retransmissions)
        text.counter("waldo_udp_send_calls_total", "System calls for sending", socket.calls)
        text.counter("waldo_udp_dropped_total", "Datagrams that the kernel did not take", socket.dropped)
        text.counter("waldo_echoes_refused_total", "Messages that could not be sent back", echoesRefused)
        text.counter("waldo_datagrams_of_strangers_total", "Datagrams that belong to no peer", host?.strangers ?? 0)
        return text.text
    }
}

/// Prometheus text exposition, format 0.0.4.
struct MetricsText {
    private(set) var text = ""

    mutating func counter(_ name: String, _ help: String, _ value: some Numeric) { write(name, help, "counter", value) }
    mutating func gauge(_ name: String, _ help: String, _ value: some Numeric) { write(name, help, "gauge", value) }

    private mutating func write(_ name: String, _ help: String, _ type: String, _ value: some Numeric) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n\(name) \(value)\n"
    }
}
