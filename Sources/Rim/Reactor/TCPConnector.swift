internal import CLinux
import Glibc
import Wire

/// Opens one TCP connection without waiting for it: the outcome is told once, later, unless it is cancelled before. Lives on the reactor.
public final class TCPConnector {
    private let remote: SocketAddress
    /// What is connected to, for errors: an address or a path.
    private let subject: String
    private unowned let reactor: Reactor
    private var onOutcome: ((Result<TCPConnection, SystemError>) -> Void)?
    private var descriptor: Int32 = -1
    private var failure: SystemError
    private var timer: ReactorTimer?

    /// `timeout`: without an answer for this long the outcome is ETIMEDOUT.
    public init(
        to remote: SocketAddress, reactor: Reactor, timeout: Duration, onOutcome: @escaping (Result<TCPConnection, SystemError>) -> Void
    ) {
        self.remote = remote
        self.reactor = reactor
        self.onOutcome = onOutcome
        subject = remote.description
        failure = SystemError("connect", subject, code: ETIMEDOUT)
        timer = reactor.makeTimer { [weak self] _ in self?.fail() }
        timer?.deadline = MonotonicClock.now() + timeout
        do throws(SystemError) { try begin() } catch {
            // Told in the next round, as every other outcome.
            failure = error
            timer?.deadline = MonotonicClock.now()
        }
    }

    /// To a Unix-domain socket, which answers at once or not at all.
    public init(path: String, reactor: Reactor, onOutcome: @escaping (Result<TCPConnection, SystemError>) -> Void) {
        remote = SocketAddress(IPAddress(127, 0, 0, 1), 0)
        self.reactor = reactor
        self.onOutcome = onOutcome
        subject = path
        failure = SystemError("connect", path, code: ETIMEDOUT)
        timer = reactor.makeTimer { [weak self] _ in self?.check() }
        timer?.deadline = MonotonicClock.now()
        do throws(SystemError) { descriptor = try connectedUnixSocket(path) } catch {
            failure = error
            timer = reactor.makeTimer { [weak self] _ in self?.fail() }
            timer?.deadline = MonotonicClock.now()
        }
    }

    deinit { cancel() }

    /// Nothing is told any more.
    public func cancel() {
        onOutcome = nil
        timer = nil
        guard descriptor >= 0 else { return }
        reactor.unwatch(descriptor)
        Glibc.close(descriptor)
        descriptor = -1
    }

    private func begin() throws(SystemError) {
        let family = remote.ip.family == .v4 ? AF_INET : AF_INET6
        descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError("socket", remote.description) }
        var storage = sockaddr_storage()
        let length = remote.write(to: &storage)
        let code = unsafe withUnsafePointer(to: &storage) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe connect(descriptor, $0, length) }
        }
        guard code == 0 || errno == EINPROGRESS else { throw SystemError("connect", remote.description) }
        try reactor.watch(descriptor) { [weak self] _, _ in self?.check() }
        reactor.setInterest(descriptor, reads: false, writes: true)
    }

    private func check() {
        guard descriptor >= 0 else { return }
        var code: Int32 = 0
        var length = socklen_t(4)
        _ = unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        if code != 0 {
            failure = SystemError("connect", subject, code: code)
            return fail()
        }
        // An event of an older descriptor with this number says nothing about this one.
        guard isConnected else { return }
        reactor.unwatch(descriptor)
        let connected = descriptor
        descriptor = -1
        guard let connection = TCPConnection(connected, remote: remote, reactor: reactor) else {
            failure = SystemError("epoll_ctl", remote.description)
            return fail()
        }
        finish(.success(connection))
    }

    private var isConnected: Bool {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return unsafe withUnsafeMutablePointer(to: &storage) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getpeername(descriptor, $0, &length) == 0 }
        }
    }

    private func fail() { finish(.failure(failure)) }

    private func finish(_ outcome: Result<TCPConnection, SystemError>) {
        let tell = onOutcome
        cancel()
        tell?(outcome)
    }
}
