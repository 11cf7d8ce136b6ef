import Glibc
import Reactor
import Wire

/// Lines that come through a pipe, or the standard input of `--plugin-stdin`. Whoever writes without end is held back: at most a megabyte a second is read.
public final class LineReader {
    private let descriptor: Int32
    private let reactor: Reactor
    private var splitter = LineSplitter()
    private let onLine: (borrowing LineSplitter.Line) -> Void
    private let onEnd: () -> Void
    private var isOpen = true
    /// Bytes that may still be read in this tenth of a second.
    private var allowance = LineReader.perTenth
    private var pause: ReactorTimer?

    private static let perTenth = 131_072
    private static let atOnce = 16_384

    /// Closes the descriptor when it is let go of. `onLine` and then, once, `onEnd` are called on the reactor's thread.
    public init(
        takingOwnershipOf descriptor: Int32, reactor: Reactor, onLine: @escaping (borrowing LineSplitter.Line) -> Void,
        onEnd: @escaping () -> Void = {}
    ) throws(SystemError) {
        (self.descriptor, self.reactor, self.onLine, self.onEnd) = (descriptor, reactor, onLine, onEnd)
        makeNonBlocking(descriptor)
        pause = reactor.makeTimer { [unowned self] _ in
            allowance = Self.perTenth
            if isOpen { reactor.setInterest(descriptor, reads: true, writes: false) }
        }
        try reactor.watch(descriptor) { [unowned self] _, _ in read() }
    }

    deinit {
        if isOpen { reactor.unwatch(descriptor) }
        close(descriptor)
    }

    private func read() {
        guard isOpen, allowance > 0 else { return }
        if pause?.deadline == nil { pause?.deadline = reactor.now + .milliseconds(100) }
        readOnce()
        guard isOpen, allowance <= 0 else { return }
        reactor.setInterest(descriptor, reads: false, writes: false)
    }

    /// All that is there, then the end, for when nothing more will come.
    func drain() {
        for _ in 0..<64 where isOpen { if !readOnce() { break } }
        if isOpen { end() }
    }

    /// False: nothing was there.
    @discardableResult
    private func readOnce() -> Bool {
        unsafe withUnsafeTemporaryAllocation(byteCount: Self.atOnce, alignment: 1) { buffer in
            let count = unsafe Glibc.read(descriptor, buffer.baseAddress!, buffer.count)
            if count < 0, errno == EAGAIN || errno == EINTR { return false }
            guard count > 0 else {
                end()
                return false
            }
            allowance -= count
            unsafe splitter.feed(Span<UInt8>(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[..<count])), onLine)
            return true
        }
    }

    private func end() {
        isOpen = false
        reactor.unwatch(descriptor)
        splitter.finish(onLine)
        onEnd()
    }
}

func makeNonBlocking(_ descriptor: Int32) { _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) }
