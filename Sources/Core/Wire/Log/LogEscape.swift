/// Texts as they may stand in a line of the log.
enum LogEscape {
    case text, json

    /// As a value: bare when it is one plain word, else in quotes.
    static func writeWord(_ text: String, to out: inout [UInt8]) {
        let isPlain =
            !text.isEmpty && text.utf8.count <= LogFormat.longestText
            && text.utf8.allSatisfy {
                $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: "\\")
            }
        guard !isPlain else { return out.append(contentsOf: text.utf8) }
        out.append(UInt8(ascii: "\""))
        LogEscape.text.write(text, quotes: true, to: &out)
        out.append(UInt8(ascii: "\""))
    }

    /// As a JSON string.
    static func writeString(_ text: String, to out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        json.write(text, quotes: true, to: &out)
        out.append(UInt8(ascii: "\""))
    }

    /// `\n`, `\t`, `\r`; other controls as `\u{1b}`, in JSON as `\u001b`.
    func write(_ text: String, quotes: Bool = false, to out: inout [UInt8]) {
        // Nearly all that is ever written.
        let isPlain = text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
        if isPlain, text.utf8.count <= LogFormat.longestText { return out.append(contentsOf: text.utf8) }
        var left = LogFormat.longestText
        for scalar in text.unicodeScalars {
            left -= UTF8.width(scalar)
            guard left >= 0 else { return out.append(contentsOf: "…".utf8) }
            switch scalar {
            case "\\": out.append(contentsOf: "\\\\".utf8)
            case "\"" where quotes: out.append(contentsOf: "\\\"".utf8)
            case "\n": out.append(contentsOf: "\\n".utf8)
            case "\r": out.append(contentsOf: "\\r".utf8)
            case "\t": out.append(contentsOf: "\\t".utf8)
            default:
                if Self.isHidden(scalar) {
                    writeCode(scalar.value, to: &out)
                } else {
                    out.append(contentsOf: String(scalar).utf8)
                }
            }
        }
    }

    private func writeCode(_ value: UInt32, to out: inout [UInt8]) {
        let digits = String(value, radix: 16)
        switch self {
        case .text: out.append(contentsOf: "\\u{\(digits)}".utf8)
        // All that are hidden lie below U+10000.
        case .json: out.append(contentsOf: ("\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits).utf8)
        }
    }

    /// What is not shown as itself: controls, ends of lines, marks of direction.
    private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x61C, 0x200B, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: true
        default: false
        }
    }
}
