import Wire

/// A value with parameters behind semicolons: `multipart/form-data; boundary="a b"`, `form-data; name=x` (RFC 9110 clause 5.6.6).
struct HTTPParameters {
    /// What stands before the first semicolon, in lower case.
    let value: String
    /// Names in lower case; none comes twice.
    let parameters: [(name: String, value: String)]

    private static let most = 16

    /// Nil when it does not follow the grammar, has more than 16 parameters, or a name comes twice: two readers could take it in two ways.
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        var index = 0
        func skipBlanks() { while index < bytes.count, HTTPSyntax.isBlank(bytes[index]) { index += 1 } }
        func token() -> String? {
            let start = index
            while index < bytes.count, HTTPSyntax.isToken(bytes[index]) { index += 1 }
            return index > start ? String(decoding: bytes[start..<index], as: UTF8.self) : nil
        }
        /// A backslash escapes a quotation mark or itself; before anything else it stands for itself, as browsers send names of files.
        func quoted() -> String? {
            var value: [UInt8] = []
            index += 1
            while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
                let next = index + 1 < bytes.count ? bytes[index + 1] : 0
                if bytes[index] == UInt8(ascii: "\\"), next == UInt8(ascii: "\"") || next == UInt8(ascii: "\\") { index += 1 }
                value.append(bytes[index])
                index += 1
            }
            guard index < bytes.count else { return nil }
            index += 1
            return String(decoding: value, as: UTF8.self)
        }

        skipBlanks()
        let start = index
        while index < bytes.count, HTTPSyntax.isToken(bytes[index]) || bytes[index] == UInt8(ascii: "/") { index += 1 }
        guard index > start else { return nil }
        value = String(decoding: bytes[start..<index], as: UTF8.self).lowercased()
        var found: [(name: String, value: String)] = []
        skipBlanks()
        while index < bytes.count {
            guard bytes[index] == UInt8(ascii: ";") else { return nil }
            index += 1
            skipBlanks()
            // An empty one is allowed.
            guard index < bytes.count, bytes[index] != UInt8(ascii: ";") else { continue }
            guard let name = token()?.lowercased(), index < bytes.count, bytes[index] == UInt8(ascii: "=") else { return nil }
            index += 1
            guard index < bytes.count, let value = bytes[index] == UInt8(ascii: "\"") ? quoted() : token() else { return nil }
            guard found.count < Self.most, !found.contains(where: { $0.name == name }) else { return nil }
            found.append((name, value))
            skipBlanks()
        }
        parameters = found
    }

    subscript(name: String) -> String? { parameters.first { $0.name == name }?.value }
}
