import Crypto
import HTTP
import RTC
import Reactor
import Web
import Wire

/// `waldo bench viewers`: many WHEP viewers in one process, which receive and put together the video but do not decode it.
public actor ViewerLoad {
    public struct Summary: Sendable {
        public var viewers = 0
        public var connected = 0
        /// Milliseconds from the answer to the end of the DTLS handshake, one a viewer.
        public var connectMilliseconds: [Double] = []
        /// Milliseconds from the answer to the first whole picture, one a viewer.
        public var firstPictureMilliseconds: [Double] = []
        public var packets = 0
        public var lost = 0
        public var frames = 0
        public var keyFrames = 0
        public var freezes = 0
    }

    public struct Options: Sendable {
        /// Where they receive, each on a port of its own.
        public var address = IPAddress(127, 0, 0, 1)
        /// Take the video.
        public var video = true
        /// Open a data channel.
        public var channel = false

        public init() {}
    }

    private struct Viewer {
        var host: PeerHost
        var session: PeerSession
        var answered: Instant?
        var connected: Instant?
        var firstPicture: Instant?
        var location: String?
    }

    private nonisolated let reactor: Reactor
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private let options: Options
    private var viewers: [Viewer] = []
    private var environment: EngineEnvironment?

    public init(_ options: Options = Options()) throws {
        self.options = options
        reactor = try Reactor(name: "waldo-viewers")
    }

    /// Adds viewers one after another.
    public func connect(_ count: Int, to url: String) async throws {
        let client = try HTTPClient(reactor: reactor, trust: .system)
        for _ in 0..<count {
            let (index, offer) = try makeOffer()
            let request = try HTTPClientRequest(.post, url, fields: ["Content-Type": "application/sdp"], body: Array(offer.utf8))
            let answer = try await patiently(client, request)
            guard answer.status == .created else { throw Refusal(description: "\(url) answered \(answer.status): \(answer.text)") }
            try apply(answer.body, location: answer.fields["location"], to: index)
        }
    }

    /// A station takes few offers at a time whose senders have not connected: comes back as often as it says so, at most 30 times.
    private func patiently(_ client: HTTPClient, _ request: HTTPClientRequest) async throws -> HTTPClientResponse {
        for _ in 0..<30 {
            let answer = try await client.send(request)
            guard answer.status == .tooManyRequests, let seconds = answer.fields["retry-after"].flatMap({ UInt64($0) }) else {
                return answer
            }
            try await Task.sleep(nanoseconds: min(seconds, 10) * 1_000_000_000)
        }
        return try await client.send(request)
    }

    private struct Refusal: Error, CustomStringConvertible {
        var description: String
    }

    private func makeOffer() throws -> (Int, String) {
        let environment = try environment ?? EngineEnvironment(unixTime: MonotonicClock.unixNanoseconds() / 1_000_000_000)
        self.environment = environment
        // A port each: to one server the viewers must differ in their addresses.
        let host = try PeerHost(reactor: reactor, environment: environment, port: 0, addresses: [options.address])
        let configuration = PeerConfiguration(ice: IceConfiguration(transports: host.transports))
        let session = try host.makeSession(configuration)
        let index = viewers.count
        viewers.append(Viewer(host: host, session: session))
        session.onEvent = { [unowned self] event in assumeIsolated { $0.handle(event, of: index) } }
        let offer = try session.with { peer, now in
            if options.video { _ = peer.addTransceiver(.video, direction: .recvonly) }
            if options.channel { _ = try peer.openDataChannel(DataChannelOptions(label: "bench"), at: now) }
            let offer = try peer.createOffer(at: now)
            try peer.setLocal(offer, .offer, at: now)
            return offer
        }
        return (index, offer.description)
    }

    private func apply(_ answer: [UInt8], location: String?, to index: Int) throws {
        let description = try SessionDescription(parsing: answer)
        viewers[index].answered = MonotonicClock.now()
        viewers[index].location = location
        try viewers[index].session.with { peer, now in try peer.setRemote(description, .answer, at: now) }
    }

    private func handle(_ event: PeerEvent, of index: Int) {
        switch event {
        case .stateChanged(.connected, _): viewers[index].connected = viewers[index].connected ?? MonotonicClock.now()
        case .videoFrame: viewers[index].firstPicture = viewers[index].firstPicture ?? MonotonicClock.now()
        default: break
        }
    }

    public func summary() -> Summary {
        var summary = Summary()
        for viewer in viewers {
            summary.viewers += 1
            if viewer.session.state == .connected { summary.connected += 1 }
            if let answered = viewer.answered {
                if let connected = viewer.connected { summary.connectMilliseconds.append((connected - answered).milliseconds) }
                if let first = viewer.firstPicture { summary.firstPictureMilliseconds.append((first - answered).milliseconds) }
            }
            for video in viewer.session.statistics.inboundVideo {
                summary.packets += video.packetsReceived
                summary.lost += video.packetsLost
                summary.frames += video.framesReceived
                summary.keyFrames += video.keyFramesDecoded
                summary.freezes += video.freezeCount
            }
        }
        return summary
    }

    public func close() {
        for viewer in viewers { viewer.host.remove(viewer.session) }
        viewers.removeAll()
    }
}
