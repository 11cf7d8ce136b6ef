import Wire

extension Peer {
    /// One line of the trace, in the manner of qlog's main schema: a time in milliseconds, an event name, its data.
    mutating func trace(_ name: String, _ data: [String: String], at now: Instant) {
        guard configuration.traces else { return }
        let fields = data.sorted { $0.key < $1.key }.map { "\(Self.quoted($0.key)):\(Self.quoted($0.value))" }.joined(separator: ",")
        emit(.event(.trace("{\"time\":\((now - .zero).milliseconds),\"name\":\(Self.quoted(name)),\"data\":{\(fields)}}")))
    }

    private static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\u{0}"..."\u{1F}": out += "\\u00" + Hex.encode([UInt8(scalar.value)])
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
