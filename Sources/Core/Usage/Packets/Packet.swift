import Wire

public enum Transport: UInt8, Sendable, Hashable {
    case udp = 17
    case tcp = 6
}

/// A UDP or TCP flow; `local` is this host's end, on loopback the service's (TCP: the listening side; UDP: the receiver of the first packet).
public struct FlowKey: Sendable, Hashable {
    public var transport: Transport
    public var local: SocketAddress
    public var remote: SocketAddress

    public init(_ transport: Transport, local: SocketAddress, remote: SocketAddress) {
        (self.transport, self.local, self.remote) = (transport, local, remote)
    }
}

/// The headers of a captured packet, from the network layer on.
public struct Packet: Sendable, Equatable {
    public var transport: Transport
    public var source: SocketAddress
    public var destination: SocketAddress
    /// Sent by this host; on loopback, where each packet is looked at once, its receiver is this host, too, and this is false.
    public var isOutgoing: Bool
    /// The kernel's number of the network interface.
    public var interface: Int32
    /// Where the transport's payload begins in what was captured.
    public var payloadOffset: Int
    /// The payload's bytes on the wire; what was captured may be less.
    public var payloadLength: Int
    public var tcpFlags: TCPFlags
    public var tcpSequence: UInt32

    public struct TCPFlags: OptionSet, Sendable, Hashable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        public static let fin = TCPFlags(rawValue: 1), syn = TCPFlags(rawValue: 2), rst = TCPFlags(rawValue: 4)
        public static let ack = TCPFlags(rawValue: 16)
    }

    public init(
        _ transport: Transport, from source: SocketAddress, to destination: SocketAddress, isOutgoing: Bool, interface: Int32 = 1,
        payloadOffset: Int, payloadLength: Int, tcpFlags: TCPFlags = [], tcpSequence: UInt32 = 0
    ) {
        (self.transport, self.source, self.destination) = (transport, source, destination)
        (self.isOutgoing, self.interface) = (isOutgoing, interface)
        (self.payloadOffset, self.payloadLength) = (payloadOffset, payloadLength)
        (self.tcpFlags, self.tcpSequence) = (tcpFlags, tcpSequence)
    }

    public var isLoopback: Bool { source.ip.isLoopback || source.ip == destination.ip }
}

/// Who owns an end of a flow.
public struct FlowOwner: Sendable, Hashable {
    public var pid: Int32
    /// The program's name, at most 15 bytes (`/proc/<pid>/comm`).
    public var process: String
    /// `OPERATOR_ID` of its environment; nil: not set or not readable.
    public var operatorID: String?
    /// `USER` of its environment.
    public var user: String?

    public init(pid: Int32, process: String, operatorID: String? = nil, user: String? = nil) {
        (self.pid, self.process, self.operatorID, self.user) = (pid, process, operatorID, user)
    }
}

/// A socket as the kernel's tables tell of it, for when nothing is captured.
public struct SocketSample: Sendable, Equatable {
    public var transport: Transport
    public var local: SocketAddress
    /// nil: listening, or a UDP socket that is not connected.
    public var remote: SocketAddress?
    public var isListening: Bool
    public var owner: FlowOwner?
    /// Payload bytes since it was opened; 0 for UDP, where the kernel keeps none.
    public var bytesReceived: UInt64
    public var bytesSent: UInt64
    public var segmentsReceived: UInt64
    public var segmentsSent: UInt64
    /// Of TCP, smoothed.
    public var roundTrip: Duration?

    public init(
        _ transport: Transport, local: SocketAddress, remote: SocketAddress?, isListening: Bool = false, owner: FlowOwner? = nil,
        bytesReceived: UInt64 = 0, bytesSent: UInt64 = 0, segmentsReceived: UInt64 = 0, segmentsSent: UInt64 = 0, roundTrip: Duration? = nil
    ) {
        (self.transport, self.local, self.remote) = (transport, local, remote)
        (self.isListening, self.owner) = (isListening, owner)
        (self.bytesReceived, self.bytesSent) = (bytesReceived, bytesSent)
        (self.segmentsReceived, self.segmentsSent) = (segmentsReceived, segmentsSent)
        self.roundTrip = roundTrip
    }
}
