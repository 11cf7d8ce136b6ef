// Sends a live picture to every browser that asks over WHEP: encoded once, one UDP port for all.
import Media
import RTC
import Reactor
import Service
import Wire

@main actor VideoSender {
    nonisolated let reactor: Reactor
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private var host: PeerHost!, fanOut: FanOut!, web: SmallHTTPServer!

    init() throws { reactor = try Reactor(name: "video-sender") }

    static func main() async throws {
        let sender = try VideoSender()
        try await sender.start()
        print("POST an offer to http://localhost:8010/whep")
        while true { try await Task.sleep(for: .seconds(3600)) }
    }

    func start() throws {
        host = try PeerHost(reactor: reactor, environment: try EngineEnvironment(unixTime: MonotonicClock.unixSeconds()), port: 0)
        let camera = VideoEncoderSettings(width: 1280, height: 720, rate: 30, bitrate: 1_500_000)
        fanOut = try FanOut(try EncoderThread(EncoderThread.Settings(codec: .vp8, video: camera)), reactor: reactor)
        web = try SmallHTTPServer(SocketAddress(IPAddress(0, 0, 0, 0), 8010), reactor: reactor) { [unowned self] request in
            assumeIsolated { $0.answer(request) }
        }
    }

    private func answer(_ request: SmallRequest) -> SmallResponse {
        let ice = IceConfiguration(mode: .lite, transports: host.transports)
        guard request.method == "POST", request.path == "/whep",
            let session = try? host.makeSession(PeerConfiguration(ice: ice, videoCodecs: [.vp8]))
        else {
            return SmallResponse(404, "text/plain", "POST an offer to /whep\n")
        }
        let fanOut = fanOut!
        let track = session.with { peer, _ in peer.addTransceiver(.video, direction: .sendonly) }
        session.onEvent = { [unowned session] event in
            if case .stateChanged(.connected, _) = event { fanOut.add(session, track) }
            if case .stateChanged(.failed, _) = event { fanOut.remove(session) }
            if case .stateChanged(.closed, _) = event { fanOut.remove(session) }
            if case .keyFrameNeeded = event { fanOut.requestKeyFrame() }
        }
        do {
            let answer = try session.answer(try SessionDescription(parsing: request.body))
            return SmallResponse(201, "application/sdp", answer.description, headers: [("Location", "/whep/\(session.id)")])
        } catch {
            return SmallResponse(400, "text/plain", "offer: \(error)\n")
        }
    }
}
