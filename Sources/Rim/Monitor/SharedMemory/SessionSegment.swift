import Glibc
import Reactor
import Usage
import Wire

/// By which a program tells the monitor of this machine which operators it has: exact, where packets only let the monitor guess. Made by the
/// program, one a process; `SessionsLayout` says how it lies in memory. Used from one thread at a time; gone when it is let go of.
public final class SessionSegment {
    private let object: SharedObject
    private let inode: UInt64
    private var told: SessionList

    /// Also removes what ended programs of this namespace have left, as far as it may.
    public init(namespace: String = "teleoperation", source: String) throws(SharedMemoryError) {
        guard MonitorConfiguration.isNamespace(namespace) else { throw .namespace(namespace) }
        Self.removeLeft(namespace)
        let pid = getpid()
        let header = SessionsLayout.header(creation: UInt64(clamping: MonotonicClock.unixSeconds()), pid: UInt64(pid))
        (object, inode) = try SharedOwner.create(
            Self.name(namespace, pid), namespace: namespace, size: SessionsLayout.size, header: header)
        told = SessionList(source: source, sessions: [])
        write()
    }

    deinit { SharedOwner.remove(object.name, inode: inode) }

    /// Tells of these sessions from now on; does nothing when they are those told before.
    public func update(_ sessions: [SessionList.Session]) {
        guard sessions != told.sessions else { return }
        told.sessions = sessions
        write()
    }

    private func write() {
        object.write(sequenceAt: SessionsLayout.sequenceOffset, at: SessionsLayout.bodyOffset, SessionsLayout.body(told).span)
    }

    static func name(_ namespace: String, _ pid: Int32) -> String { prefix(namespace) + String(pid) }
    static func prefix(_ namespace: String) -> String { namespace + "_sessions_" }

    private static func removeLeft(_ namespace: String) {
        for pid in SessionReader.pids(namespace) where kill(pid, 0) != 0 && errno == ESRCH {
            try? SharedOwner.removeDead(name(namespace, pid), namespace: namespace)
        }
    }
}
