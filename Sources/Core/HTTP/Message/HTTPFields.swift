import Wire

/// The field lines of a message in their order (RFC 9110 clause 5): names compare without case, a name may come several times.
///
/// All lines lie in one array as they go on the wire, so that a head costs two allocations however many fields it has and is sent as it lies.
public struct HTTPFields: Sendable {
    /// `Name: value` and CR LF, line after line.
    private var bytes: [UInt8] = []
    private var entries: [Entry] = []

    private struct Entry: Sendable {
        var start: UInt32
        var nameEnd: UInt32
        /// Of the value; CR LF follow.
        var end: UInt32

        var name: Range<Int> { Int(start)..<Int(nameEnd) }
        var value: Range<Int> { Int(nameEnd) + 2..<Int(end) }
        var line: Range<Int> { Int(start)..<Int(end) + 2 }
    }

    /// Room that is made for the first field: for most heads.
    private static let usual = (bytes: 320, fields: 8)

    public init() {}

    public init(_ fields: [(String, String)]) {
        for (name, value) in fields { append(name, value) }
    }

    public var count: Int { entries.count }
    public var isEmpty: Bool { entries.isEmpty }

    /// The value of the first field of that name. Setting replaces all of that name; nil removes them.
    public subscript(name: String) -> String? {
        get { first(name).map { text($0.value) } }
        set {
            if contains(name) { remove(name) }
            if let value = newValue { append(name, value) }
        }
    }

    /// The values of all fields of that name, in order.
    public func all(_ name: String) -> [String] { entries.lazy.filter { matches($0, name) }.map { text($0.value) } }

    public func contains(_ name: String) -> Bool { first(name) != nil }

    /// How many fields have that name.
    func count(_ name: String) -> Int {
        var count = 0
        for entry in entries where matches(entry, name) { count += 1 }
        return count
    }

    /// The bytes of the first value, without making a text of them.
    func bytes(_ name: String) -> ArraySlice<UInt8>? { first(name).map { bytes[$0.value] } }

    private func first(_ name: String) -> Entry? {
        for entry in entries where matches(entry, name) { return entry }
        return nil
    }

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

    // MARK: adding

    /// Adds a field. A name that is no token, or a value with CR, LF or NUL, is a programming error: it could begin a field of its own
    /// (RFC 9110 clause 5.5); test what comes from outside with `isValue`.
    public mutating func append(_ name: String, _ value: String) {
        precondition(HTTPSyntax.isToken(name.utf8.span), "no field name: \(name)")
        precondition(Self.isValue(value), "no field value for \(name): it has control characters")
        add(name.utf8.span, value.utf8.span)
    }

    /// Adds the other's fields behind these.
    public mutating func append(contentsOf other: HTTPFields) {
        let base = UInt32(bytes.count)
        if isEmpty { reserve(bytes: Self.usual.bytes, fields: Self.usual.fields) }
        bytes.append(contentsOf: other.bytes)
        for entry in other.entries {
            entries.append(Entry(start: base + entry.start, nameEnd: base + entry.nameEnd, end: base + entry.end))
        }
    }

    /// Whether the text may stand as a field's name, or as a method.
    public static func isName(_ text: String) -> Bool { !text.isEmpty && text.utf8.allSatisfy(HTTPSyntax.isToken) }

    /// Whether the text may stand as a field's value.
    public static func isValue(_ text: String) -> Bool { HTTPSyntax.firstOutsideFieldValue(text.utf8.span) == nil }

    /// Takes a field that was found good.
    mutating func append(line: Span<UInt8>, name: Range<Int>, value: Range<Int>) {
        add(line.extracting(name), line.extracting(value))
    }

    private mutating func add(_ name: Span<UInt8>, _ value: Span<UInt8>) {
        if isEmpty { reserve(bytes: Self.usual.bytes, fields: Self.usual.fields) }
        let start = bytes.count
        bytes.append(span: name)
        bytes.append(UInt8(ascii: ":"))
        bytes.append(UInt8(ascii: " "))
        bytes.append(span: value)
        bytes.append(0x0D)
        bytes.append(0x0A)
        entries.append(Entry(start: UInt32(start), nameEnd: UInt32(start + name.count), end: UInt32(bytes.count - 2)))
    }

    private mutating func remove(_ name: String) {
        var kept = HTTPFields()
        for entry in entries where !matches(entry, name) {
            kept.append(line: bytes.span, name: entry.name, value: entry.value)
        }
        self = kept
    }

    private mutating func reserve(bytes count: Int, fields: Int) {
        bytes.reserveCapacity(count)
        entries.reserveCapacity(fields)
    }

    /// Gives back the room that is not used: for heads that are kept.
    public mutating func compact() {
        // A copy of a slice is made as long as it is.
        bytes = Array(bytes[...])
        entries = Array(entries[...])
    }

    /// Writes the field lines, each with its CRLF.
    public func write(to out: inout [UInt8]) { out.append(contentsOf: bytes) }

    // MARK: comparing

    private func matches(_ entry: Entry, _ name: String) -> Bool { equals(entry.name, name) }

    /// Without case, ASCII.
    private func equals(_ range: Range<Int>, _ text: String) -> Bool {
        guard range.count == text.utf8.count else { return false }
        let (ours, theirs) = (bytes.span.extracting(range), text.utf8.span)
        for index in ours.indices where HTTPSyntax.lowercased(ours[index]) != HTTPSyntax.lowercased(theirs[index]) { return false }
        return true
    }

    private func trimmed(_ range: Range<Int>) -> Range<Int> {
        var (start, end) = (range.lowerBound, range.upperBound)
        while start < end, HTTPSyntax.isBlank(bytes[start]) { start += 1 }
        while end > start, HTTPSyntax.isBlank(bytes[end - 1]) { end -= 1 }
        return start..<end
    }

    /// Values may hold bytes that are no UTF-8 (RFC 9110 clause 5.5: obs-text); these become U+FFFD.
    private func text(_ range: Range<Int>) -> String { String(decoding: bytes.span.extracting(range)) }
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
