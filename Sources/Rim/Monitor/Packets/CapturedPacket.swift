import Reactor
import Wire

/// A packet as the kernel's filter let it through, borrowed from the ring for the length of a call.
public struct CapturedPacket: ~Escapable {
    /// From the IP header on, as much of it as the filter keeps.
    public let bytes: Span<UInt8>
    /// Bytes from the IP header on, on the wire: what was captured may be less.
    public let wireLength: Int
    /// Sent by this host, to another: of a loopback packet only the arrival is shown.
    public let isOutgoing: Bool
    /// The kernel's number of the network interface.
    public let interface: Int32
    /// When the packet passed, on the reactor's clock.
    public let when: Instant

    @_lifetime(copy bytes)
    init(bytes: Span<UInt8>, wireLength: Int, isOutgoing: Bool, interface: Int32, when: Instant) {
        self.bytes = bytes
        (self.wireLength, self.isOutgoing, self.interface, self.when) = (wireLength, isOutgoing, interface, when)
    }
}

/// One instruction of a classic BPF program (linux/filter.h): jumps are relative, the value returned is the number of bytes kept.
public struct FilterInstruction: Sendable, Hashable {
    /// What it does: BPF_LD, BPF_JMP … of linux/bpf_common.h.
    public var code: UInt16
    /// Instructions to skip when the test holds.
    public var jumpTrue: UInt8
    /// Instructions to skip when it does not.
    public var jumpFalse: UInt8
    /// The operand.
    public var k: UInt32

    public init(_ code: UInt16, jumpTrue: UInt8 = 0, jumpFalse: UInt8 = 0, k: UInt32) {
        (self.code, self.jumpTrue, self.jumpFalse, self.k) = (code, jumpTrue, jumpFalse, k)
    }

    /// Ends the packet's way: `bytes` of it are kept, 0: none.
    public static func keep(_ bytes: UInt32) -> FilterInstruction { FilterInstruction(0x06, k: bytes) }

    /// Lets go of what leaves by a loopback interface, which comes in again by the same one; everything else goes on to the next instruction.
    static let withoutLoopbackDoubles: [FilterInstruction] = [
        // ld [SKF_AD_OFF + SKF_AD_HATYPE]; ARPHRD_LOOPBACK
        FilterInstruction(0x20, k: ancillary + 28), FilterInstruction(0x15, jumpFalse: 3, k: 772),
        // ld [SKF_AD_OFF + SKF_AD_PKTTYPE]; PACKET_OUTGOING
        FilterInstruction(0x20, k: ancillary + 4), FilterInstruction(0x15, jumpFalse: 1, k: 4), .keep(0),
    ]

    /// SKF_AD_OFF: from here on the kernel's own knowledge of a packet is loaded.
    private static let ancillary: UInt32 = 0xFFFF_F000
}

/// Why nothing is captured.
public enum CaptureError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The right to open packet sockets is missing (section 18: reduced).
    case notPermitted
    case system(SystemError)

    public var description: String {
        switch self {
        case .notPermitted: "packet capture needs CAP_NET_RAW: setcap cap_net_raw+ep <the program>, or run it as root"
        case .system(let failure): "packet capture: \(failure)"
        }
    }
}
