import RTC
import Wire

/// What usrsctp has said about one association and its owner has not yet fetched. Its callbacks come in the middle of any call to the library,
/// so they only put things here.
final class SCTPMailbox {
    /// Largest message that is taken from a peer, in bytes: what `a=max-message-size` promises.
    static let largestMessage = 262_144
    /// What may wait for `nextEvent`; more than this a peer's window does not allow.
    private static let largestBacklog = 4 << 20

    var packets = Ring<[UInt8]>(limit: 4096)
    var events = Ring<SCTPEvent>(limit: 32_768)
    /// Packets that found `packets` full; SCTP repeats them.
    var droppedPackets = 0
    /// Bytes in the library's send buffer.
    var bufferedBytes = 0
    var isConnected = false
    /// The association is over (an event said so); the socket is to be closed when the library's call has returned.
    var isOver = false
    /// The packet that is being received aborts the association.
    var hearsAbort = false
    /// Data came and was not yet acknowledged: the library does so after a while, when it is told the time.
    var owesAcknowledgement = false
    private var backlog = 0
    /// Beginnings of messages that come in parts.
    private var partial: [StreamID: [UInt8]] = [:]

    var isDrained: Bool { packets.isEmpty && events.isEmpty }

    func post(packet: [UInt8]) {
        // RFC 9260 clause 6.10: a SACK comes first in its packet.
        if packet.count > 12, packet[12] == SCTPChunk.acknowledgement { owesAcknowledgement = false }
        if !packets.append(packet) { droppedPackets += 1 }
    }

    func post(_ event: SCTPEvent) {
        guard !isOver else { return }
        if case .message(_, _, let bytes) = event { backlog += bytes.count }
        if backlog > Self.largestBacklog || events.count >= events.limit - 1 {
            isOver = true
            _ = events.append(.failed(reason: "SCTP: more than \(Self.largestBacklog) bytes wait to be fetched"))
            return
        }
        _ = events.append(event)
    }

    func end(_ event: SCTPEvent) {
        post(event)
        isOver = true
        isConnected = false
    }

    func nextEvent() -> SCTPEvent? {
        guard let event = events.popFirst() else { return nil }
        if case .message(_, _, let bytes) = event { backlog -= bytes.count }
        return event
    }

    func receive(stream: StreamID, protocolID: UInt32, bytes: [UInt8], isComplete: Bool) {
        guard isComplete, partial.isEmpty else { return assemble(stream, protocolID, bytes, isComplete) }
        guard bytes.count <= Self.largestMessage else { return refuse(stream, bytes.count) }
        post(.message(stream: stream, protocolID: protocolID, bytes: bytes))
    }

    /// The peer gave up a message of which parts were delivered.
    func abandonPartial(_ stream: StreamID) { _ = takePartial(stream) }

    private func takePartial(_ stream: StreamID) -> [UInt8] {
        let taken = partial.removeValue(forKey: stream) ?? []
        backlog -= taken.count
        return taken
    }

    private func assemble(_ stream: StreamID, _ protocolID: UInt32, _ bytes: [UInt8], _ isComplete: Bool) {
        let message = takePartial(stream) + bytes
        guard message.count <= Self.largestMessage else { return refuse(stream, message.count) }
        if isComplete {
            post(.message(stream: stream, protocolID: protocolID, bytes: message))
        } else {
            backlog += message.count
            partial[stream] = message
        }
    }

    private func refuse(_ stream: StreamID, _ count: Int) {
        end(
            .failed(
                reason:
                    "SCTP: a message of at least \(count) bytes on stream \(stream.rawValue); at most \(Self.largestMessage) were offered"))
    }
}
