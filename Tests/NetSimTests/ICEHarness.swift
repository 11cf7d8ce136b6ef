import NetSim
import RTC
import Wire
import XCTest

/// One ICE agent on a simulated network, with the sockets and streams that a rim would give it.
final class IceHost: SimulatedEndpoint {
    let name: String
    let network: SimulatedNetwork
    let environment: SimulatedEnvironment
    var agent: IceAgent
    weak var peer: IceHost?
    /// Candidates go to the peer as they come (trickle); otherwise the test carries them.
    var trickles = true
    /// How long signalling takes.
    var signallingDelay = Duration.milliseconds(10)
    /// Names that mDNS knows.
    var names: [String: [IPAddress]] = [:]
    var events: [IceEvent] = []
    var states: [IceConnectionState] = []
    var received: [[UInt8]] = []
    var refusals: [IceRefusal] = []
    var connectedAt: Instant?
    var selections: [IceSelectedPair] = []
    var serverFailures: [Int] = []
    var transports: [LocalTransport]
    private var streams: [TransportID: SimulatedStreamID] = [:]
    private var framers: [SimulatedStreamID: TurnFramer] = [:]

    init(
        _ name: String, _ network: SimulatedNetwork, at addresses: [SocketAddress], seed: UInt64, isControlling: Bool,
        mode: IceMode = .full,
        servers: [IceServer] = [], relayOnly: Bool = false, resolvesMDNS: Bool = false, advertised: [SocketAddress] = [],
        adjust: (inout IceConfiguration) -> Void = { _ in }
    ) {
        self.name = name
        self.network = network
        environment = SimulatedEnvironment(seed: seed)
        transports = addresses.enumerated().map {
            LocalTransport(id: TransportID(UInt32($0 + 1)), address: $1, advertised: advertised)
        }
        var configuration = IceConfiguration(
            mode: mode, transports: transports, servers: servers, relayOnly: relayOnly, resolvesMDNS: resolvesMDNS)
        adjust(&configuration)
        agent = IceAgent(configuration: configuration, isControlling: isControlling, environment: environment)
        for address in addresses { network.bind(self, to: address) }
    }

    var deadline: Instant? { agent.deadline }

    func advance(to now: Instant) {
        agent.advance(to: now)
        drain()
    }

    func receive(_ datagram: [UInt8], from source: SocketAddress, on local: SocketAddress, at now: Instant) {
        guard let transport = transports.first(where: { $0.address == local }) else { return }
        take(datagram, on: NetworkPath(transport.id, source), at: now)
    }

    private func take(_ bytes: [UInt8], on path: NetworkPath, at now: Instant) {
        switch agent.receive(bytes.span, on: path, at: now) {
        case .application(let range): received.append(Array(bytes[range]))
        case .refused(let refusal): refusals.append(refusal)
        case .handled: break
        }
        drain()
    }

    func streamOpened(_ stream: SimulatedStreamID, local: SocketAddress, remote: SocketAddress, at now: Instant) {
        guard let id = streams.first(where: { $0.value == stream })?.key else { return }
        agent.streamOpened(id, localAddress: local, at: now)
        drain()
    }

    func receive(_ bytes: [UInt8], stream: SimulatedStreamID, at now: Instant) {
        guard let id = streams.first(where: { $0.value == stream })?.key, var framer = framers[stream] else { return }
        XCTAssertNoThrow(try framer.append(bytes.span))
        while let message = try? framer.next() {
            // The far address of a stream is the server's, which the agent named when it asked for the stream.
            take(message, on: NetworkPath(id, streamRemotes[id]!), at: now)
        }
        framers[stream] = framer
    }

    private var streamRemotes: [TransportID: SocketAddress] = [:]

    func streamClosed(_ stream: SimulatedStreamID, at now: Instant) {
        guard let id = streams.first(where: { $0.value == stream })?.key else { return }
        agent.streamClosed(id, at: now)
        drain()
    }

    func send(_ bytes: [UInt8]) -> Bool {
        guard let route = agent.route else { return false }
        switch route {
        case .direct(let path): transmit(bytes, path)
        case .relayed(let path):
            var wrapped: [UInt8] = []
            agent.wrap(bytes.span, into: &wrapped)
            transmit(wrapped, path)
        }
        return true
    }

    private func transmit(_ bytes: [UInt8], _ path: NetworkPath) {
        if let stream = streams[path.transport] {
            var framed: [UInt8] = []
            TurnFramer.frame(bytes.span, into: &framed)
            network.send(framed, stream: stream, from: self)
        } else if let transport = transports.first(where: { $0.id == path.transport }) {
            network.send(bytes, from: transport.address, to: path.remote)
        }
    }

    func drain() {
        while let output = agent.nextOutput() {
            switch output {
            case .transmit(let datagrams): transmit(datagrams.bytes, datagrams.path)
            case .openStream(let id, let address, _, _):
                let stream = network.connect(self, from: transports[0].address, to: address)
                streams[id] = stream
                streamRemotes[id] = address
                framers[stream] = TurnFramer()
            case .closeStream(let id): if let stream = streams.removeValue(forKey: id) { network.close(stream: stream, from: self) }
            case .resolve(let name):
                let addresses = names[name] ?? []
                network.schedule(after: .milliseconds(5)) { [self] in
                    agent.resolved(name, to: addresses, at: network.now)
                    drain()
                }
            case .event(let event): handle(event)
            }
        }
    }

    private func handle(_ event: IceEvent) {
        events.append(event)
        switch event {
        case .candidate(let candidate) where trickles:
            signal { $0.agent.addRemoteCandidate(candidate, at: $1) }
        case .gatheringComplete where trickles: signal { $0.agent.endOfRemoteCandidates(at: $1) }
        case .stateChanged(let state):
            states.append(state)
            if state == .connected, connectedAt == nil { connectedAt = network.now }
        case .selectedPair(let pair): selections.append(pair)
        case .serverFailed(_, let code, _): serverFailures.append(code)
        default: break
        }
    }

    /// Carries something to the peer over signalling, in order.
    func signal(_ action: @escaping (IceHost, Instant) -> Void) {
        network.schedule(after: signallingDelay) { [self] in
            guard let peer else { return }
            action(peer, network.now)
            peer.drain()
        }
    }

    /// Sends our credentials and gathers.
    func begin() {
        let credentials = agent.localCredentials, isLite = agent.isLite
        signal { $0.agent.setRemote(credentials: credentials, isLite: isLite, at: $1) }
        agent.gather(at: network.now)
        drain()
    }

    func restart() {
        agent.restart(at: network.now)
        begin()
    }

    /// True when data gets to the peer both ways within a second.
    func exchanges(with peer: IceHost) -> Bool {
        received = []
        peer.received = []
        for i in 0..<UInt8(20) {
            let (ours, theirs): ([UInt8], [UInt8]) = ([128, 1, i], [23, 2, i])
            network.schedule(after: .milliseconds(Int(i) * 30)) { [self] in
                _ = send(ours)
                _ = peer.send(theirs)
            }
        }
        network.run(for: .seconds(1))
        return peer.received.contains { $0.prefix(2) == [128, 1] } && received.contains { $0.prefix(2) == [23, 2] }
    }
}

func address(_ text: String, _ port: UInt16) -> SocketAddress { SocketAddress(IPAddress(text)!, port) }

/// Two agents that signal to each other.
func connect(_ a: IceHost, _ b: IceHost) {
    a.peer = b
    b.peer = a
    a.begin()
    b.begin()
}
