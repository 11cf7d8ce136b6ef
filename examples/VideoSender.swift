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
        host = try PeerHost(reactor: reactor, environment: try EngineEnvironment(), port: 0)
        let camera = VideoEncoderSettings(width: 1280, height: 720, rate: 30, bitrate: 1_500_000)
        fanOut = try FanOut(try EncoderThread(EncoderThread.Settings(codec: .vp8, video: camera)), reactor: reactor)
        web = try SmallHTTPServer(SocketAddress(IPAddress(0, 0, 0, 0), 8010), reactor: reactor) { [unowned self] request in
            assumeIsolated { $0.answer(request) }
        }
    }

    private func answer(_ request: SmallRequest) -> SmallResponse {
        guard request.method == "POST", request.path == "/whep" else { return SmallResponse(404, "text/plain", "POST an offer to /whep\n") }
        do {
            let (session, answer) = try fanOut.admit(try SessionDescription(parsing: request.body), to: host)
            return SmallResponse(201, "application/sdp", answer.description, headers: [("Location", "/whep/\(session.id)")])
        } catch {
            return SmallResponse(400, "text/plain", "offer: \(error)\n")
        }
    }
}
