import Wire

/// Where a peer's datagram stands in what goes between a client and its TURN server (RFC 8656 clauses 11 and 12).
struct RelayedData: Sendable, Equatable {
    var offset: Int
    /// On the wire.
    var length: Int

    /// Channel data; over UDP its length field says all of the datagram but padding. In what the kernel has not yet cut into datagrams
    /// (longer than any network carries) more of them follow.
    init?(channelData bytes: Span<UInt8>, length: Int) {
        guard bytes.count >= 4, (64...79).contains(bytes[0]) else { return nil }
        self.init(offset: 4, length: Int(bytes.u16(at: 2)))
        let rest = length - offset - self.length
        guard self.length > 0, rest >= 0, rest < 4 || length > Datagram.largestOnTheWire else { return nil }
    }

    /// The DATA attribute (0x0013) of a Send or Data indication.
    init?(indication bytes: Span<UInt8>, _ header: STUNHeader) {
        guard header.isRelayed else { return nil }
        var start = STUNHeader.length
        let end = STUNHeader.length + header.bodyLength
        while start + 4 <= min(end, bytes.count) {
            let length = Int(bytes.u16(at: start + 2))
            guard start + 4 + length <= end else { return nil }
            if bytes.u16(at: start) == 0x0013 {
                guard start + 4 < bytes.count else { return nil }
                self.init(offset: start + 4, length: length)
                return
            }
            start += 4 + (length + 3) / 4 * 4
        }
        return nil
    }

    private init(offset: Int, length: Int) { (self.offset, self.length) = (offset, length) }
}
