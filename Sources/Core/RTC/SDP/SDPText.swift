/// The bytes of a line or a part of it. Bytes rather than `Character`s, so that no combining mark can hide a separator.
typealias SDPText = ArraySlice<UInt8>

extension ArraySlice where Element == UInt8 {
    var text: String { String(decoding: self, as: UTF8.self) }

    /// The parts between runs of spaces (and tabs, which some implementations print).
    func words(limit: Int = Int.max) -> [SDPText] {
        split(maxSplits: limit == Int.max ? limit : limit - 1) { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    }

    /// What stands before and after the first `separator`; nil when there is none.
    func parted(at separator: Unicode.Scalar) -> (SDPText, SDPText)? {
        guard let index = firstIndex(of: UInt8(ascii: separator)) else { return nil }
        return (self[startIndex..<index], self[(index + 1)...])
    }

    var trimmed: SDPText {
        var slice = self
        while let first = slice.first, first == 32 || first == 9 { slice = slice.dropFirst() }
        while let last = slice.last, last == 32 || last == 9 { slice = slice.dropLast() }
        return slice
    }

    /// Digits only (no sign, no spaces), and inside the type.
    func decimal<T: FixedWidthInteger>(_ type: T.Type = T.self) -> T? {
        guard !isEmpty, count <= 20 else { return nil }
        var value: T = 0
        for byte in self {
            guard let digit = T(exactly: Int(byte) - 48), byte >= 48, byte <= 57 else { return nil }
            let (product, overflowed) = value.multipliedReportingOverflow(by: 10)
            let (sum, carried) = product.addingReportingOverflow(digit)
            guard !overflowed, !carried else { return nil }
            value = sum
        }
        return value
    }

    /// RFC 8866 `token`: visible characters but separators.
    var isToken: Bool { !isEmpty && count <= 256 && allSatisfy { $0 > 32 && $0 < 127 } }

    /// RFC 8839 `ice-char`s; '-' and '_' are seen in the field, and harmless.
    var isICEText: Bool {
        allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
            case UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "="): true
            default: false
            }
        }
    }
}

/// ASCII only, as codec and hash names are compared.
func lowercasedASCII(_ text: String) -> String {
    String(decoding: text.utf8.map { $0 >= 65 && $0 <= 90 ? $0 + 32 : $0 }, as: UTF8.self)
}
