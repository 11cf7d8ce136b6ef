import Glibc
import Reactor
import Wire

/// Lines that go into a pipe; those that nobody reads are kept up to 64 KiB, then refused.
public final class LineWriter {
    /// Bytes that wait at most.
    public static let limit = 65_536

    private let descriptor: Int32
    private let reactor: Reactor
    private var waiting: [UInt8] = []
    private var isOpen = true

    /// Closes the descriptor at the end. From the first on, SIGPIPE ends the program no more: a reader may go at any time.
    public init(takingOwnershipOf descriptor: Int32, reactor: Reactor) throws(SystemError) {
        (self.descriptor, self.reactor) = (descriptor, reactor)
        signal(SIGPIPE, SIG_IGN)
        makeNonBlocking(descriptor)
        // Never readable: what is told as that is that nobody reads any more.
        try reactor.watch(descriptor) { [unowned self] isBroken, _ in isBroken ? close() : flush() }
        reactor.setInterest(descriptor, reads: false, writes: false)
    }

    deinit { close() }

    /// Adds the end of line. False: too much waits, or nobody will read; nothing was taken.
    public func write(_ line: Span<UInt8>) -> Bool {
        guard isOpen, waiting.count + line.count + 1 <= Self.limit else { return false }
        let wasEmpty = waiting.isEmpty
        waiting.append(span: line)
        waiting.append(0x0A)
        if wasEmpty { flush() }
        return isOpen
    }

    /// The reader sees the end, behind what was taken.
    public func close() {
        guard isOpen else { return }
        isOpen = false
        reactor.unwatch(descriptor)
        Glibc.close(descriptor)
    }

    private func flush() {
        guard isOpen else { return }
        let count = waiting.isEmpty ? 0 : unsafe Glibc.write(descriptor, waiting, waiting.count)
        if count < 0, errno != EAGAIN, errno != EINTR { return close() }
        if count > 0 { waiting.removeFirst(count) }
        reactor.setInterest(descriptor, reads: false, writes: !waiting.isEmpty)
    }
}
