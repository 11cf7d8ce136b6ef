// Sends a live picture to every browser that asks over WHEP: encoded once, one UDP port for all.
import Crypto
import HTTP
import Media
import RTC
import Reactor
import Service
import Web
import Wire

@main actor VideoSender {
    nonisolated let reactor: Reactor
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private var host: PeerHost!, camera: TestCamera!, fanOut: FanOut!, web: HTTPServer!

    init() throws { reactor = try Reactor(name: "video-sender") }
    static func main() async throws {
        let sender = try VideoSender()
        try await sender.start()
        print("POST an offer to http://localhost:8010/whep")
        while true { try await Task.sleep(for: .seconds(3600)) }
    }

    func start() throws {
        host = try PeerHost(reactor: reactor, environment: try EngineEnvironment(), port: 0)
        camera = try TestCamera(feed: PictureFeed(name: "test", width: 1280, height: 720, rate: 30))
        let settings = EncoderThread.Settings(codec: .vp8, bitrate: 1_500_000)
        fanOut = try FanOut(try EncoderThread(feed: camera.feed, settings: settings), reactor: reactor)
        let router = Router()
        router.post("/whep", "A viewer's offer") { [unowned self] request in try assumeIsolated { try $0.answer(request) } }
        web = HTTPServer(handler: router, reactor: reactor)
        _ = try web.listen(SocketAddress(IPAddress(0, 0, 0, 0), 8010))
    }

    private func answer(_ request: HTTPRequest) throws -> HTTPResponse {
        guard let offer = try? SessionDescription(parsing: request.body), let (session, answer) = try? fanOut.admit(offer, to: host)
        else { throw HTTPProblem(.badRequest, "bad_offer", "expected an offer that takes VP8") }
        let fields: HTTPFields = ["Content-Type": "application/sdp", "Location": "/whep/\(session.id)"]
        return HTTPResponse(.created, fields: fields, body: .bytes(Array(answer.description.utf8)))
    }
}
