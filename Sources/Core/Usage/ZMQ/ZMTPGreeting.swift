import Wire

/// The 64 bytes that each side of a ZMTP connection begins with (section 9).
enum ZMTPGreeting {
    static let size = 64

    /// Ours: version 3.0, NULL security, not a server.
    static let own: [UInt8] = {
        var writer = ByteWriter(capacity: size)
        writer.u8(0xFF)
        writer.zeros(8)
        writer.append([0x7F, 3, 0])
        writer.append("NULL")
        writer.zeros(size - writer.count)
        return writer.bytes
    }()

    /// What stands against the peer, as early as its bytes show it; nil: nothing as far as they go.
    ///
    /// Before 3.0 the signature was the length of a message; a port where another protocol is spoken fails on it, too.
    static func objection(_ bytes: Span<UInt8>) -> ZMTPSubscriber.PassiveReason? {
        if bytes.count > 0, bytes[0] != 0xFF { return .version(0) }
        if bytes.count > 9, bytes[9] & 1 == 0 { return .version(0) }
        if bytes.count > 10, bytes[10] < 3 { return .version(bytes[10]) }
        if bytes.count >= 32 {
            let mechanism = bytes.extracting(12..<32)
            var end = 0
            while end < mechanism.count, mechanism[end] != 0 { end += 1 }
            let name = String(decoding: mechanism.extracting(0..<end).array, as: UTF8.self)
            if name != "NULL" { return .mechanism(ZMTPCommand.printable(name)) }
        }
        return nil
    }

    /// The first bytes of a connection are a greeting's signature.
    static func isSignature(_ bytes: Span<UInt8>) -> Bool { bytes.count >= 10 && bytes[0] == 0xFF && bytes[9] == 0x7F }
}
