import Wire

/// The commands of ZMTP 3 that a subscriber meets: their bodies read and written.
enum ZMTPCommand {
    /// A READY that says what we are.
    static let ready = frame("READY", [11] + Array("Socket-Type".utf8) + [0, 0, 0, 3] + Array("SUB".utf8))
    /// A message that subscribes to every topic.
    static let subscription: [UInt8] = [0, 1, 1]
    /// Bytes of a PING's context; what is more is not answered with.
    static let contextLimit = 16

    static func pong(_ context: Span<UInt8>) -> [UInt8] {
        frame("PONG", context.extracting(0..<min(context.count, contextLimit)).array)
    }

    private static func frame(_ name: String, _ data: [UInt8]) -> [UInt8] {
        [4, UInt8(1 + name.utf8.count + data.count), UInt8(name.utf8.count)] + Array(name.utf8) + data
    }

    /// Name, and where the data begins; nil when it is no command.
    static func parse(_ body: Span<UInt8>) -> (name: String, data: Int)? {
        var reader = ByteReader(body)
        guard let count = reader.u8(), count > 0, let name = reader.array(Int(count)) else { return nil }
        return (printable(String(decoding: name, as: UTF8.self)), reader.offset)
    }

    /// `Socket-Type` of a READY's properties; nil when there is none. Throws when they are not properties.
    static func socketType(_ properties: Span<UInt8>) throws(ZMTPError) -> String? {
        var reader = ByteReader(properties), type: String?
        while !reader.isAtEnd {
            guard let nameLength = reader.u8(), nameLength > 0, let name = reader.array(Int(nameLength)), let length = reader.u32(),
                let value = reader.array(Int(length))
            else { throw ZMTPError("expected the properties of a READY, got something else") }
            // Names of properties are compared without case (ZMTP 3.0).
            if String(decoding: name, as: UTF8.self).lowercased() == "socket-type" {
                type = printable(String(decoding: value, as: UTF8.self))
            }
        }
        return type
    }

    /// What a peer calls itself or says, fit for a log: at most 64 characters, no control characters.
    static func printable(_ text: String) -> String {
        var short = String.UnicodeScalarView()
        for scalar in text.unicodeScalars.prefix(64) where scalar.value >= 0x20 && !(0x7F..<0xA0).contains(scalar.value) {
            short.append(scalar)
        }
        return String(short)
    }
}
