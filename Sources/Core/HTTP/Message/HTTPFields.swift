import Wire

/// The field lines of a message in their order (RFC 9110 clause 5): names compare without case, a name may come several times.
///
/// All text lies in one array, so that a head costs two allocations however many fields it has.
public struct HTTPFields: Sendable {
    private var bytes: [UInt8] = []
    private var entries: [Entry] = []

    private struct Entry: Sendable {
        var nameStart: UInt32
        var nameEnd: UInt32
        var valueStart: UInt32
        var valueEnd: UInt32

        var name: Range<Int> { Int(nameStart)..<Int(nameEnd) }
        var value: Range<Int> { Int(valueStart)..<Int(valueEnd) }
    }

    public init() {}

    public init(_ fields: [(String, String)]) {
        for (name, value) in fields { append(name, value) }
    }

    public var count: Int { entries.count }
    public var isEmpty: Bool { entries.isEmpty }

    /// The value of the first field of that name. Setting replaces all of that name; nil removes them.
    public subscript(name: String) -> String? {
        get { entries.first { matches($0, name) }.map { text($0.value) } }
        set {
            entries = entries.filter { !matches($0, name) }
            if let value = newValue { append(name, value) }
        }
    }

    /// The values of all fields of that name, in order.
    public func all(_ name: String) -> [String] { entries.lazy.filter { matches($0, name) }.map { text($0.value) } }

    public func contains(_ name: String) -> Bool { entries.contains { matches($0, name) } }

    /// The comma-separated members of all fields of that name, without blanks around them and without empty ones (RFC 9110 clause 5.6.1).
    /// For fields whose members hold no quoted strings.
    public func list(_ name: String) -> [String] {
        all(name).flatMap { $0.split(separator: ",") }.map { $0.trimmingBlanks() }.filter { !$0.isEmpty }
    }

    /// Whether the list of that name has the token, without case.
    public func lists(_ name: String, _ token: String) -> Bool {
        for entry in entries where matches(entry, name) {
            var start = entry.value.lowerBound
            while start <= entry.value.upperBound {
                var end = start
                while end < entry.value.upperBound, bytes[end] != UInt8(ascii: ",") { end += 1 }
                if equals(trimmed(start..<end), token) { return true }
                start = end + 1
            }
        }
        return false
    }

    /// Adds a field. A name that is no token, or a value with CR, LF or NUL, is a programming error: it could begin a field of its own
    /// (RFC 9110 clause 5.5); test what comes from outside with `isValue`.
    public mutating func append(_ name: String, _ value: String) {
        precondition(!name.isEmpty && name.utf8.allSatisfy(HTTPSyntax.isToken), "no field name: \(name)")
        precondition(Self.isValue(value), "no field value for \(name): it has control characters")
        let start = bytes.count
        bytes.append(contentsOf: name.utf8)
        let middle = bytes.count
        bytes.append(contentsOf: value.utf8)
        entries.append(Entry(nameStart: UInt32(start), nameEnd: UInt32(middle), valueStart: UInt32(middle), valueEnd: UInt32(bytes.count)))
    }

    /// Whether the text may stand as a field's name, or as a method.
    public static func isName(_ text: String) -> Bool { !text.isEmpty && text.utf8.allSatisfy(HTTPSyntax.isToken) }

    /// Whether the text may stand as a field's value.
    public static func isValue(_ text: String) -> Bool { text.utf8.allSatisfy(HTTPSyntax.isFieldValue) }

    /// Takes a field that was found good.
    mutating func append(line: Span<UInt8>, name: Range<Int>, value: Range<Int>) {
        let base = bytes.count
        bytes.append(span: line)
        entries.append(
            Entry(
                nameStart: UInt32(base + name.lowerBound), nameEnd: UInt32(base + name.upperBound),
                valueStart: UInt32(base + value.lowerBound), valueEnd: UInt32(base + value.upperBound)))
    }

    mutating func reserve(bytes count: Int, fields: Int) {
        bytes.reserveCapacity(count)
        entries.reserveCapacity(fields)
    }

    /// Writes the field lines, each with its CRLF.
    public func write(to out: inout [UInt8]) {
        for entry in entries {
            out.append(contentsOf: bytes[entry.name])
            out.append(UInt8(ascii: ":"))
            out.append(UInt8(ascii: " "))
            out.append(contentsOf: bytes[entry.value])
            out.append(0x0D)
            out.append(0x0A)
        }
    }

    // MARK: comparing

    private func matches(_ entry: Entry, _ name: String) -> Bool { equals(entry.name, name) }

    /// Without case, ASCII.
    private func equals(_ range: Range<Int>, _ text: String) -> Bool {
        let text = text.utf8
        guard range.count == text.count else { return false }
        var index = range.lowerBound
        for byte in text {
            guard HTTPSyntax.lowercased(bytes[index]) == HTTPSyntax.lowercased(byte) else { return false }
            index += 1
        }
        return true
    }

    private func trimmed(_ range: Range<Int>) -> Range<Int> {
        var (start, end) = (range.lowerBound, range.upperBound)
        while start < end, HTTPSyntax.isBlank(bytes[start]) { start += 1 }
        while end > start, HTTPSyntax.isBlank(bytes[end - 1]) { end -= 1 }
        return start..<end
    }

    /// Values may hold bytes that are no UTF-8 (RFC 9110 clause 5.5: obs-text); these become U+FFFD.
    private func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
}

extension HTTPFields: Sequence {
    public func makeIterator() -> AnyIterator<(name: String, value: String)> {
        var index = 0
        return AnyIterator {
            guard index < entries.count else { return nil }
            defer { index += 1 }
            return (text(entries[index].name), text(entries[index].value))
        }
    }
}

extension HTTPFields: Equatable {
    public static func == (a: HTTPFields, b: HTTPFields) -> Bool {
        a.count == b.count && zip(a, b).allSatisfy { $0.name.lowercased() == $1.name.lowercased() && $0.value == $1.value }
    }
}

extension HTTPFields: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral elements: (String, String)...) { self.init(elements) }
}

extension Substring {
    /// Without spaces and tabs at both ends.
    func trimmingBlanks() -> String {
        var rest = self
        while let first = rest.utf8.first, HTTPSyntax.isBlank(first) { rest = rest.dropFirst() }
        while let last = rest.utf8.last, HTTPSyntax.isBlank(last) { rest = rest.dropLast() }
        return String(rest)
    }
}
