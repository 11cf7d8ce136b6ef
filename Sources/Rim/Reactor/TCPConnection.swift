internal import CLinux
import Glibc
import Wire

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
    /// How much of `unsent` the kernel has taken already.
    private var sent = 0
    private var closesWhenSent = false
    /// The other side has sent all that it will; what waits here still goes out.
    private var isAtEnd = false
    /// A reader this far behind is cut off.
    private static let maximumUnsent = 4 << 20

    /// This side's address; nil once closed.
    public var local: SocketAddress? { isClosed ? nil : try? localAddress(of: descriptor) }

    /// Takes ownership of a connected descriptor; nil, and closed, when the kernel refuses to watch it.
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
        // Told although not asked: it is broken.
        guard !isAtEnd else { return close() }
        var isOpen = true
        unsafe withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 16) { buffer in
            let count = unsafe recv(descriptor, buffer.baseAddress!, buffer.count, 0)
            if count > 0 {
                let bytes = unsafe UnsafeBufferPointer(start: buffer.baseAddress!.assumingMemoryBound(to: UInt8.self), count: count)
                unsafe onBytes?(Span(_unsafeElements: bytes))
            } else if count == 0 {
                isAtEnd = true
            } else if errno != EAGAIN && errno != EINTR {
                isOpen = false
            }
        }
        if !isOpen { return close() }
        if isAtEnd {
            closeAfterSending()
            if !isClosed { reactor.setInterest(descriptor, reads: false, writes: true) }
        }
    }

    /// Bytes that the kernel has not taken yet.
    public var backlog: Int { unsent.count - sent }

    /// Queues bytes; a connection whose reader is too far behind is closed.
    public func send(_ bytes: [UInt8]) {
        guard !isClosed else { return }
        unsent.append(contentsOf: bytes)
        flush()
        if backlog > Self.maximumUnsent { close() }
    }

    public func closeAfterSending() {
        closesWhenSent = true
        if unsent.isEmpty { close() }
    }

    private func flush() {
        guard !isClosed, !unsent.isEmpty else { return }
        let count = unsafe unsent.withUnsafeBufferPointer {
            unsafe Glibc.send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
        }
        if count > 0 { sent += count } else if count < 0, errno != EAGAIN, errno != EINTR { return close() }
        if sent == unsent.count {
            unsent.removeAll(keepingCapacity: unsent.count <= 65_536)
            sent = 0
        } else if sent >= unsent.count / 2 {
            unsent.removeFirst(sent)
            sent = 0
        }
        if unsent.isEmpty, closesWhenSent { return close() }
        reactor.setInterest(descriptor, reads: !isAtEnd, writes: !unsent.isEmpty)
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
