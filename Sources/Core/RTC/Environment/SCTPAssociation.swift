import Wire

public struct SCTPParameters: Sendable {
    public var localPort: UInt16
    public var remotePort: UInt16
    /// Largest SCTP packet that fits one DTLS record on the path, in bytes.
    public var maximumPacket: Int
    /// Largest message that we send, from the peer's `a=max-message-size` (RFC 8841 clause 6).
    public var maximumMessage: Int

    public init(localPort: UInt16 = 5000, remotePort: UInt16 = 5000, maximumPacket: Int = 1163, maximumMessage: Int = 262_144) {
        self.localPort = localPort
        self.remotePort = remotePort
        self.maximumPacket = maximumPacket
        self.maximumMessage = maximumMessage
    }
}

/// SCTP stream number, 0…65534; a data channel's id (RFC 8831 clause 6.1).
public struct StreamID: Sendable, Hashable, Comparable {
    public let rawValue: UInt16
    public init(_ rawValue: UInt16) { self.rawValue = rawValue }
    public static func < (a: StreamID, b: StreamID) -> Bool { a.rawValue < b.rawValue }
}

/// How hard SCTP tries (RFC 3758, RFC 7496).
public enum Reliability: Sendable, Hashable {
    case reliable
    /// Retransmissions after the first transmission, 0…65535.
    case maxRetransmits(UInt16)
    case maxLifetime(milliseconds: UInt16)
}

public struct SCTPMessage: Sendable {
    public var stream: StreamID
    /// Payload protocol identifier (RFC 8831 clause 8).
    public var protocolID: UInt32
    public var bytes: [UInt8]
    public var isOrdered: Bool
    public var reliability: Reliability

    public init(stream: StreamID, protocolID: UInt32, bytes: [UInt8], isOrdered: Bool = true, reliability: Reliability = .reliable) {
        self.stream = stream
        self.protocolID = protocolID
        self.bytes = bytes
        self.isOrdered = isOrdered
        self.reliability = reliability
    }
}

public enum SCTPEvent: Sendable {
    case connected
    case message(stream: StreamID, protocolID: UInt32, bytes: [UInt8])
    /// The peer reset its outgoing side of these streams (RFC 6525): their channels close.
    case incomingReset([StreamID])
    /// Our own reset was carried out.
    case outgoingReset([StreamID])
    case closed
    case failed(reason: String)
}

/// One SCTP association over DTLS (RFC 8261) as a machine that is told packets and the time. Both sides call `start`.
public protocol SCTPAssociation: AnyObject {
    func start(at now: Instant)
    func receive(_ packet: Span<UInt8>, at now: Instant)
    /// False: the send buffer is full (see `bufferedBytes`), the message was not taken.
    func send(_ message: SCTPMessage, at now: Instant) -> Bool
    /// Resets our outgoing side of the streams.
    func reset(_ streams: [StreamID], at now: Instant)
    func advance(to now: Instant)
    /// Aborts.
    func close(at now: Instant)
    var deadline: Instant? { get }
    /// Bytes taken by `send` and not yet acknowledged by the peer.
    var bufferedBytes: Int { get }
    func nextPacket() -> [UInt8]?
    func nextEvent() -> SCTPEvent?
}
