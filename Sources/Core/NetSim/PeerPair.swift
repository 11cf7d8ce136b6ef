import RTC
import Wire

/// Two peers in one process, joined by function calls: nothing is late or lost, and the clock is moved by hand.
public struct PeerPair: ~Copyable {
    public var offerer: Peer
    public var answerer: Peer
    /// What is sent seems to come from here.
    public var offererAddress = SocketAddress(IPAddress(10, 0, 0, 1), 5000)
    public var answererAddress = SocketAddress(IPAddress(10, 0, 0, 2), 5000)
    public private(set) var now = Instant.zero + .seconds(1)
    /// What happened on either side, in order. The caller empties them.
    public var offererEvents: [PeerEvent] = []
    public var answererEvents: [PeerEvent] = []

    /// Both take whatever the other sends. The answerer may be an ICE lite agent.
    public init(_ offererEnvironment: any Environment, _ answererEnvironment: any Environment, answererMode: IceMode = .full) {
        offerer = Self.makePeer(at: offererAddress, offererEnvironment)
        answerer = Self.makePeer(at: answererAddress, answererEnvironment, mode: answererMode)
    }

    /// A peer with one UDP socket at this address.
    public static func makePeer(at address: SocketAddress, _ environment: any Environment, mode: IceMode = .full) -> Peer {
        let ice = IceConfiguration(mode: mode, transports: [LocalTransport(id: transport, address: address)])
        return Peer(configuration: PeerConfiguration(ice: ice, unexpectedMediaDirection: .recvonly), environment: environment)
    }

    private static let transport = TransportID(1)

    /// One exchange of offer and answer, by way of their text.
    public mutating func negotiate() throws {
        let offer = try offerer.createOffer(at: now)
        try offerer.setLocal(offer, .offer, at: now)
        let answer = try answerer.answer(try SessionDescription(parsing: offer.description), at: now)
        try offerer.setRemote(try SessionDescription(parsing: answer.description), .answer, at: now)
    }

    /// Moves the clock, and everything that is due on the way.
    public mutating func run(for duration: Duration) {
        let end = now + duration
        while true {
            while drainOfferer() || drainAnswerer() {}
            guard let next = earlier(offerer.deadline, answerer.deadline), next <= end else { break }
            now = max(now, next)
            offerer.advance(to: now)
            answerer.advance(to: now)
        }
        now = end
    }

    /// True where there was something.
    private mutating func drainOfferer() -> Bool {
        guard let output = offerer.nextOutput() else { return false }
        switch output {
        case .transmit(let datagrams):
            for datagram in datagrams.split() {
                answerer.receive(datagram.span, on: NetworkPath(Self.transport, offererAddress), at: now)
            }
        case .event(let event): offererEvents.append(event)
        default: break
        }
        return true
    }

    private mutating func drainAnswerer() -> Bool {
        guard let output = answerer.nextOutput() else { return false }
        switch output {
        case .transmit(let datagrams):
            for datagram in datagrams.split() {
                offerer.receive(datagram.span, on: NetworkPath(Self.transport, answererAddress), at: now)
            }
        case .event(let event): answererEvents.append(event)
        default: break
        }
        return true
    }
}
