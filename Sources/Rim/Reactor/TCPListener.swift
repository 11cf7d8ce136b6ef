internal import CLinux
import Glibc
import Wire

/// Accepts TCP connections on a reactor.
public final class TCPListener {
    /// With the port that the kernel chose.
    public let address: SocketAddress
    private let descriptor: Int32
    private let reactor: Reactor

    public init(
        _ requested: SocketAddress, reactor: Reactor, onConnection: @escaping (TCPConnection) -> Void
    ) throws(SystemError) {
        descriptor = try boundSocket(requested, type: Int32(SOCK_STREAM.rawValue), reusesAddress: true)
        guard listen(descriptor, 512) == 0 else { throw SystemError("listen", requested.description) }
        address = try localAddress(of: descriptor)
        self.reactor = reactor
        let listening = descriptor
        try reactor.watch(listening) { [unowned reactor] _, _ in
            for _ in 0..<64 {
                var storage = sockaddr_storage()
                var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
                let accepted = unsafe withUnsafeMutablePointer(to: &storage) {
                    unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe accept(listening, $0, &length) }
                }
                guard accepted >= 0 else { return }
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

/// One TCP connection on a reactor: reads are handed on as they come, writes are queued up to a bound.
public final class TCPConnection {
    public let remote: SocketAddress
    public private(set) var isClosed = false
    /// Bytes came; on end of stream or error `onClose` is called instead, once.
    public var onBytes: ((Span<UInt8>) -> Void)?
    public var onClose: (() -> Void)?

    private let descriptor: Int32
    private unowned let reactor: Reactor
    private var unsent: [UInt8] = []
    private var closesWhenSent = false
    /// A reader this far behind is cut off.
    private static let maximumUnsent = 4 << 20

    /// Takes ownership of an accepted descriptor; nil, and closed, when the kernel refuses to watch it.
    init?(_ accepted: Int32, remote: SocketAddress, reactor: Reactor) {
        descriptor = accepted
        self.remote = remote
        self.reactor = reactor
        _ = fcntl(accepted, F_SETFL, O_NONBLOCK)
        _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
        var one: Int32 = 1
        _ = unsafe setsockopt(accepted, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
        do throws(SystemError) {
            try reactor.watch(accepted) { [weak self] readable, writable in
                if writable { self?.flush() }
                if readable { self?.read() }
            }
        } catch {
            Glibc.close(accepted)
            isClosed = true
            return nil
        }
    }

    deinit { close() }

    private func read() {
        guard !isClosed else { return }
        var isOpen = true
        unsafe withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 16) { buffer in
            let count = unsafe recv(descriptor, buffer.baseAddress!, buffer.count, 0)
            if count > 0 {
                let bytes = unsafe UnsafeBufferPointer(start: buffer.baseAddress!.assumingMemoryBound(to: UInt8.self), count: count)
                unsafe onBytes?(Span(_unsafeElements: bytes))
            } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
                isOpen = false
            }
        }
        if !isOpen { close() }
    }

    /// Queues bytes; a connection whose reader is too far behind is closed.
    public func send(_ bytes: [UInt8]) {
        guard !isClosed else { return }
        unsent.append(contentsOf: bytes)
        flush()
        if unsent.count > Self.maximumUnsent { close() }
    }

    public func closeAfterSending() {
        closesWhenSent = true
        if unsent.isEmpty { close() }
    }

    private func flush() {
        guard !isClosed, !unsent.isEmpty else { return }
        let sent = unsafe unsent.withUnsafeBufferPointer { unsafe Glibc.send(descriptor, $0.baseAddress!, $0.count, Int32(MSG_NOSIGNAL)) }
        if sent > 0 { unsent.removeFirst(sent) } else if sent < 0, errno != EAGAIN, errno != EINTR { return close() }
        if unsent.isEmpty, closesWhenSent { return close() }
        reactor.setWantsWrite(descriptor, !unsent.isEmpty)
    }

    public func close() {
        guard !isClosed else { return }
        isClosed = true
        reactor.unwatch(descriptor)
        Glibc.close(descriptor)
        onClose?()
        onBytes = nil
        onClose = nil
    }
}
