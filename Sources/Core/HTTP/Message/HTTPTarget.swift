import Wire

/// A request's target taken apart (RFC 9112 clause 3.2, RFC 3986): the path's segments decoded, the query's parameters decoded.
public struct HTTPTarget: Sendable, Hashable {
    /// The path as it came, without the query.
    public let rawPath: String
    /// Between the slashes, percent-decoded: `/a%20b/c` is `["a b", "c"]`, `/` and `` are `[]`, `/a/` ends with an empty one.
    public let segments: [String]
    /// In order; a name may come several times. `+` is a space, as forms write it.
    public let query: [(name: String, value: String)]

    /// Nil when an escape is broken, decodes to something that is no UTF-8, or hides what a path may not hold in a segment: `/`, `\`, NUL,
    /// or a segment `.` or `..`. Such a target is only ever sent to get out of the tree: 400.
    public init?(_ target: String) {
        guard !Self.isPlain(target.utf8.span) else {
            guard let segments = Self.segments(target) else { return nil }
            (rawPath, self.segments, query) = (target, segments, [])
            return
        }
        // OPTIONS of the server as a whole (RFC 9110 clause 9.3.7); the parser takes it for nothing else.
        guard target != "*" else {
            (rawPath, segments, query) = (target, [], [])
            return
        }
        var text = target[...]
        // The absolute form, for proxies, names the host again.
        if !text.hasPrefix("/"), let scheme = text.range(ofBytes: "://") {
            let rest = text[scheme.upperBound...]
            text = rest[(rest.utf8.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex)...]
        }
        if let fragment = text.utf8.firstIndex(of: UInt8(ascii: "#")) { text = text[..<fragment] }
        let mark = text.utf8.firstIndex(of: UInt8(ascii: "?"))
        let path = text[..<(mark ?? text.endIndex)]
        rawPath = String(path)
        guard let segments = Self.segments(rawPath) else { return nil }
        self.segments = segments
        guard let mark else {
            query = []
            return
        }
        guard let parameters = Self.parameters(text[text.index(after: mark)...]) else { return nil }
        query = parameters
    }

    /// A path and nothing else.
    private static func isPlain(_ bytes: Span<UInt8>) -> Bool {
        guard bytes.count > 0, bytes[0] == UInt8(ascii: "/") else { return false }
        for index in bytes.indices where bytes[index] == UInt8(ascii: "?") || bytes[index] == UInt8(ascii: "#") { return false }
        return true
    }

    private static func segments(_ path: String) -> [String]? {
        let bytes = path.utf8.span
        guard bytes.count > 1 else { return bytes.isEmpty || bytes[0] == UInt8(ascii: "/") ? [] : nil }
        guard bytes[0] == UInt8(ascii: "/") else { return nil }
        var segments: [String] = []
        var start = 1
        while start <= bytes.count {
            var end = start
            var isEscaped = false
            while end < bytes.count, bytes[end] != UInt8(ascii: "/") {
                isEscaped = isEscaped || bytes[end] == UInt8(ascii: "%")
                end += 1
            }
            let raw = String(decoding: bytes.extracting(start..<end))
            guard let segment = isEscaped ? PercentEncoding.decode(raw[...]) : raw, isSafe(segment) else { return nil }
            segments.append(segment)
            start = end + 1
        }
        return segments
    }

    private static func isSafe(_ segment: String) -> Bool {
        let bytes = segment.utf8.span
        for index in bytes.indices {
            let byte = bytes[index]
            if byte == 0 || byte == UInt8(ascii: "/") || byte == UInt8(ascii: "\\") { return false }
        }
        return segment != "." && segment != ".."
    }

    /// `a=1&b=two+words&c`: what a query or a form holds. Nil when an escape is broken.
    public static func parameters(_ text: Substring) -> [(name: String, value: String)]? {
        var found: [(name: String, value: String)] = []
        for pair in text.split(separator: "&") {
            let equals = pair.utf8.firstIndex(of: UInt8(ascii: "="))
            guard let name = PercentEncoding.decode(pair[..<(equals ?? pair.endIndex)], plusIsSpace: true),
                let value = PercentEncoding.decode(equals.map { pair[pair.index(after: $0)...] } ?? "", plusIsSpace: true)
            else { return nil }
            found.append((name, value))
        }
        return found
    }

    /// The first parameter of that name.
    public subscript(name: String) -> String? { query.first { $0.name == name }?.value }

    public static func == (a: HTTPTarget, b: HTTPTarget) -> Bool {
        a.rawPath == b.rawPath && a.query.elementsEqual(b.query) { $0.name == $1.name && $0.value == $1.value }
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(rawPath)
        for (name, value) in query {
            hasher.combine(name)
            hasher.combine(value)
        }
    }
}

extension Substring {
    fileprivate func range(ofBytes needle: String) -> Range<String.Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(needle) { return start..<index(start, offsetBy: needle.count) }
            formIndex(after: &start)
        }
        return nil
    }
}

/// RFC 3986 clause 2.1.
public enum PercentEncoding {
    /// Nil when an escape has no two digits, or the outcome is no UTF-8.
    public static func decode(_ text: Substring, plusIsSpace: Bool = false) -> String? {
        let utf8 = text.utf8
        guard utf8.contains(where: { $0 == UInt8(ascii: "%") || plusIsSpace && $0 == UInt8(ascii: "+") }) else { return String(text) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(utf8.count)
        var rest = utf8.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.next().flatMap(Hex.value), let low = rest.next().flatMap(Hex.value) else { return nil }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsSpace: bytes.append(0x20)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// Escapes all but the unreserved characters.
    public static func encode(_ text: String) -> String {
        var out: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                out.append(byte)
            default: out.append(contentsOf: ("%" + Hex.encode([byte])).utf8)
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
