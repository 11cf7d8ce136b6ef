import Crypto
import RTC
import Reactor
import Wire

/// One peer in the real world: the engine's machine, its timer, and its outputs carried out. Lives on the reactor.
public final class PeerSession {
    public let id: Int
    var peer: Peer
    /// What happens, except what the session does by itself.
    public var onEvent: ((PeerEvent) -> Void)?
    private unowned let host: PeerHost
    private var timer: ReactorTimer?
    /// The paths that the host files under this session, oldest first.
    var paths: [NetworkPath] = []
    /// The fragments that the host files under this session, oldest first.
    var fragments: [String] = []
    /// UDP sockets that serve this session only.
    var ownTransports: [TransportID] = []
    /// Streams to TURN servers, by the agent's own numbers.
    var serverStreams: [TransportID: ServerStream] = [:]
    /// How certificates of TURN servers are judged.
    public var serverTrust = TLSTrust.system
    /// When DTLS, SRTP or SRTCP of the peer last came.
    private var lastHeard: Instant?
    /// When anything of the peer's last came, checks of the path included.
    private(set) var lastPacket: Instant?
    /// The latest time that the machine was told.
    private var clock = Instant.zero
    private var isFlushing = false
    private var isStopped = false

    init(id: Int, peer: consuming Peer, host: PeerHost) {
        self.id = id
        self.peer = peer
        self.host = host
        // It is not called once the session, which alone holds it, has let go of it. A weak reference would make each of the many
        // references taken to a session dearer.
        timer = host.reactor.makeTimer { [unowned self] now in
            lend()
            self.peer.advance(to: tell(now))
            flush()
        }
    }

    public var state: PeerState { peer.state }
    public var statistics: PeerStatistics { peer.statistics }

    /// Calls the machine and carries out what it then wants.
    public func with<Result>(_ body: (inout Peer, Instant) throws -> Result) rethrows -> Result {
        defer {
            let fragment = peer.localUsernameFragment
            if fragments.last != fragment { host.file(fragment: fragment, under: self) }
            flush()
        }
        lend()
        return try body(&peer, tell(MonotonicClock.now()))
    }

    /// Time never goes back for a machine. Datagrams that came together bear the time at which they came; what one of them causes may have
    /// been told a later one.
    private func tell(_ now: Instant) -> Instant {
        clock = max(clock, now)
        return clock
    }

    /// Sends a frame of what the transceiver shows.
    func send(_ frame: PacketisedFrame, on transceiver: TransceiverID, at now: Instant) {
        lend()
        peer.send(frame, on: transceiver, at: tell(now))
        flush()
    }

    /// All peers of a host write in one array, one after the other.
    private func lend() { if let bytes = host.spare.take() { peer.recycle(bytes) } }

    /// Answers an offer.
    public func answer(_ offer: SessionDescription) throws(NegotiationError) -> SessionDescription {
        var outcome: Result<SessionDescription, NegotiationError>?
        with { peer, now in
            do throws(NegotiationError) { outcome = .success(try peer.answer(offer, at: now)) } catch { outcome = .failure(error) }
        }
        return try outcome!.get()
    }

    /// Answers a fragment that restarts ICE (RFC 9725 clause 4.3.3); nil: it brings candidates alone, which servers that are reached need not know.
    public func answer(_ fragment: TrickleFragment) throws(NegotiationError) -> TrickleFragment? {
        guard let offer = peer.remoteDescription, let restart = fragment.restart(of: offer) else { return nil }
        return TrickleFragment(restartedBy: try answer(restart))
    }

    /// Where the peer is, as far as it has nominated a path.
    var selectedAddress: SocketAddress? { peer.selectedPair?.remote.address }

    func wasHeard(within duration: Duration, of now: Instant) -> Bool { lastHeard.map { now - $0 <= duration } ?? false }

    func receive(_ bytes: Span<UInt8>, on path: NetworkPath, at now: Instant) -> PeerRefusal? {
        lend()
        let now = tell(now)
        let refusal = peer.receive(bytes, on: path, at: now)
        if refusal == nil {
            lastPacket = now
            if bytes[0] > 3 { lastHeard = now }
        }
        flush()
        return refusal
    }

    func flush() {
        // Events may call back into the session: the outer round then goes on with what they caused.
        guard !isFlushing else { return }
        isFlushing = true
        while let output = peer.nextOutput() {
            switch consume output {
            case .transmit(var datagrams):
                transmit(datagrams)
                // Taken out, so that this is the only reference: an array with two would be copied, not used again.
                var bytes: [UInt8] = []
                swap(&bytes, &datagrams.bytes)
                peer.recycle(bytes)
            case .openStream(let id, let remote, let isTLS, let name): openStream(id, to: remote, isTLS: isTLS, serverName: name)
            case .closeStream(let id): serverStreams.removeValue(forKey: id)?.close()
            case .resolve(let name): resolve(name)
            case .event(let event):
                if case .stateChanged(let state, _) = event, state == .failed || state == .closed { host.ended(self) }
                onEvent?(event)
            }
        }
        isFlushing = false
        if let bytes = peer.reclaim() { host.spare = bytes }
        timer?.deadline = peer.deadline
    }

    private func transmit(_ datagrams: Datagrams) {
        let transport = datagrams.path.transport
        // The upper half of the numbers is the agent's own: its streams to servers.
        if transport.rawValue >> 31 == 1 { serverStreams[transport]?.send(datagrams) } else { host.transmit(datagrams, from: self) }
    }

    /// Nothing happens any more.
    func stop() {
        isStopped = true
        timer = nil
        for stream in serverStreams.values { stream.close() }
        serverStreams.removeAll()
    }

    // MARK: Streams and names

    private func openStream(_ id: TransportID, to remote: SocketAddress, isTLS: Bool, serverName: String) {
        let name = isTLS ? serverName : nil
        let stream = ServerStream(to: remote, tlsName: name, trust: serverTrust, reactor: host.reactor)
        serverStreams[id] = stream
        stream.onOpen = { [weak self] local in self?.with { peer, now in peer.streamOpened(id, localAddress: local, at: now) } }
        stream.onMessage = { [weak self] message in
            _ = self?.receive(message.span, on: NetworkPath(id, remote), at: MonotonicClock.now())
        }
        stream.onEnd = { [weak self] reason in
            guard let self, serverStreams.removeValue(forKey: id) != nil else { return }
            with { peer, now in peer.streamClosed(id, reason: reason, at: now) }
        }
    }

    private func resolve(_ name: String) {
        host.names.resolve(name) { [weak self] addresses in
            guard let self, !isStopped else { return }
            with { peer, now in peer.resolved(name, to: addresses, at: now) }
        }
    }
}
