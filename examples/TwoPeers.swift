// Two peers in one process, joined by function calls: no socket, no thread, and a clock that we move by hand.
import RTC
import Service
import Wire

@main struct TwoPeers {
    static func main() throws {
        let addresses = [SocketAddress(IPAddress(10, 0, 0, 1), 5000), SocketAddress(IPAddress(10, 0, 0, 2), 5000)]
        let transports = addresses.map { LocalTransport(id: TransportID(1), address: $0) }
        let environments = [try EngineEnvironment(unixTime: 1_800_000_000), try EngineEnvironment(unixTime: 1_800_000_000)]
        var alice = Peer(configuration: PeerConfiguration(ice: IceConfiguration(transports: [transports[0]])), environment: environments[0])
        var bob = Peer(configuration: PeerConfiguration(ice: IceConfiguration(transports: [transports[1]])), environment: environments[1])
        var now = Instant.zero
        let channel = try alice.openDataChannel(DataChannelOptions(label: "greetings"), at: now)

        let offer = try alice.createOffer(at: now)
        try alice.setLocal(offer, .offer, at: now)
        try alice.setRemote(bob.answer(offer, at: now), .answer, at: now)

        while now < Instant.zero + .seconds(2) {
            deliver(from: &alice, "alice", to: &bob, source: addresses[0], at: now)
            deliver(from: &bob, "bob", to: &alice, source: addresses[1], at: now)
            if alice.dataChannelState(channel) == .open, alice.bufferedAmount == 0 {
                try alice.send(.text("hello, bob"), on: channel, at: now)
                if now > Instant.zero + .seconds(1) { return alice.close(at: now) }
            }
            now += .milliseconds(100)
            alice.advance(to: now)
            bob.advance(to: now)
        }
    }

    /// Hands every datagram over, and says what happens.
    static func deliver(from sender: inout Peer, _ name: String, to receiver: inout Peer, source: SocketAddress, at now: Instant) {
        while let output = sender.nextOutput() {
            switch output {
            case .transmit(let datagrams):
                for datagram in datagrams.split() { receiver.receive(datagram.span, on: NetworkPath(TransportID(1), source), at: now) }
            case .event(.stateChanged(let state, _)): print("\(name) is \(state)")
            case .event(.dataChannel(.message(_, .text(let text)))): print("\(name) reads: \(text)")
            default: break
            }
        }
    }
}
