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
    private var isFlushing = false

    init(id: Int, peer: consuming Peer, host: PeerHost) {
        self.id = id
        self.peer = peer
        self.host = host
        // Weak: among timers that are due together, one may end the session of the next.
        timer = host.reactor.makeTimer { [weak self] now in
            guard let self else { return }
            self.peer.advance(to: now)
            flush()
        }
    }

    public var state: PeerState { peer.state }
    public var statistics: PeerStatistics { peer.statistics }

    /// Calls the machine and carries out what it then wants.
    public func with<Result>(_ body: (inout Peer, Instant) throws -> Result) rethrows -> Result {
        defer { flush() }
        return try body(&peer, MonotonicClock.now())
    }

    /// Answers an offer.
    public func answer(_ offer: SessionDescription) throws(NegotiationError) -> SessionDescription {
        var outcome: Result<SessionDescription, NegotiationError>?
        with { peer, now in
            do throws(NegotiationError) { outcome = .success(try peer.answer(offer, at: now)) } catch { outcome = .failure(error) }
        }
        return try outcome!.get()
    }

    func receive(_ bytes: Span<UInt8>, on path: NetworkPath, at now: Instant) -> PeerRefusal? {
        let refusal = peer.receive(bytes, on: path, at: now)
        flush()
        return refusal
    }

    func flush() {
        // Events may call back into the session: the outer round then goes on with what they caused.
        guard !isFlushing else { return }
        isFlushing = true
        while let output = peer.nextOutput() {
            switch output {
            case .transmit(let datagrams):
                host.transmit(datagrams, from: self)
                peer.recycle(datagrams.bytes)
            case .openStream, .closeStream, .resolve: host.carryOut(output, for: self)
            case .event(let event):
                if case .stateChanged(let state, _) = event, state == .failed || state == .closed { host.ended(self) }
                onEvent?(event)
            }
        }
        isFlushing = false
        timer?.deadline = peer.deadline
    }

    func stopTimer() { timer = nil }
}
