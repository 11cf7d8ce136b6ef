import Glibc
import Reactor
import Wire

/// One open device. The first event after quiet is read at once; while more follow they are read in each `Pulse`, and the kernel keeps what comes
/// between: a gamepad of 100 or 1000 reports a second would else take a share of a core that it is not worth.
final class InputDevice {
    /// Bytes of a struct input_event: two words of time, type, code, value.
    static let eventSize = 2 * MemoryLayout<Int>.size + 8

    private let descriptor: Int32
    private let eventSize: Int
    private let reactor: Reactor
    private let onBytes: (Span<UInt8>) -> Void
    private let onEnd: () -> Void
    private var lastRead = Instant.zero
    private var pause: ReactorTimer?
    private var isWatched = false

    private static let tooSoon = Duration.milliseconds(100)
    /// Events of one read.
    private static let atOnce = 64

    init(
        takingOwnershipOf descriptor: Int32, eventSize: Int, reactor: Reactor, onBytes: @escaping (Span<UInt8>) -> Void,
        onEnd: @escaping () -> Void
    ) {
        (self.descriptor, self.eventSize, self.reactor) = (descriptor, eventSize, reactor)
        (self.onBytes, self.onEnd) = (onBytes, onEnd)
        pause = reactor.makeTimer { [unowned self] _ in
            if isWatched { reactor.setInterest(descriptor, reads: true, writes: false) }
        }
        isWatched = (try? reactor.watch(descriptor) { [unowned self] _, _ in read() }) != nil
        if !isWatched { onEnd() }
    }

    deinit {
        if isWatched { reactor.unwatch(descriptor) }
        close(descriptor)
    }

    private func read() {
        // A broken device is told while it rests, too.
        guard isWatched else { return }
        for _ in 0..<4 { if !readOnce() { break } }
        if isWatched, reactor.now - lastRead < Self.tooSoon {
            reactor.setInterest(descriptor, reads: false, writes: false)
            pause?.deadline = Pulse.next(after: reactor.now)
        }
        lastRead = reactor.now
    }

    /// False: nothing more is there.
    private func readOnce() -> Bool {
        let size = eventSize * Self.atOnce
        return unsafe withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) { buffer in
            let count = unsafe Glibc.read(descriptor, buffer.baseAddress!, size)
            if count < 0, errno == EAGAIN || errno == EINTR { return false }
            guard count > 0 else {
                // Unplugged (ENODEV).
                isWatched = false
                reactor.unwatch(descriptor)
                onEnd()
                return false
            }
            // The kernel gives whole events.
            let whole = count - count % eventSize
            if whole > 0 { unsafe onBytes(Span<UInt8>(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[..<whole]))) }
            return count == size
        }
    }
}
