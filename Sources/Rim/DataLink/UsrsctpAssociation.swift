internal import CUsrsctp
import Glibc
import RTC
import Wire

/// One SCTP association over DTLS (RFC 8261) on usrsctp.
@safe final class UsrsctpAssociation: SCTPAssociation {
    /// Send and receive buffer, in bytes.
    static let bufferSize = 1 << 20
    /// After a packet or a message timers run at `SCTPStack.tick` for this long, for the delayed acknowledgement (20 ms); while bytes wait for
    /// theirs, as long as that takes; else at `idleTick`, which is for heartbeats.
    private static let activeTime = Duration.milliseconds(100)
    /// A stream reset is repeated until it is answered.
    private static let resetTime = Duration.milliseconds(2000)
    private static let idleTick = Duration.milliseconds(200)

    private let stack: SCTPStack
    private let parameters: SCTPParameters
    private let id: UInt
    private let mailbox: SCTPMailbox
    private var socket: OpaquePointer?
    private var activeUntil = Instant.zero

    init(_ parameters: SCTPParameters, stack: SCTPStack) {
        self.stack = stack
        self.parameters = parameters
        (id, mailbox) = stack.register()
    }

    deinit { release() }

    func start(at now: Instant) {
        guard unsafe socket == nil, !mailbox.isOver else { return }
        enter(at: now)
        do throws(SocketFailure) {
            unsafe socket = try SCTPSocket.open(id: id, parameters)
        } catch {
            mailbox.end(.failed(reason: "SCTP: usrsctp refuses \(error.attempt) (errno \(error.code))"))
        }
        leave()
    }

    func receive(_ packet: Span<UInt8>, at now: Instant) {
        guard unsafe socket != nil, packet.count >= 12 else { return }
        enter(at: now)
        mailbox.hearsAbort = packet.hasAbortChunk
        unsafe packet.withUnsafeBufferPointer {
            unsafe usrsctp_conninput(UnsafeMutableRawPointer(bitPattern: id), $0.baseAddress, $0.count, 0)
        }
        mailbox.hearsAbort = false
        leave()
    }

    func send(_ message: SCTPMessage, at now: Instant) -> Bool {
        guard let socket = unsafe socket, mailbox.isConnected, !message.bytes.isEmpty, message.bytes.count <= parameters.maximumMessage
        else { return false }
        enter(at: now)
        let isTaken = unsafe SCTPSocket.send(message, on: socket, askForSACK: mailbox.bufferedBytes == 0, mailbox)
        leave()
        return isTaken
    }

    func reset(_ streams: [StreamID], at now: Instant) {
        guard let socket = unsafe socket, mailbox.isConnected, !streams.isEmpty else { return }
        enter(at: now)
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
        let isActive = mailbox.bufferedBytes > 0 || !mailbox.isConnected || stack.lastTick < activeUntil
        return stack.lastTick + (isActive ? SCTPStack.tick : Self.idleTick)
    }

    var bufferedBytes: Int { mailbox.bufferedBytes }

    func nextPacket() -> [UInt8]? { mailbox.packets.popFirst() }

    func nextEvent() -> SCTPEvent? { mailbox.nextEvent() }

    private func enter(at now: Instant) {
        stack.advance(to: now)
        activeUntil = max(activeUntil, now + Self.activeTime)
    }

    /// A socket must not be closed from within its own callback.
    private func leave() {
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

extension Span<UInt8> {
    /// Whether an ABORT (RFC 9260 clause 3.3.7) is among the chunks of this packet.
    fileprivate var hasAbortChunk: Bool {
        var offset = 12
        while offset + 4 <= count {
            if self[offset] == 6 { return true }
            let length = Int(self[offset + 2]) << 8 | Int(self[offset + 3])
            guard length >= 4 else { return false }
            offset += (length + 3) & ~3
        }
        return false
    }
}
