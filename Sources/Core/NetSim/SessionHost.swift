import RTC
import Wire

/// One `Peer` on a simulated network with the sockets, streams and signalling that a rim would give it.
public final class SessionHost: SimulatedEndpoint {
    public var peer: Peer
    public let address: SocketAddress
    public var onEvent: (PeerEvent, Instant) -> Void = { _, _ in }
    public private(set) var refusals: [PeerRefusal] = []
    /// How often the peer still wanted the time that it had just been told: its driver would spin.
    public private(set) var deadlinesInThePast = 0

    private let network: SimulatedNetwork
    private let clock: (Instant) -> Void
    private var streams: [TransportID: SimulatedStreamID] = [:]
    private var transports: [SimulatedStreamID: NetworkPath] = [:]
    private var framers: [SimulatedStreamID: TurnFramer] = [:]
    private static let transport = TransportID(1)

    /// `clock` is told the time before every call into the peer: libraries with a clock of their own follow it.
    public init(
        _ network: SimulatedNetwork, at address: SocketAddress, configuration: PeerConfiguration, environment: any Environment,
        clock: @escaping (Instant) -> Void = { _ in }
    ) {
        self.network = network
        self.address = address
        self.clock = clock
        clock(network.now)
        var configuration = configuration
        configuration.ice.transports = [LocalTransport(id: Self.transport, address: address)]
        peer = Peer(configuration: configuration, environment: environment)
        network.bind(self, to: address)
    }

    public var deadline: Instant? { peer.deadline }

    public func advance(to now: Instant) {
        clock(now)
        peer.advance(to: now)
        drain(at: now)
        if let deadline = peer.deadline, deadline <= now { deadlinesInThePast += 1 }
    }

    public func receive(_ datagram: [UInt8], from source: SocketAddress, on local: SocketAddress, at now: Instant) {
        take(datagram, on: NetworkPath(Self.transport, source), at: now)
    }

    private func take(_ bytes: [UInt8], on path: NetworkPath, at now: Instant) {
        clock(now)
        if let refusal = peer.receive(bytes.span, on: path, at: now), refusals.count < 100 { refusals.append(refusal) }
        drain(at: now)
    }

    /// Calls into the peer from outside, and does what it wants done.
    public func act<Result, E: Error>(_ action: (inout Peer, Instant) throws(E) -> Result) throws(E) -> Result {
        clock(network.now)
        defer { drain(at: network.now) }
        return try action(&peer, network.now)
    }

    // MARK: streams

    public func streamOpened(_ stream: SimulatedStreamID, local: SocketAddress, remote: SocketAddress, at now: Instant) {
        guard let path = transports[stream] else { return }
        peer.streamOpened(path.transport, localAddress: local, at: now)
        drain(at: now)
    }

    public func receive(_ bytes: [UInt8], stream: SimulatedStreamID, at now: Instant) {
        guard let path = transports[stream], var framer = framers[stream] else { return }
        do {
            try framer.append(bytes.span)
            while let message = try framer.next() { take(message, on: path, at: now) }
        } catch {
            network.close(stream: stream, from: self)
        }
        framers[stream] = framer
    }

    public func streamClosed(_ stream: SimulatedStreamID, at now: Instant) {
        guard let path = transports[stream] else { return }
        peer.streamClosed(path.transport, at: now)
        drain(at: now)
    }

    // MARK: outputs

    private func drain(at now: Instant) {
        while let output = peer.nextOutput() {
            switch output {
            case .transmit(let datagrams): transmit(datagrams)
            case .openStream(let id, let remote, _, _):
                let stream = network.connect(self, from: address, to: remote)
                streams[id] = stream
                transports[stream] = NetworkPath(id, remote)
                framers[stream] = TurnFramer()
            case .closeStream(let id):
                if let stream = streams.removeValue(forKey: id) { network.close(stream: stream, from: self) }
            case .resolve(let name): peer.resolved(name, to: [], at: now)
            case .event(let event): onEvent(event, now)
            }
        }
    }

    private func transmit(_ datagrams: Datagrams) {
        if let stream = streams[datagrams.path.transport] {
            var framed: [UInt8] = []
            TurnFramer.frame(datagrams.bytes.span, into: &framed)
            return network.send(framed, stream: stream, from: self)
        }
        guard datagrams.bytes.count > datagrams.segmentSize else {
            return network.send(datagrams.bytes, from: address, to: datagrams.path.remote)
        }
        var start = 0
        while start < datagrams.bytes.count {
            let end = min(start + datagrams.segmentSize, datagrams.bytes.count)
            network.send(Array(datagrams.bytes[start..<end]), from: address, to: datagrams.path.remote)
            start = end
        }
        peer.recycle(datagrams.bytes)
    }
}
