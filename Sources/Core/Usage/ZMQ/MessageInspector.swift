import Wire

/// Who sends a control message and what it is for (section 8.2), from what is looked at of it. It runs with every message, so it walks over
/// bytes and builds nothing; the name found last is kept, and made anew only when other bytes come.
public struct MessageInspector: Sendable {
    public struct Finding: Sendable, Equatable {
        /// At most 64 characters without control characters; nil: the message names nobody.
        public var operatorName: String?
        public var command: CommandType?
        /// The word that `command` comes from, in lower case; empty without.
        public var word = ""

        public init(operatorName: String? = nil, command: CommandType? = nil, word: String = "") {
            (self.operatorName, self.command, self.word) = (operatorName, command, word)
        }
    }

    /// Unicode scalars of a name.
    public static let longestName = 64

    private let words = CommandWords()
    private var fields = TopLevelFields()
    /// The bytes that `lastName` was made of.
    private var lastRaw: [UInt8] = []
    private var isLastJSON = true
    private var lastName: String?

    public init() {}

    /// All parts of a message: JSON objects first, then text.
    public mutating func inspect(_ message: ZMQMessage) -> Finding {
        var finding = Finding()
        var start = 0
        for end in message.ends {
            inspectJSON(message.bytes.span.extracting(start..<end), &finding)
            start = end
        }
        if finding.operatorName != nil, finding.command != nil { return finding }
        start = 0
        for end in message.ends {
            inspectText(message.bytes.span.extracting(start..<end), &finding)
            start = end
        }
        return finding
    }

    /// Bytes in which a message begins, as they were captured: framing may stand before it, its end may be missing.
    public mutating func inspect(_ bytes: Span<UInt8>) -> Finding {
        var finding = Finding()
        inspectJSON(bytes, &finding)
        if finding.operatorName == nil || finding.command == nil { inspectText(bytes, &finding) }
        return finding
    }

    // MARK: JSON

    /// The object that the part is, or that follows a topic in it.
    private mutating func inspectJSON(_ part: Span<UInt8>, _ finding: inout Finding) {
        var start = 0
        while start < part.count, part[start] != UInt8(ascii: "{") { start += 1 }
        guard start < part.count, fields.scan(part, from: start) else { return }
        for key in 0..<TopLevelFields.operatorKeys where finding.operatorName == nil && !fields.values[key].isEmpty {
            finding.operatorName = name(part.extracting(fields.values[key]), isJSON: true)
        }
        for key in [TopLevelFields.type, TopLevelFields.command] where finding.command == nil && !fields.values[key].isEmpty {
            var packed = CommandWords.Packed()
            for index in fields.values[key] { packed.append(part[index]) }
            take(words[packed], &finding)
        }
    }

    private func take(_ word: CommandWords.Word?, _ finding: inout Finding) {
        guard let word else { return }
        (finding.command, finding.word) = (word.type, word.text)
    }

    // MARK: text

    private mutating func inspectText(_ part: Span<UInt8>, _ finding: inout Finding) {
        var at = 0
        while at < part.count {
            guard part[at].isOfWord else {
                at += 1
                continue
            }
            let start = at
            let mayBeOurs = words.mayBegin(with: part[at])
            var packed = CommandWords.Packed()
            while at < part.count, part[at].isOfWord {
                if mayBeOurs { packed.append(part[at]) }
                at += 1
            }
            guard mayBeOurs, at - start <= 16 else { continue }
            if finding.command == nil, let word = words[packed], word.type == .movement || !Self.isDenied(part, at) { take(word, &finding) }
            if finding.operatorName == nil, words.isOperator(packed), at < part.count, part[at] == UInt8(ascii: ":") {
                finding.operatorName = name(Self.word(part, after: at + 1), isJSON: false)
            }
            if finding.operatorName != nil, finding.command != nil { return }
        }
    }

    /// The word at or after `start`, up to white space or punctuation.
    @_lifetime(copy part)
    private static func word(_ part: Span<UInt8>, after start: Int) -> Span<UInt8> {
        var begin = start
        while begin < part.count, part[begin].isSpace || part[begin] == UInt8(ascii: "\"") || part[begin] == UInt8(ascii: "'") {
            begin += 1
        }
        var end = begin
        loop: while end < part.count {
            switch part[end] {
            case 0...0x20, 0x7F, UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "}"),
                UInt8(ascii: "]"), UInt8(ascii: ")"), UInt8(ascii: "|"):
                break loop
            default: end += 1
            }
        }
        return part.extracting(begin..<end)
    }

    /// The word that ends here is a name whose value says no: `"estop": false` is no emergency stop.
    private static func isDenied(_ part: Span<UInt8>, _ end: Int) -> Bool {
        var at = end
        if at < part.count, part[at] == UInt8(ascii: "\"") { at += 1 }
        while at < part.count, part[at].isSpace { at += 1 }
        guard at < part.count, part[at] == UInt8(ascii: ":") || part[at] == UInt8(ascii: "=") else { return false }
        at += 1
        while at < part.count, part[at].isSpace || part[at] == UInt8(ascii: "\"") { at += 1 }
        var packed = CommandWords.Packed()
        while at < part.count, packed.count < 8, part[at].isOfWord || part[at] == UInt8(ascii: ".") {
            packed.append(part[at])
            at += 1
        }
        return denials.contains(packed)
    }

    private static let denials = ["", "false", "null", "none", "no", "off", "0", "0.0"].map(CommandWords.Packed.init)

    // MARK: names

    private mutating func name(_ raw: Span<UInt8>, isJSON: Bool) -> String? {
        if isLastJSON == isJSON, lastRaw.span.elementsEqual(raw) { return lastName }
        isLastJSON = isJSON
        lastRaw.removeAll(keepingCapacity: true)
        lastRaw.append(span: raw)
        lastName = Self.clean(isJSON ? JSONText.decoded(raw) : String(decoding: raw.array, as: UTF8.self))
        return lastName
    }

    /// Fit to be shown: no control characters, no white space around it, not too long; nil when nothing is left.
    static func clean(_ text: String) -> String? {
        var scalars: [Unicode.Scalar] = []
        for scalar in text.unicodeScalars where scalars.count < longestName && !isControl(scalar) {
            if !scalars.isEmpty || !scalar.properties.isWhitespace { scalars.append(scalar) }
        }
        while let last = scalars.last, last.properties.isWhitespace { scalars.removeLast() }
        guard !scalars.isEmpty else { return nil }
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        return String(view)
    }

    /// C0, C1, and what ends a line or turns the direction of writing.
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
