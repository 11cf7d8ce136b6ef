import HTTP
import Reactor
import Web
import Wire

/// One connection of a signalling server. Lives on the reactor.
final class SignalMember {
    let session: WebSocketSession
    let joined: Instant
    private var timer: ReactorTimer?

    init(_ session: WebSocketSession, at now: Instant) { (self.session, joined) = (session, now) }

    /// It has said as much as it may: what comes next waits.
    func pause(until then: Instant, _ reactor: Reactor) {
        if timer == nil { timer = reactor.makeTimer { [unowned session] _ in session.isPaused = false } }
        session.isPaused = true
        timer?.deadline = then
    }
}
