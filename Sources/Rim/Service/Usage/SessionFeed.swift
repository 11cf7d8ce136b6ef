import Monitor
import RTC
import Reactor
import Usage
import Wire

/// Tells the usage monitor of this machine who is connected to this process's robots, and who of them drives (Core/Usage, `SessionsLayout`).
/// Lives on the reactor; what it has told is taken back when it is let go of.
///
/// It looks some times a second in place of being told: names, leases and paths change in many places, none of which then needs to know of it,
/// and what has not changed is not written.
package final class SessionFeed {
    private let segment: SessionSegment
    private let sessions: () -> [SessionList.Session]
    private var timer: ReactorTimer?

    private static let interval = Duration.milliseconds(250)

    /// Nil: nobody is to be told, or it cannot be: no reason for anything else to fail.
    init?(namespace: String?, reactor: Reactor, log: Logger, sessions: @escaping () -> [SessionList.Session]) {
        guard let namespace else { return nil }
        do throws(SharedMemoryError) { segment = try SessionSegment(namespace: namespace, source: "waldo") } catch {
            log.debug("the usage monitor is not told of sessions", ["reason": LogValue(error)])
            return nil
        }
        self.sessions = sessions
        timer = reactor.makeTimer { [unowned self] now in
            timer?.deadline = now + Self.interval
            segment.update(Self.inOrder(self.sessions()))
        }
        timer?.deadline = MonotonicClock.now()
    }

    /// Who drives stands first: where there are more sessions than are told, the last ones are left out.
    package static func inOrder(_ sessions: [SessionList.Session]) -> [SessionList.Session] {
        func key(_ session: SessionList.Session) -> (Int, Int64, String, String) {
            (session.role == .driver ? 0 : 1, session.since, session.operatorName, session.remote ?? "")
        }
        return sessions.sorted { key($0) < key($1) }
    }
}

extension SessionList.Session {
    /// Nil while no path works: whoever is not there does not count. `since`: when it was first connected, seconds since 1970. The address is
    /// that of the selected path, from which packets really come: behind a NAT or a relay none that the peer itself knows.
    init?(_ name: String?, drives: Bool, since: Int64?, _ peer: PeerSession) {
        guard let since, peer.state == .connected else { return nil }
        self.init(
            operatorName: name.flatMap(OperatorName.cleaned) ?? "", role: drives ? .driver : .viewer, since: since,
            remote: peer.selectedAddress.map { "\($0)" })
    }
}
