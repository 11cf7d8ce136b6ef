import Wire

/// One of the ways out of this host: a UDP socket, or one TCP/TLS connection. The rim gives the numbers; the core only compares them.
public struct TransportID: Sendable, Hashable {
    public let rawValue: UInt32
    public init(_ rawValue: UInt32) { self.rawValue = rawValue }
}

/// A local transport and the far address on it: what a datagram travels along.
public struct NetworkPath: Sendable, Hashable {
    public let transport: TransportID
    public let remote: SocketAddress

    public init(_ transport: TransportID, _ remote: SocketAddress) {
        self.transport = transport
        self.remote = remote
    }
}

/// One or more datagrams for one path, laid end to end, all `segmentSize` bytes but the last, which may be shorter:
/// the form that UDP generic segmentation offload takes in one call.
public struct Datagrams: Sendable {
    public var path: NetworkPath
    public var bytes: [UInt8]
    public var segmentSize: Int

    public init(path: NetworkPath, bytes: [UInt8], segmentSize: Int) {
        self.path = path
        self.bytes = bytes
        self.segmentSize = segmentSize
    }

    public init(path: NetworkPath, single bytes: [UInt8]) {
        self.init(path: path, bytes: bytes, segmentSize: bytes.count)
    }

    /// The datagrams one by one, copied.
    public func split() -> [[UInt8]] {
        stride(from: 0, to: bytes.count, by: max(segmentSize, 1)).map { Array(bytes[$0..<min($0 + segmentSize, bytes.count)]) }
    }

    /// How many datagrams `bytes` holds.
    public var count: Int { bytes.isEmpty ? 0 : (bytes.count + segmentSize - 1) / segmentSize }
}
