internal import CUsrsctp
import Glibc
import RTC
import Wire

/// One SCTP association over DTLS (RFC 8261) on usrsctp.
@safe final class UsrsctpAssociation: SCTPAssociation {
    /// Send and receive buffer, in bytes.
    static let bufferSize = 1 << 20
    /// Our acknowledgement of data that nothing else of ours could carry is due so long after it.
    private static let acknowledgementDelay = Duration.milliseconds(20)
    /// No retransmission timer runs out sooner: the smallest one, less two ticks.
    private static let shortestTimer = Duration.milliseconds(180)
    /// A stream reset is repeated until it is answered.
    private static let resetTime = Duration.milliseconds(2000)
    /// For heartbeats.
    private static let idleTick = Duration.milliseconds(1000)

    private let stack: SCTPStack
    private let parameters: SCTPParameters
    private let id: UInt
    private let mailbox: SCTPMailbox
    private var socket: OpaquePointer?
    private var activeUntil = Instant.zero
    private var acknowledgesAt = Instant.zero
    /// Since when bytes of ours wait for their acknowledgement.
    private var waitsSince: Instant?

    init(_ parameters: SCTPParameters, stack: SCTPStack) {
        self.stack = stack
        self.parameters = parameters
        (id, mailbox) = stack.register()
    }

    deinit { release() }

    func start(at now: Instant) {
        guard unsafe socket == nil, !mailbox.isOver else { return }
        stack.advance(to: now)
        do throws(SocketFailure) {
            unsafe socket = try SCTPSocket.open(id: id, parameters)
        } catch {
            mailbox.end(.failed(reason: "SCTP: usrsctp refuses \(error.attempt) (errno \(error.code))"))
        }
        leave()
    }

    func receive(_ packet: Span<UInt8>, at now: Instant) {
        guard unsafe socket != nil, packet.count >= 12 else { return }
        stack.advance(to: now)
        mailbox.hearsAbort = packet.hasChunk(SCTPChunk.abort)
        if !mailbox.owesAcknowledgement, packet.hasChunk(SCTPChunk.data) {
            mailbox.owesAcknowledgement = true
            acknowledgesAt = stack.lastTick + Self.acknowledgementDelay
        }
        unsafe packet.withUnsafeBufferPointer {
            unsafe usrsctp_conninput(UnsafeMutableRawPointer(bitPattern: id), $0.baseAddress, $0.count, 0)
        }
        mailbox.hearsAbort = false
        leave()
    }

    func send(_ message: SCTPMessage, at now: Instant) -> Bool {
        guard let socket = unsafe socket, mailbox.isConnected, !message.bytes.isEmpty, message.bytes.count <= parameters.maximumMessage
        else { return false }
        stack.advance(to: now)
        let isTaken = unsafe SCTPSocket.send(message, on: socket, askForSACK: mailbox.bufferedBytes == 0, mailbox)
        leave()
        return isTaken
    }

    func reset(_ streams: [StreamID], at now: Instant) {
        guard let socket = unsafe socket, mailbox.isConnected, !streams.isEmpty else { return }
        stack.advance(to: now)
        activeUntil = max(activeUntil, now + Self.resetTime)
        unsafe SCTPSocket.reset(streams, on: socket)
        leave()
    }

    func advance(to now: Instant) {
        stack.advance(to: now)
        leave()
    }

    func close(at now: Instant) {
        stack.advance(to: now)
        mailbox.isOver = true
        leave()
    }

    var deadline: Instant? {
        guard unsafe socket != nil else { return nil }
        // The library's timers run for all associations at once: whoever told it the time may have made it speak for this one.
        if !mailbox.isDrained { return stack.lastTick }
        if !mailbox.isConnected || stack.lastTick < activeUntil { return stack.lastTick + SCTPStack.tick }
        var deadline = stack.lastTick + Self.idleTick
        // What is overdue is tried again with every tick.
        if let waitsSince { deadline = min(deadline, max(waitsSince + Self.shortestTimer, stack.lastTick + SCTPStack.tick)) }
        // Not for ever: the peer may send what the library does not acknowledge.
        if mailbox.owesAcknowledgement, stack.lastTick < acknowledgesAt + SCTPStack.tick {
            deadline = min(deadline, max(acknowledgesAt, stack.lastTick + SCTPStack.tick))
        }
        return deadline
    }

    var bufferedBytes: Int { mailbox.bufferedBytes }

    func nextPacket() -> [UInt8]? { mailbox.packets.popFirst() }

    func nextEvent() -> SCTPEvent? { mailbox.nextEvent() }

    private func leave() {
        waitsSince = mailbox.bufferedBytes > 0 ? waitsSince ?? stack.lastTick : nil
        // A socket must not be closed from within its own callback.
        if mailbox.isOver { release() }
    }

    /// Aborts what is left of the association.
    private func release() {
        stack.assertOwner()
        if let socket = unsafe socket {
            unsafe self.socket = nil
            unsafe SCTPSocket.abort(socket)
        }
        mailbox.isConnected = false
        mailbox.bufferedBytes = 0
        stack.deregister(id)
    }
}

/// Types of chunks (RFC 9260 clause 3.2).
enum SCTPChunk {
    static let data: UInt8 = 0
    static let acknowledgement: UInt8 = 3
    static let abort: UInt8 = 6
}

extension Span<UInt8> {
    /// Whether a chunk of this type is in the packet.
    fileprivate func hasChunk(_ type: UInt8) -> Bool {
        var offset = 12
        while offset + 4 <= count {
            if self[offset] == type { return true }
            let length = Int(self[offset + 2]) << 8 | Int(self[offset + 3])
            guard length >= 4 else { return false }
            offset += (length + 3) & ~3
        }
        return false
    }
}
