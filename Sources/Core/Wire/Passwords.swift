extension String {
    /// As it may be shown and logged. `…` stands for the password in front of a host (`rtsp://user:…@host/`), and for the value of a word that
    /// says that it is secret: `user-pw=…`, `?token=…`, `password="…"`.
    public var withoutPasswords: String {
        var shown: [Character] = []
        var rest = self[...]
        while let character = rest.first {
            if rest.hasPrefix("://") {
                let authority = rest.dropFirst(3).prefix { !Self.endsWord($0) }
                shown += "://"
                rest = rest.dropFirst(3)
                // A password may hold anything, an @ and a / too: what is behind the last @ is the host.
                if let at = authority.lastIndex(of: "@"), let colon = authority[..<at].firstIndex(of: ":") {
                    shown += authority[...colon]
                    shown.append("…")
                    rest = rest[at...]
                }
            } else if character == "=", Self.isSecret(shown) {
                shown += "=…"
                rest = rest.dropFirst()
                if let quote = rest.first, quote == "\"" || quote == "'" {
                    let end = rest.dropFirst().firstIndex(of: quote)
                    rest = end.map { rest[rest.index(after: $0)...] } ?? ""
                } else {
                    rest = rest.drop { !Self.endsWord($0) && $0 != "&" }
                }
            } else {
                shown.append(character)
                rest = rest.dropFirst()
            }
        }
        return String(shown)
    }

    private static func endsWord(_ character: Character) -> Bool {
        character.isWhitespace || character == "\"" || character == "'" || character == "`"
    }

    /// Whether what ends here names something secret.
    private static func isSecret(_ text: [Character]) -> Bool {
        let name = String(text.suffix(10)).lowercased()
        return ["pw", "password", "passwd", "passphrase", "secret", "token"].contains { name.hasSuffix($0) }
    }
}
