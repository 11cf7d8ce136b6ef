import Wire

/// One message of a TCP connection: STUN or channel data as they are (RFC 8489 clause 6.2.2, RFC 8656 clause 12.5), or a datagram behind two
/// bytes of length (RFC 4571, RFC 6544).
struct StreamFrame {
    /// As much as tells every kind of message apart, and what frames it.
    private static let headerLength = 2 + STUNHeader.length

    /// nil: too little of it was seen to tell what it is.
    var datagram: Datagram?
    /// With what frames it, bytes.
    var length: Int

    /// nil: nothing of the kind begins here.
    /// - Parameter isExpected: that a message begins here is known from the one before, so its length is believed where the rest is cut off.
    init?(_ bytes: Span<UInt8>, isExpected: Bool) {
        guard bytes.count >= 8 else { return nil }
        let field = Int(bytes.u16(at: 2))
        switch bytes[0] {
        case 0...3 where bytes.u32(at: 4) == STUNHeader.cookie:
            length = STUNHeader.length + field
            datagram = Datagram(bytes, length: length)
        case 64...79:
            length = 4 + (field + 3) / 4 * 4
            datagram = Datagram(bytes, length: 4 + field)
        default:
            let inner = Int(bytes.u16(at: 0))
            length = 2 + inner
            datagram = Datagram(bytes.extracting(2..<bytes.count), length: inner)
            // Too weak a sign where it is not known that a message begins.
            if datagram == .bareDTLS, !isExpected { return nil }
        }
        if datagram == nil, !isExpected || bytes.count >= Self.headerLength { return nil }
    }
}

/// Where messages begin in one direction of a TCP connection, of whose segments only the first bytes are seen.
struct StreamFraming: Sendable {
    /// The sequence number behind all that was seen.
    private var end: UInt32?
    /// Where the next message begins, if that is known.
    private var next: UInt32?

    /// The first beginning of a message in a segment, which may be beyond what was captured; nil: none, or the segment comes again.
    /// Where it is not known, messages are looked for at the beginning of a segment: most senders write whole ones.
    mutating func beginning(sequence: UInt32, length: Int) -> (offset: Int, isExpected: Bool)? {
        let segmentEnd = sequence &+ UInt32(truncatingIfNeeded: length)
        if let end, Int32(bitPattern: segmentEnd &- end) <= 0 { return nil }
        end = segmentEnd
        guard let next else { return (0, false) }
        let offset = Int(Int32(bitPattern: next &- sequence))
        return offset < 0 ? (0, false) : offset < length ? (offset, true) : nil
    }

    /// What was made of the segment: messages up to `offset`; the last one may end beyond the segment. nil: nothing was understood.
    mutating func read(sequence: UInt32, length: Int, upTo offset: Int?) {
        guard let offset, offset >= length else { return next = nil }
        next = sequence &+ UInt32(truncatingIfNeeded: offset)
    }
}
