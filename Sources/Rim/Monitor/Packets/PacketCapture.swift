internal import CLinux
import Glibc
import Reactor
import Synchronization
import Wire

/// Reads the packets that a filter lets through, of all interfaces, from a ring shared with the kernel (TPACKET_V3; spec teleop-monitor 8.1).
///
/// **What a flood costs.** The filter runs in the kernel on whoever's time the packet comes; only what it keeps is copied to the ring. The ring
/// holds some 500 packets, the kernel drops what finds it full. Time spent here, callbacks included, is measured and paid for from a credit
/// that grows by `share` of the time passed, up to `longestCredit`. Without credit nothing is read until there is some: whatever comes, it costs
/// that share of a core, plus at most one credit at the beginning.
///
/// The ring is looked at in each `Pulse`, which costs a look at memory; to be woken by the kernel for each block would cost more than to read it.
@safe public final class PacketCapture {
    public struct Limits: Sendable {
        /// Of one core, over any time longer than a second.
        public var share = 0.01
        /// What may be spent at once after quiet.
        public var longestCredit = Duration.milliseconds(20)
        /// Bytes of a block, a multiple of the page size.
        public var blockSize = 16_384
        /// Blocks of the ring; all of it counts into VmRSS.
        public var blocks = 8
        /// How long the kernel gathers packets before it hands over a block that is not full. A packet is told at most this and a pulse later than
        /// it came.
        public var gathering = Duration.milliseconds(8)

        public init() {}
    }

    /// Packets shown since the beginning.
    public private(set) var seen = 0
    /// How often reading stopped for cost.
    public private(set) var pauses = 0

    private let descriptor: Int32
    private let reactor: Reactor
    private let limits: Limits
    private let onPacket: (borrowing CapturedPacket) -> Void
    private let ring: UnsafeMutableRawPointer
    /// The block that the kernel fills next.
    private var block = 0
    private var credit: Duration
    private var creditAt: Instant
    private var pulse: ReactorTimer?
    private var dropsBefore = 0

    private static let headerSize = waldo_packet_header_size()
    private static let statusOffset = waldo_packet_block_status_offset()

    /// `onPacket` is called on the reactor's thread. Nothing that passed before the filter was in place is ever shown: the socket is bound last.
    public init(
        filter: [FilterInstruction], reactor: Reactor, limits: Limits = Limits(), onPacket: @escaping (borrowing CapturedPacket) -> Void
    ) throws(CaptureError) {
        (self.reactor, self.limits, self.onPacket) = (reactor, limits, onPacket)
        let descriptor = waldo_packet_socket()
        guard descriptor >= 0 else { throw Self.failure("socket AF_PACKET") }
        do throws(CaptureError) {
            try Self.attach(FilterInstruction.withoutLoopbackDoubles + filter, to: descriptor)
            let milliseconds = UInt32(clamping: limits.gathering.wholeMilliseconds)
            let made = unsafe waldo_packet_ring(descriptor, UInt32(limits.blockSize), UInt32(limits.blocks), milliseconds)
            guard let made = unsafe made else { throw Self.failure("PACKET_RX_RING") }
            unsafe ring = made
        } catch {
            close(descriptor)
            throw error
        }
        self.descriptor = descriptor
        (credit, creditAt) = (limits.longestCredit, MonotonicClock.now())
        try start()
    }

    deinit {
        unsafe munmap(ring, limits.blockSize * limits.blocks)
        close(descriptor)
    }

    private static func attach(_ program: [FilterInstruction], to descriptor: Int32) throws(CaptureError) {
        let instructions = program.map {
            waldo_filter_instruction(code: $0.code, jump_true: $0.jumpTrue, jump_false: $0.jumpFalse, k: $0.k)
        }
        let code = unsafe waldo_packet_filter(descriptor, instructions, UInt16(clamping: instructions.count))
        guard code == 0 else { throw failure("SO_ATTACH_FILTER") }
    }

    private static func failure(_ call: String) -> CaptureError {
        let error = SystemError(call)
        return error.code == EPERM || error.code == EACCES ? .notPermitted : .system(error)
    }

    private func start() throws(CaptureError) {
        pulse = reactor.makeTimer { [unowned self] now in
            pulse?.deadline = Pulse.next(after: now)
            readBlocks()
        }
        guard waldo_packet_bind(descriptor) == 0 else { throw Self.failure("bind AF_PACKET") }
        pulse?.deadline = Pulse.next(after: MonotonicClock.now())
    }

    /// Packets that the filter kept and the ring had no room for, since the beginning. Asks the kernel.
    public var dropped: Int {
        dropsBefore += max(0, Int(waldo_packet_drops(descriptor)))
        return dropsBefore
    }

    // MARK: Reading

    /// Ends when the kernel has no block for us, or the credit is used up.
    private func readBlocks() {
        guard isOurs(block) else { return }
        let begin = MonotonicClock.now()
        grow(at: begin)
        guard credit > .zero else { return }
        // The kernel stamps Unix time, when it came; the moment of reading would add up to 40 ms to every round trip.
        let offset = begin.nanoseconds - MonotonicClock.unixNanoseconds()
        var (last, blocks) = (begin, 0)
        while blocks < limits.blocks, isOurs(block) {
            unsafe read(ring + block * limits.blockSize, offset: offset, now: begin)
            giveBack(block)
            block = (block + 1) % limits.blocks
            blocks += 1
            let now = MonotonicClock.now()
            credit -= now - last
            last = now
            guard credit > .zero else { return pauses += 1 }
        }
    }

    private func read(_ block: UnsafeMutableRawPointer, offset clockOffset: Int64, now: Instant) {
        let description = unsafe waldo_packet_block_read(block)
        var place = Int(description.first_offset)
        for _ in 0..<description.packets {
            // The kernel keeps these bounds; memory that is shared is not trusted all the same.
            guard place + Self.headerSize <= limits.blockSize else { return }
            let packet = unsafe waldo_packet_read(block + place)
            let start = place + Int(packet.offset)
            guard start + Int(packet.captured) <= limits.blockSize else { return }
            let bytes = unsafe UnsafeRawBufferPointer(start: block + start, count: Int(packet.captured))
            let when = min(now, max(Instant(nanoseconds: packet.nanoseconds + clockOffset), now - Self.oldest))
            seen += 1
            unsafe onPacket(
                CapturedPacket(
                    bytes: Span(_unsafeElements: bytes.assumingMemoryBound(to: UInt8.self)), wireLength: Int(packet.wire_length),
                    isOutgoing: packet.is_outgoing != 0, interface: packet.interface, when: when))
            guard packet.next_offset > 0 else { return }
            place += Int(packet.next_offset)
        }
    }

    /// A packet that seems older has a stamp from before Unix time was set anew.
    private static let oldest = Duration.seconds(5)

    private func isOurs(_ block: Int) -> Bool { unsafe status(block).pointee.load(ordering: .acquiring) & 1 != 0 }
    private func giveBack(_ block: Int) { unsafe status(block).pointee.store(0, ordering: .releasing) }
    private func status(_ block: Int) -> UnsafeMutablePointer<Atomic<UInt32>> {
        unsafe (ring + block * limits.blockSize + Self.statusOffset).assumingMemoryBound(to: Atomic<UInt32>.self)
    }

    // MARK: Cost

    /// What the loop and the kernel take around a wake, which is not measured here.
    private static let wakeCost = Duration.microseconds(4)

    private func grow(at now: Instant) {
        credit = min(limits.longestCredit, credit + .seconds((now - creditAt).seconds * limits.share))
        creditAt = now
    }
}
