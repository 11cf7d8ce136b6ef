import Wire

/// What libzmq 4.3.5 (pyzmq 27.3.0) sent to a subscriber that spoke ZMTP 3.0, byte by byte.
enum ZMTPRecordings {
    static func bytes(_ hex: String) -> [UInt8] { Hex.decode(hex)! }

    static let greeting = bytes("ff00000000000000017f03014e554c4c" + String(repeating: "00", count: 48))

    static func ready(_ type: String) -> [UInt8] {
        switch type {
        case "PUB": bytes("04190552454144590b536f636b65742d5479706500000003505542")
        case "XPUB": bytes("041a0552454144590b536f636b65742d547970650000000458505542")
        case "PUSH": bytes("041a0552454144590b536f636b65742d547970650000000450555348")
        case "PULL": bytes("041a0552454144590b536f636b65742d547970650000000450554c4c")
        case "REP": bytes("04190552454144590b536f636b65742d5479706500000003524550")
        case "SUB": bytes("04190552454144590b536f636b65742d5479706500000003535542")
        default: bytes("04290552454144590b536f636b65742d5479706500000006524f55544552084964656e7469747900000000")  // ROUTER
        }
    }

    /// A publisher with HEARTBEAT_IVL 300 and HEARTBEAT_TTL 2000.
    static let ping = bytes("04070450494e470014")

    /// Five messages: JSON; a topic and JSON; nothing; 300 x; 255 a, 256 b and nothing.
    static let messages =
        bytes("00217b22636d64223a226d6f7665222c226f70657261746f72223a22616c696365227d")
        + bytes("0107636f6e74726f6c00277b2274797065223a2276656c6f63697479222c226f70657261746f725f6964223a22626f62227d") + bytes("0000")
        + bytes("02000000000000012c") + Array(repeating: 0x78, count: 300) + bytes("01ff") + Array(repeating: 0x61, count: 255)
        + bytes("030000000000000100") + Array(repeating: 0x62, count: 256) + bytes("0000")

    static let publisher = greeting + ready("PUB") + messages

    /// A message of one part, as libzmq frames it.
    static func frame(_ body: [UInt8]) -> [UInt8] {
        var writer = ByteWriter()
        if body.count < 256 {
            writer.append([0, UInt8(body.count)])
        } else {
            writer.u8(2)
            writer.u64(UInt64(body.count))
        }
        writer.append(body)
        return writer.bytes
    }

    static func frame(_ text: String) -> [UInt8] { frame(Array(text.utf8)) }
}
