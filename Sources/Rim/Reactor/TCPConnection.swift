internal import CLinux
import Glibc
import Wire

/// One stream connection on a reactor, TCP or of a Unix-domain socket: reads are handed on as they come, writes are queued up to a bound.
public final class TCPConnection {
    /// The other side; 127.0.0.1 with port 0 for a Unix-domain socket.
    public let remote: SocketAddress
    /// `onClose` was called.
    public private(set) var isClosed = false
    /// Nothing can be sent any more.
    public var isDeaf: Bool { isClosed || fault != .none }
    /// Bytes came, and may be changed where they lie; on end of stream or error `onClose` is called instead, once.
    public var onBytes: ((inout MutableSpan<UInt8>) -> Void)?
    /// The kernel has taken all that waited.
    public var onDrained: (() -> Void)?
    public var onClose: (() -> Void)?
    /// The other side has said that it will send no more. Without a handler the connection is closed once what waits is sent.
    public var onEnd: (() -> Void)?
    /// A reader this far behind is cut off, bytes.
    public var limit = 4 << 20
    /// The stream is protected now, and bytes may be sent.
    public var onSecured: (() -> Void)?
    /// What protects the stream, since `secure`.
    public private(set) var security: (any SecureStream)?

    private let descriptor: Int32
    public let reactor: Reactor
    private var unsent: [UInt8] = []
    /// How much of `unsent` the kernel has taken already.
    private var sent = 0
    private var ending = Ending.none
    private var fault = Fault.none
    /// The other side has sent all that it will; what waits here still goes out.
    public private(set) var isAtEnd = false
    /// `onDrained` is wanted although nothing waits.
    private var isAsked = false
    private var watched = (reads: true, writes: false)

    private enum Ending { case none, close, shutdown }
    /// How sending failed.
    private enum Fault { case none, mayBeHeard, final }

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
            try reactor.watch(accepted) { [unowned self] readable, writable in ready(readable, writable) }
        } catch {
            Glibc.close(accepted)
            isClosed = true
            return nil
        }
    }

    deinit { close() }

    // MARK: protection

    /// From here on the stream is protected: plain bytes in `onBytes` and `send`, protected ones on the network.
    /// `received`: what came of it already. Called before anything protected is sent; see `onSecured`.
    public func secure(_ stream: any SecureStream, received: Span<UInt8> = Span()) {
        precondition(security == nil, "a stream is protected once")
        security = stream
        stream.output = { [unowned self] bytes in put(bytes) }
        stream.begin()
        unprotect(received, stream)
    }

    private func unprotect(_ bytes: Span<UInt8>, _ stream: any SecureStream) {
        var isTold = stream.state != .handshaking
        stream.receive(bytes) { plain in
            if !isTold {
                isTold = true
                onSecured?()
            }
            onBytes?(&plain)
        }
        guard !isClosed else { return }
        switch stream.state {
        case .handshaking: break
        case .open: if !isTold { onSecured?() }
        case .ended: end()
        case .failed:
            // The alert that says why is on its way.
            closeAfterSending()
        }
    }

    // MARK: reading

    /// Reading stops while this is set: the kernel's buffer fills, and the sender waits. What was read already may still come.
    public var isPaused = false {
        didSet { if isPaused != oldValue { updateInterest() } }
    }

    private func ready(_ readable: Bool, _ writable: Bool) {
        guard fault == .none else { return readLast() }
        if writable { flush() }
        if readable { read() }
    }

    private func readLast() {
        if fault == .final || isPaused || isAtEnd || ending == .close { close() } else { read() }
    }

    private func read() {
        guard !isClosed else { return }
        // A reset is told although nobody asks, again and again.
        guard !isPaused else { return hasFailed ? close() : () }
        // Told although not asked: it is broken.
        guard !isAtEnd else { return close() }
        let buffer = unsafe reactor.scratch
        let count = unsafe recv(descriptor, buffer.baseAddress!, buffer.count, 0)
        if count > 0 {
            let bytes = unsafe UnsafeMutableBufferPointer(start: buffer.baseAddress!.assumingMemoryBound(to: UInt8.self), count: count)
            var span = unsafe MutableSpan(_unsafeElements: bytes)
            if let security { unprotect(span.span, security) } else { onBytes?(&span) }
        } else if count == 0, fault == .none {
            end()
        } else if count == 0 || errno != EAGAIN && errno != EINTR {
            close()
        }
    }

    private func end() {
        guard !isAtEnd, !isClosed else { return }
        isAtEnd = true
        updateInterest()
        if let onEnd { onEnd() } else { closeAfterSending() }
    }

    /// The other side's end came without a word of it inside the protection: what was received last may lack its rest.
    public var isCutOff: Bool { security.map { $0.state != .ended } ?? false }

    private var hasFailed: Bool {
        var code: Int32 = 0
        var length = socklen_t(4)
        return unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) != 0 || code != 0
    }

    // MARK: writing

    /// Bytes that the kernel has not taken yet.
    public var backlog: Int { unsent.count - sent }
    /// Bytes that it has taken since the beginning: a reader that stands still is seen by it.
    public private(set) var taken = 0

    /// What the kernel holds at most of what the other side has not taken, bytes: else it grows to some megabytes (SO_SNDBUF).
    public func limitKernelBuffer(_ bytes: Int) {
        guard !isClosed else { return }
        // The kernel doubles it, for what it needs itself.
        var half = Int32(clamping: bytes / 2)
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &half, 4)
    }

    /// The kernel's estimate of the round trip, smoothed (TCP_INFO).
    public var roundTrip: Duration? {
        let microseconds = isClosed ? 0 : waldo_round_trip(descriptor)
        return microseconds > 0 ? .microseconds(Int(microseconds)) : nil
    }

    public func send(_ bytes: [UInt8]) { send(bytes.span) }

    /// Sends, and queues what the kernel does not take; a connection whose reader is too far behind is closed.
    public func send(_ bytes: Span<UInt8>) {
        guard ending == .none else { return }
        if let security { security.send(bytes) } else { put(bytes) }
    }

    private func put(_ bytes: Span<UInt8>) {
        guard !isDeaf, ending == .none, bytes.count > 0 else { return }
        var count = 0
        if unsent.isEmpty {
            count = unsafe bytes.withUnsafeBufferPointer {
                unsafe Glibc.send(descriptor, $0.baseAddress!, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0 {
                guard errno == EAGAIN || errno == EINTR else { return breakOff(errno) }
                count = 0
            }
            taken += count
        }
        guard count < bytes.count else { return }
        unsent.append(span: bytes.extracting(count..<bytes.count))
        if backlog > limit { return breakOff(ENOBUFS) }
        updateInterest()
    }

    /// Sending ends here, but whoever sends is in the middle of something, and is told of the end by a call of its own: in the next round,
    /// which the kernel begins at once. What the other side said before it was gone is read first: a server that refuses a request answers and
    /// closes without reading the rest, and so resets the writer with the answer still unread.
    private func breakOff(_ code: Int32) {
        fault = code == EPIPE || code == ECONNRESET ? .mayBeHeard : .final
        unsent = []
        sent = 0
        // The kernel tells the end of what it holds, asked or not.
        if fault == .final { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }

    /// Closes once all that waits is sent.
    public func closeAfterSending() {
        guard ending != .close, !isClosed else { return }
        if ending == .none { security?.close() }
        ending = .close
        if unsent.isEmpty { close() }
    }

    /// Says that nothing more will be sent, once all that waits is; what the other side sends is still read, so that it gets to read the end.
    public func endSending() {
        guard ending == .none, !isClosed else { return }
        security?.close()
        ending = .shutdown
        if unsent.isEmpty { shutdown(descriptor, Int32(SHUT_WR)) }
    }

    /// `onDrained` is called in a later round, also when nothing waits: for whoever has much to do for one side, and lets others have their turn.
    public func askForTurn() {
        guard !isDeaf, ending == .none else { return }
        isAsked = true
        updateInterest()
    }

    private func flush() {
        guard !isClosed else { return }
        guard unsent.isEmpty else { return flushUnsent() }
        guard isAsked else { return }
        tellDrained()
    }

    private func tellDrained() {
        isAsked = false
        updateInterest()
        if ending == .none { onDrained?() }
    }

    private func flushUnsent() {
        let count = unsafe unsent.withUnsafeBufferPointer {
            unsafe Glibc.send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
        }
        if count > 0 {
            sent += count
            taken += count
        } else if count < 0, errno != EAGAIN, errno != EINTR {
            return breakOff(errno)
        }
        guard sent == unsent.count else {
            if sent >= unsent.count / 2 {
                unsent.removeFirst(sent)
                sent = 0
            }
            return
        }
        unsent = []
        sent = 0
        switch ending {
        case .none: break
        case .close: return close()
        case .shutdown: shutdown(descriptor, Int32(SHUT_WR))
        }
        tellDrained()
    }

    private func updateInterest() {
        guard !isClosed else { return }
        let wanted = (reads: !isAtEnd && !isPaused, writes: !unsent.isEmpty || isAsked)
        guard wanted != watched else { return }
        watched = wanted
        reactor.setInterest(descriptor, reads: wanted.reads, writes: wanted.writes)
    }

    public func close() {
        guard !isClosed else { return }
        isClosed = true
        reactor.unwatch(descriptor)
        Glibc.close(descriptor)
        unsent = []
        onClose?()
        onBytes = nil
        onDrained = nil
        onEnd = nil
        onSecured = nil
        onClose = nil
    }
}
