/// Writes values as JSON (RFC 8259), without spaces, members in their order, numbers in the fewest digits that read back the same.
extension JSON: CustomStringConvertible {
    public var description: String { String(decoding: encoded(), as: UTF8.self) }

    public func encoded() -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(64)
        write(to: &out)
        return out
    }

    /// Appends the text. A number that is NaN or infinite has no form in JSON and becomes `null`, as in browsers.
    public func write(to out: inout [UInt8]) {
        switch self {
        case .null: out.append(contentsOf: "null".utf8)
        case .bool(let value): out.append(contentsOf: (value ? "true" : "false").utf8)
        case .integer(let value): Self.write(value, to: &out)
        case .double(let value): Self.write(value, to: &out)
        case .string(let value): Self.write(value, to: &out)
        case .array(let elements):
            out.append(UInt8(ascii: "["))
            var isFirst = true
            for element in elements {
                if !isFirst { out.append(UInt8(ascii: ",")) }
                isFirst = false
                element.write(to: &out)
            }
            out.append(UInt8(ascii: "]"))
        case .object(let object):
            out.append(UInt8(ascii: "{"))
            var isFirst = true
            for (name, value) in object.members {
                if !isFirst { out.append(UInt8(ascii: ",")) }
                isFirst = false
                Self.write(name, to: &out)
                out.append(UInt8(ascii: ":"))
                value.write(to: &out)
            }
            out.append(UInt8(ascii: "}"))
        }
    }

    public static func write(_ value: Int64, to out: inout [UInt8]) {
        var digits = value.magnitude
        let start = out.count
        repeat {
            out.append(UInt8(ascii: "0") + UInt8(digits % 10))
            digits /= 10
        } while digits > 0
        if value < 0 { out.append(UInt8(ascii: "-")) }
        out[start...].reverse()
    }

    /// Whole numbers below 2^53 without a fraction, as JavaScript writes them.
    public static func write(_ value: Double, to out: inout [UInt8]) {
        guard value.isFinite else { return out.append(contentsOf: "null".utf8) }
        if value.magnitude < 0x1p53, value == value.rounded(.towardZero), !(value == 0 && value.sign == .minus) {
            return write(Int64(value), to: &out)
        }
        out.append(contentsOf: value.description.utf8)
    }

    public static func write(_ text: String, to out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        let bytes = text.utf8.span
        var start = 0
        for index in bytes.indices where isEscaped(bytes[index]) {
            out.append(span: bytes.extracting(start..<index))
            escape(bytes[index], to: &out)
            start = index + 1
        }
        out.append(span: bytes.extracting(start..<bytes.count))
        out.append(UInt8(ascii: "\""))
    }

    private static func isEscaped(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F
    }

    private static func escape(_ byte: UInt8, to out: inout [UInt8]) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            out.append(UInt8(ascii: "\\"))
            out.append(byte)
        case 0x0A: out.append(contentsOf: "\\n".utf8)
        case 0x0D: out.append(contentsOf: "\\r".utf8)
        case 0x09: out.append(contentsOf: "\\t".utf8)
        default: out.append(contentsOf: ("\\u00" + Hex.encode([byte])).utf8)
        }
    }
}
