/// What part of a representation is asked for (RFC 9110 clause 14): one range of bytes; several are answered as none, which is allowed.
public enum HTTPRange: Sendable, Hashable {
    /// The whole: no range, or one that is not understood.
    case all
    case part(Range<Int>)
    /// 416: nothing of it is there.
    case unsatisfiable

    /// The field's value against a representation of `size` bytes.
    public init(_ field: String?, size: Int) {
        self = .all
        guard let field, field.hasPrefix("bytes=") else { return }
        let spec = field.dropFirst(6).trimmingBlanks()
        let ends = spec.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, ends.allSatisfy({ $0.utf8.allSatisfy(HTTPSyntax.isDigit) && $0.utf8.count <= 18 }) else { return }
        switch (Int(ends[0]), Int(ends[1])) {
        case (nil, let suffix?):
            self = suffix == 0 || size == 0 ? .unsatisfiable : .part(max(0, size - suffix)..<size)
        case (let first?, let last):
            guard last.map({ $0 >= first }) ?? true else { return }
            self = first >= size ? .unsatisfiable : .part(first..<min(last.map { $0 + 1 } ?? size, size))
        case (nil, nil): return
        }
    }
}

/// Whether a client's copy is still good (RFC 9110 clause 13).
public enum HTTPConditions {
    /// `tag` with its quotes; `modified` in seconds since 1970. True: answer 304. If-None-Match goes before If-Modified-Since.
    public static func isUnchanged(_ fields: HTTPFields, tag: String?, modified: Int64?) -> Bool {
        if fields.contains("if-none-match") {
            guard let tag else { return false }
            return fields.list("if-none-match").contains { $0 == "*" || opaque($0) == opaque(tag[...]) }
        }
        guard let since = fields["if-modified-since"].flatMap(HTTPDate.parse), let modified else { return false }
        return modified <= since
    }

    /// Whether a range may be answered: If-Range names the copy that is had (clause 13.1.5), and only a strong tag or an exact date counts.
    public static func allowsRange(_ fields: HTTPFields, tag: String?, modified: Int64?) -> Bool {
        guard let condition = fields["if-range"] else { return true }
        if condition.hasPrefix("\"") { return condition == tag }
        return modified != nil && HTTPDate.parse(condition) == modified
    }

    /// Weak comparison (clause 8.8.3.2): without the mark of weakness.
    private static func opaque(_ tag: some StringProtocol) -> String {
        String(tag.hasPrefix("W/") ? String(tag.dropFirst(2)) : String(tag))
    }
}
