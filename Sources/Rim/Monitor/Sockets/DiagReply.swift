import Usage
import Wire

/// A socket as the kernel's tables list it.
public struct SocketListing: Sendable, Equatable {
    /// Without its owner until `ProcessTable.fillOwners` has found it.
    public var sample: SocketSample
    /// By which `/proc/<pid>/fd` names it; 0: it belongs to no process any more.
    public var inode: UInt64
    /// Of whoever made it.
    public var userID: UInt32

    public init(sample: SocketSample, inode: UInt64, userID: UInt32 = 0) {
        (self.sample, self.inode, self.userID) = (sample, inode, userID)
    }
}

/// The messages of one read from a netlink socket. Whatever the bytes are, nothing traps; what is cut short ends the walk.
package struct DiagReply {
    package enum Message {
        case socket(SocketListing)
        /// The end of a dump, or an acknowledgement.
        case done
        /// A positive error number.
        case failed(Int32)
    }

    /// False from `body` ends the walk.
    package static func forEach(in bytes: Span<UInt8>, _ transport: Transport, sequence: UInt32, _ body: (Message) -> Bool) {
        var offset = 0
        while bytes.count - offset >= 16 {
            let length = Int(bytes.host32(at: offset))
            guard length >= 16, length <= bytes.count - offset else { return }
            // What answers an earlier question that was given up is not ours.
            if bytes.host32(at: offset + 8) == sequence {
                let payload = bytes.extracting((offset + 16)..<(offset + length))
                if let message = message(of: bytes.host16(at: offset + 4), payload, transport), !body(message) { return }
            }
            offset += (length + 3) & ~3
        }
    }

    private static func message(of type: UInt16, _ payload: Span<UInt8>, _ transport: Transport) -> Message? {
        switch type {
        case 2:  // NLMSG_ERROR
            guard payload.count >= 4 else { return nil }
            let code = Int32(bitPattern: payload.host32(at: 0))
            return code == 0 ? .done : .failed(code == .min ? .max : abs(code))
        case 3: return .done  // NLMSG_DONE
        case 20: return listing(payload, transport).map { .socket($0) }  // SOCK_DIAG_BY_FAMILY
        default: return nil
        }
    }

    /// An `inet_diag_msg` of 72 bytes and its attributes.
    package static func listing(_ bytes: Span<UInt8>, _ transport: Transport) -> SocketListing? {
        guard bytes.count >= 72 else { return nil }
        let family = bytes[0], state = bytes[1]
        guard let local = address(bytes, family, at: 8), let remote = address(bytes, family, at: 24) else { return nil }
        let (localPort, remotePort) = (bytes.u16(at: 4), bytes.u16(at: 6))
        // TCP_LISTEN
        let isListening = transport == .tcp && state == 10
        var sample = SocketSample(
            transport, local: SocketAddress(local, localPort),
            remote: remotePort == 0 || isListening ? nil : SocketAddress(remote, remotePort), isListening: isListening)
        if transport == .tcp, !isListening { readInfo(bytes.extracting(72..<bytes.count), into: &sample) }
        return SocketListing(sample: sample, inode: UInt64(bytes.host32(at: 68)), userID: bytes.host32(at: 64))
    }

    private static func address(_ bytes: Span<UInt8>, _ family: UInt8, at offset: Int) -> IPAddress? {
        switch family {
        case 2: IPAddress(bytes: bytes.extracting(offset..<(offset + 4)))
        case 10: IPAddress(bytes: bytes.extracting(offset..<(offset + 16)))
        default: nil
        }
    }

    /// The fields of `tcp_info` by their places (linux/tcp.h); an older kernel's is shorter, its missing fields stay 0.
    private static func readInfo(_ attributes: Span<UInt8>, into sample: inout SocketSample) {
        var offset = 0
        while attributes.count - offset >= 4 {
            let length = Int(attributes.host16(at: offset))
            guard length >= 4, length <= attributes.count - offset else { return }
            if attributes.host16(at: offset + 2) == 2 {  // INET_DIAG_INFO
                let info = attributes.extracting((offset + 4)..<(offset + length))
                if info.count >= 72 {
                    let microseconds = Int(info.host32(at: 68))
                    sample.roundTrip = microseconds > 0 ? .microseconds(microseconds) : nil
                }
                if info.count >= 144 {
                    (sample.bytesSent, sample.bytesReceived) = (info.host64(at: 120), info.host64(at: 128))
                    (sample.segmentsSent, sample.segmentsReceived) = (UInt64(info.host32(at: 136)), UInt64(info.host32(at: 140)))
                }
            }
            offset += (length + 3) & ~3
        }
    }
}

extension Span<UInt8> {
    // Fields in the host's order. The caller has checked that they lie inside.
    func host16(at offset: Int) -> UInt16 { UInt16(bigEndian: u16(at: offset)) }
    func host32(at offset: Int) -> UInt32 { UInt32(bigEndian: u32(at: offset)) }
    func host64(at offset: Int) -> UInt64 { UInt64(bigEndian: UInt64(u32(at: offset)) << 32 | UInt64(u32(at: offset + 4))) }
}
