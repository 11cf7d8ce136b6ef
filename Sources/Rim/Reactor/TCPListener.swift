internal import CLinux
import Glibc
import Wire

/// Accepts stream connections on a reactor: TCP, or of a Unix-domain socket.
public final class TCPListener {
    /// With the port that the kernel chose; 127.0.0.1 with port 0 for a Unix-domain socket.
    public let address: SocketAddress
    private let descriptor: Int32
    private let reactor: Reactor
    /// What could not be accepted for want of descriptors keeps the listener readable: without a pause the loop would spin.
    private let pause: ReactorTimer
    /// Of a Unix-domain socket: removed at the end.
    private let path: String?
    private static let pauseLength = Duration.milliseconds(100)

    public convenience init(
        _ requested: SocketAddress, reactor: Reactor, onConnection: @escaping (TCPConnection) -> Void
    ) throws(SystemError) {
        let descriptor = try boundSocket(requested, type: Int32(SOCK_STREAM.rawValue), reusesAddress: true)
        try self.init(listening: descriptor, subject: requested.description, path: nil, reactor: reactor, onConnection: onConnection)
    }

    /// Listens on a Unix-domain socket that is made at `path`; one that an ended program left there is replaced.
    public convenience init(path: String, reactor: Reactor, onConnection: @escaping (TCPConnection) -> Void) throws(SystemError) {
        let descriptor = try boundUnixSocket(path)
        try self.init(listening: descriptor, subject: path, path: path, reactor: reactor, onConnection: onConnection)
    }

    private init(
        listening descriptor: Int32, subject: String, path: String?, reactor: Reactor, onConnection: @escaping (TCPConnection) -> Void
    ) throws(SystemError) {
        self.descriptor = descriptor
        self.path = path
        self.reactor = reactor
        let pause = reactor.makeTimer { [unowned reactor] _ in reactor.setInterest(descriptor, reads: true, writes: false) }
        self.pause = pause
        let here = SocketAddress(IPAddress(127, 0, 0, 1), 0)
        address = path == nil ? try localAddress(of: descriptor) : here
        guard listen(descriptor, 4096) == 0 else { throw SystemError("listen", subject) }
        try reactor.watch(descriptor) { [unowned reactor, unowned pause] _, _ in
            for _ in 0..<64 {
                var storage = sockaddr_storage()
                var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
                let accepted = unsafe withUnsafeMutablePointer(to: &storage) {
                    unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe accept(descriptor, $0, &length) }
                }
                guard accepted >= 0 else {
                    if [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(errno) {
                        reactor.setInterest(descriptor, reads: false, writes: false)
                        pause.deadline = MonotonicClock.now() + Self.pauseLength
                    }
                    return
                }
                guard let connection = TCPConnection(accepted, remote: SocketAddress(&storage) ?? here, reactor: reactor) else { continue }
                onConnection(connection)
            }
        }
    }

    deinit {
        reactor.unwatch(descriptor)
        close(descriptor)
        if let path { _ = unsafe unlink(path) }
    }
}
