import Wire

/// What is looked at of a ZeroMQ message: its first 4 KiB over all parts, in at most 64 parts (section 9). The storage is used again for the
/// next message.
public struct ZMQMessage: Sendable, Equatable {
    /// Bytes looked at of one message.
    public static let limit = 4096
    /// Parts looked at of one message.
    public static let partLimit = 64

    public private(set) var bytes: [UInt8] = []
    /// Where each part ends in `bytes`. What lies beyond the limits is in none.
    public private(set) var ends: [Int] = []
    /// Bytes of all parts, those that were skipped among them.
    public private(set) var length = 0

    public init() {}

    /// A message whose parts are known, for tests and tools.
    public init(parts: [[UInt8]]) {
        for part in parts {
            append(part.span)
            endPart()
        }
    }

    mutating func clear() {
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        length = 0
    }

    mutating func append(_ piece: Span<UInt8>) {
        length &+= piece.count
        guard ends.count < Self.partLimit else { return }
        let room = Self.limit - bytes.count
        if room > 0 { bytes.append(span: piece.extracting(0..<min(room, piece.count))) }
    }

    mutating func endPart() {
        if ends.count < Self.partLimit { ends.append(bytes.count) }
    }
}
