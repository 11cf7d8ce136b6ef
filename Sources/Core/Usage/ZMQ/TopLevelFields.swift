import Wire

/// Finds a few string or number fields at the top level of a JSON object by walking over its bytes once: no tree, no copies.
///
/// The object may end early, as what is looked at of a message is cut; values below the top level are passed over by their brackets.
struct TopLevelFields: Sendable {
    /// The keys that are looked for, the operator's in the order in which they count (section 8.2).
    static let keys = ["operator", "operator_id", "user", "user_id", "source", "type", "cmd"]
    /// How many of `keys` name the operator.
    static let operatorKeys = 5
    static let type = 5, command = 6

    /// Where a value lies: a string's inside, or a number. Empty: not there, or neither.
    private(set) var values: [Range<Int>] = Array(repeating: 0..<0, count: keys.count)
    private let packedKeys = keys.map(CommandWords.Packed.init)

    /// Walks over the object that begins at `start` with `{`. False: it is no JSON object, and `values` is to be forgotten.
    mutating func scan(_ bytes: Span<UInt8>, from start: Int) -> Bool {
        for index in values.indices { values[index] = 0..<0 }
        var at = Self.afterSpace(bytes, start + 1)
        if at < bytes.count, bytes[at] == UInt8(ascii: "}") { return true }
        while at < bytes.count {
            guard bytes[at] == UInt8(ascii: "\"") else { return false }
            guard let key = Self.string(bytes, at + 1) else { return true }
            at = Self.afterSpace(bytes, key.upperBound + 1)
            guard at < bytes.count else { return true }
            guard bytes[at] == UInt8(ascii: ":") else { return false }
            at = Self.afterSpace(bytes, at + 1)
            guard at < bytes.count else { return true }
            guard let value = Self.value(bytes, at) else { return false }
            if value.isWhole, let field = field(bytes, key) { values[field] = value.text }
            at = Self.afterSpace(bytes, value.end)
            guard at < bytes.count else { return true }
            if bytes[at] == UInt8(ascii: "}") { return true }
            guard bytes[at] == UInt8(ascii: ",") else { return false }
            at = Self.afterSpace(bytes, at + 1)
        }
        return true
    }

    private func field(_ bytes: Span<UInt8>, _ key: Range<Int>) -> Int? {
        // Six bytes an escaped character at most.
        guard key.count >= 3, key.count <= 66 else { return nil }
        var packed = CommandWords.Packed()
        for index in key {
            // Keys are compared as they are, so upper case must not be packed away.
            guard bytes[index] != UInt8(ascii: "\\") else { return escapedField(bytes, key) }
            guard !(65...90).contains(bytes[index]) else { return nil }
            packed.append(bytes[index])
        }
        guard key.count <= 11 else { return nil }
        for index in packedKeys.indices where packedKeys[index] == packed { return index }
        return nil
    }

    private func escapedField(_ bytes: Span<UInt8>, _ key: Range<Int>) -> Int? {
        Self.keys.firstIndex(of: JSONText.decoded(bytes.extracting(key)))
    }

    private static func afterSpace(_ bytes: Span<UInt8>, _ start: Int) -> Int {
        var at = start
        while at < bytes.count, bytes[at].isSpace { at += 1 }
        return at
    }

    /// The inside of a string whose quote is before `start`; nil: its end is not here.
    private static func string(_ bytes: Span<UInt8>, _ start: Int) -> Range<Int>? {
        var at = start
        while at < bytes.count {
            if bytes[at] == UInt8(ascii: "\"") { return start..<at }
            at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1
        }
        return nil
    }

    /// A value at `start`: its text if it is one that can be a name, where it ends, and whether its end is here. Nil: no value.
    private static func value(_ bytes: Span<UInt8>, _ start: Int) -> (text: Range<Int>, end: Int, isWhole: Bool)? {
        switch bytes[start] {
        case UInt8(ascii: "\""):
            guard let inside = string(bytes, start + 1) else { return (0..<0, bytes.count, false) }
            return (inside, inside.upperBound + 1, true)
        case UInt8(ascii: "{"), UInt8(ascii: "["): return nested(bytes, start)
        case let first:
            var end = start
            while end < bytes.count, bytes[end].isOfWord || bytes[end] == 0x2B || bytes[end] == 0x2D || bytes[end] == 0x2E { end += 1 }
            guard end > start else { return nil }
            let isNumber = first == UInt8(ascii: "-") || (0x30...0x39).contains(first)
            return (isNumber ? start..<end : 0..<0, end, end < bytes.count)
        }
    }

    private static func nested(_ bytes: Span<UInt8>, _ start: Int) -> (text: Range<Int>, end: Int, isWhole: Bool) {
        var depth = 0, at = start
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if depth == 0 { return (0..<0, at + 1, true) }
            case UInt8(ascii: "\""):
                guard let inside = string(bytes, at + 1) else { return (0..<0, bytes.count, false) }
                at = inside.upperBound
            default: break
            }
            at += 1
        }
        return (0..<0, bytes.count, false)
    }
}
