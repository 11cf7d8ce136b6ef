import Wire

extension Packet {
    /// Reads the headers of a captured IPv4 or IPv6 packet that carries UDP or TCP (RFC 791, 8200, 768, 9293); nil for everything else, for
    /// fragments but the first and for what is cut short. Nothing traps and nothing is allocated.
    /// - Parameters:
    ///   - bytes: the packet from its IP header on, as much as was captured.
    ///   - wireLength: its length before it was cut, from the IP header on; bytes.
    ///   - interface: the kernel's number of the network interface.
    public init?(parsing bytes: Span<UInt8>, wireLength: Int, isOutgoing: Bool, interface: Int32) {
        guard let ip = IPHeader(bytes, wireLength: max(wireLength, bytes.count)) else { return nil }
        let start = ip.headerLength
        guard bytes.count >= start + 8 else { return nil }
        let source = SocketAddress(ip.source, bytes.u16(at: start))
        let destination = SocketAddress(ip.destination, bytes.u16(at: start + 2))
        switch ip.next {
        case Transport.udp.rawValue:
            let said = Int(bytes.u16(at: start + 4))
            guard said == 0 || said >= 8 else { return nil }
            // The other fragments are never looked at, so the first one stands for the whole datagram.
            let length = said == 0 ? ip.payloadLength : ip.isFirstFragment ? said : min(said, ip.payloadLength)
            guard length >= 8 else { return nil }
            self.init(
                .udp, from: source, to: destination, isOutgoing: isOutgoing, interface: interface, payloadOffset: start + 8,
                payloadLength: length - 8)
        case Transport.tcp.rawValue:
            guard bytes.count >= start + 20 else { return nil }
            let header = 4 * Int(bytes[start + 12] >> 4)
            guard header >= 20, header <= ip.payloadLength else { return nil }
            self.init(
                .tcp, from: source, to: destination, isOutgoing: isOutgoing, interface: interface,
                payloadOffset: min(start + header, bytes.count), payloadLength: ip.payloadLength - header,
                tcpFlags: TCPFlags(rawValue: bytes[start + 13]), tcpSequence: bytes.u32(at: start + 4))
        default: return nil
        }
    }
}

/// What is wanted of an IP header and the extension headers after it.
private struct IPHeader {
    var source: IPAddress
    var destination: IPAddress
    var next: UInt8
    var headerLength: Int
    /// Bytes after the headers, on the wire.
    var payloadLength: Int
    var isFirstFragment = false

    init?(_ bytes: Span<UInt8>, wireLength: Int) {
        guard bytes.count >= 20 else { return nil }
        switch bytes[0] >> 4 {
        case 4: self.init(v4: bytes, wireLength: wireLength)
        case 6: self.init(v6: bytes, wireLength: wireLength)
        default: return nil
        }
    }

    private init?(v4 bytes: Span<UInt8>, wireLength: Int) {
        headerLength = 4 * Int(bytes[0] & 15)
        guard headerLength >= 20, bytes.count >= headerLength else { return nil }
        let fragment = bytes.u16(at: 6)
        guard fragment & 0x1FFF == 0 else { return nil }
        isFirstFragment = fragment & 0x2000 != 0
        // Zero: the sender left the length to the network card, which cuts the packet up (TSO).
        let total = bytes.u16(at: 2) == 0 ? wireLength : min(Int(bytes.u16(at: 2)), wireLength)
        guard total >= headerLength else { return nil }
        payloadLength = total - headerLength
        next = bytes[9]
        source = IPAddress(v4: bytes.u32(at: 12))
        destination = IPAddress(v4: bytes.u32(at: 16))
    }

    private init?(v6 bytes: Span<UInt8>, wireLength: Int) {
        guard bytes.count >= 40 else { return nil }
        let said = Int(bytes.u16(at: 4))
        let total = said == 0 ? wireLength : min(40 + said, wireLength)
        (next, headerLength) = (bytes[6], 40)
        source = IPHeader.address(in: bytes, at: 8)
        destination = IPHeader.address(in: bytes, at: 24)
        payloadLength = 0
        guard skipExtensions(bytes), total >= headerLength else { return nil }
        payloadLength = total - headerLength
    }

    /// Moves on to the transport's header (RFC 8200 clause 4); false when it is not reached in 8 headers or in what was captured.
    private mutating func skipExtensions(_ bytes: Span<UInt8>) -> Bool {
        for _ in 0..<8 {
            guard next == 0 || next == 43 || next == 44 || next == 51 || next == 60 else { return true }
            guard bytes.count >= headerLength + 8 else { return false }
            let length = Int(bytes[headerLength + 1])
            switch next {
            case 44:  // fragment
                let fragment = bytes.u16(at: headerLength + 2)
                guard fragment & 0xFFF8 == 0 else { return false }
                isFirstFragment = fragment & 1 != 0
                next = bytes[headerLength]
                headerLength += 8
            case 51:  // authentication, counted in words less two (RFC 4302)
                next = bytes[headerLength]
                headerLength += 4 * (length + 2)
            default:
                next = bytes[headerLength]
                headerLength += 8 * (length + 1)
            }
        }
        return false
    }

    private static func address(in bytes: Span<UInt8>, at offset: Int) -> IPAddress {
        IPAddress(
            high: UInt64(bytes.u32(at: offset)) << 32 | UInt64(bytes.u32(at: offset + 4)),
            low: UInt64(bytes.u32(at: offset + 8)) << 32 | UInt64(bytes.u32(at: offset + 12)))
    }
}
