import Usage
import Wire

/// Packets as the wire has them, for tests.
enum Bytes {
    static func ipv4(
        _ proto: UInt8, from source: SocketAddress, to destination: SocketAddress, _ transport: [UInt8], options: Int = 0,
        fragment: UInt16 = 0, totalLength: Int? = nil
    ) -> [UInt8] {
        var writer = ByteWriter()
        writer.u8(UInt8(0x45 + options))
        writer.u8(0)
        writer.u16(UInt16(truncatingIfNeeded: totalLength ?? 20 + 4 * options + transport.count))
        writer.u16(1)
        writer.u16(fragment)
        writer.u8(64)
        writer.u8(proto)
        writer.u16(0)
        writer.append(source.ip.bytes + destination.ip.bytes)
        writer.append([UInt8](repeating: 1, count: 4 * options))
        writer.append(transport)
        return writer.bytes
    }

    static func ipv6(
        _ next: UInt8, from source: SocketAddress, to destination: SocketAddress, _ rest: [UInt8], payloadLength: Int? = nil
    ) -> [UInt8] {
        var writer = ByteWriter()
        writer.u32(0x6000_0000)
        writer.u16(UInt16(payloadLength ?? rest.count))
        writer.u8(next)
        writer.u8(64)
        writer.append(source.ip.bytes + destination.ip.bytes + rest)
        return writer.bytes
    }

    static func udp(_ source: UInt16, _ destination: UInt16, _ payload: [UInt8], length: Int? = nil) -> [UInt8] {
        var writer = ByteWriter()
        writer.u16(source)
        writer.u16(destination)
        writer.u16(UInt16(length ?? 8 + payload.count))
        writer.u16(0)
        writer.append(payload)
        return writer.bytes
    }

    static func tcp(_ source: UInt16, _ destination: UInt16, _ payload: [UInt8], flags: UInt8 = 16, options: Int = 0) -> [UInt8] {
        var writer = ByteWriter()
        writer.u16(source)
        writer.u16(destination)
        writer.u32(0x0102_0304)
        writer.u32(0)
        writer.u8(UInt8(5 + options) << 4)
        writer.u8(flags)
        writer.zeros(6 + 4 * options)
        writer.append(payload)
        return writer.bytes
    }

    static func rtp(_ sequence: Int, timestamp: Int = 0, ssrc: UInt32 = 0x1234_5678, size: Int = 200, type: UInt8 = 96) -> [UInt8] {
        var writer = ByteWriter()
        writer.u8(0x80)
        writer.u8(type)
        writer.u16(UInt16(truncatingIfNeeded: sequence))
        writer.u32(UInt32(truncatingIfNeeded: timestamp))
        writer.u32(ssrc)
        writer.zeros(size - 12)
        return writer.bytes
    }

    static func stun(_ type: UInt16, id: UInt64, attributes: [UInt8] = []) -> [UInt8] {
        var writer = ByteWriter()
        writer.u16(type)
        writer.u16(UInt16(attributes.count))
        writer.u32(0x2112_A442)
        writer.u32(7)
        writer.u64(id)
        writer.append(attributes)
        return writer.bytes
    }

    /// - Parameter version: 0xFEFD is DTLS 1.2.
    static func dtls(_ type: UInt8, epoch: UInt16, _ body: [UInt8], version: UInt16 = 0xFEFD) -> [UInt8] {
        var writer = ByteWriter()
        writer.u8(type)
        writer.u16(version)
        writer.u16(epoch)
        writer.zeros(6)
        writer.u16(UInt16(body.count))
        writer.append(body)
        return writer.bytes
    }

    static func channelData(_ inner: [UInt8], channel: UInt16 = 0x4001, length: Int? = nil) -> [UInt8] {
        var writer = ByteWriter()
        writer.u16(channel)
        writer.u16(UInt16(length ?? inner.count))
        writer.append(inner)
        return writer.bytes
    }

    /// Behind its length (RFC 4571).
    static func framed(_ inner: [UInt8]) -> [UInt8] {
        var writer = ByteWriter()
        writer.u16(UInt16(inner.count))
        writer.append(inner)
        return writer.bytes
    }

    static let handshakeRecord = dtls(22, epoch: 0, [1] + [UInt8](repeating: 0, count: 60))
    static let dataRecord = dtls(23, epoch: 1, [UInt8](repeating: 9, count: 40))
    static let encryptedAlert = dtls(21, epoch: 1, [UInt8](repeating: 9, count: 26))
}

extension SocketAddress {
    /// `192.0.2.1:5000`.
    init(at text: String) {
        let colon = text.lastIndex(of: ":")!
        self.init(IPAddress(String(text[..<colon]))!, UInt16(text[text.index(after: colon)...])!)
    }
}
