internal import CLinux
import Glibc
import Wire

/// Accepts TCP connections on a reactor.
public final class TCPListener {
    /// With the port that the kernel chose.
    public let address: SocketAddress
    private let descriptor: Int32
    private let reactor: Reactor
    /// What could not be accepted for want of descriptors keeps the listener readable: without a pause the loop would spin.
    private let pause: ReactorTimer
    private static let pauseLength = Duration.milliseconds(100)

    public init(
        _ requested: SocketAddress, reactor: Reactor, onConnection: @escaping (TCPConnection) -> Void
    ) throws(SystemError) {
        descriptor = try boundSocket(requested, type: Int32(SOCK_STREAM.rawValue), reusesAddress: true)
        guard listen(descriptor, 512) == 0 else { throw SystemError("listen", requested.description) }
        address = try localAddress(of: descriptor)
        self.reactor = reactor
        let listening = descriptor
        let pause = reactor.makeTimer { [unowned reactor] _ in reactor.setInterest(listening, reads: true, writes: false) }
        self.pause = pause
        try reactor.watch(listening) { [unowned reactor, unowned pause] _, _ in
            for _ in 0..<64 {
                var storage = sockaddr_storage()
                var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
                let accepted = unsafe withUnsafeMutablePointer(to: &storage) {
                    unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe accept(listening, $0, &length) }
                }
                guard accepted >= 0 else {
                    if [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(errno) {
                        reactor.setInterest(listening, reads: false, writes: false)
                        pause.deadline = MonotonicClock.now() + Self.pauseLength
                    }
                    return
                }
                guard let remote = SocketAddress(&storage), let connection = TCPConnection(accepted, remote: remote, reactor: reactor)
                else { continue }
                onConnection(connection)
            }
        }
    }

    deinit {
        reactor.unwatch(descriptor)
        close(descriptor)
    }
}
