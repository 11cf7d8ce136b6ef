import Wire

/// An absolute URL of the web (RFC 3986, RFC 9110 clause 4.2): where to connect and what to ask for there.
///
/// Strict: what is not in RFC 3986's grammar is refused rather than mended. Escapes stay as they are; `.` and `..` segments are taken out, and a
/// fragment is dropped, as it is never sent.
public struct WebURL: Sendable, Hashable, CustomStringConvertible {
    public enum Scheme: String, Sendable, Hashable {
        case http, https, ws, wss

        public var isSecure: Bool { self == .https || self == .wss }
        public var isWebSocket: Bool { self == .ws || self == .wss }
        public var defaultPort: UInt16 { isSecure ? 443 : 80 }
    }

    public struct Credentials: Sendable, Hashable {
        public var user: String
        public var password: String

        /// The value of `Authorization` or `Proxy-Authorization` (RFC 7617).
        public var basic: String { "Basic " + Base64.encode(Array("\(user):\(password)".utf8)) }
    }

    public let scheme: Scheme
    /// A name in lower case, or an IP address in its canonical form, IPv6 without brackets.
    public let host: String
    public let port: UInt16
    /// Begins with `/`.
    public let path: String
    /// Without the `?`.
    public let query: String?
    /// Only where they were allowed.
    public let credentials: Credentials?

    /// Bytes of a URL.
    public static let longest = 8192

    /// `allowsCredentials`: whether `user:password@` may stand before the host. In what is asked for it may not (RFC 9110 clause 4.2.4).
    public init(_ text: String, allowsCredentials: Bool = false) throws(WebURLError) {
        guard text.utf8.count <= Self.longest else {
            throw WebURLError(.tooLong, "expected at most \(Self.longest) bytes, got \(text.utf8.count)")
        }
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")), let scheme = Scheme(rawValue: text[..<colon].lowercased()),
            text[colon...].hasPrefix("://")
        else {
            throw WebURLError(.scheme, "expected http://, https://, ws:// or wss://, got \(WebURLError.quote(text))")
        }
        let rest = text[text.utf8.index(colon, offsetBy: 3)...]
        let authorityEnd = rest.utf8.firstIndex { Self.endsAuthority($0) } ?? rest.endIndex
        let fragment = rest.utf8.firstIndex(of: UInt8(ascii: "#")) ?? rest.endIndex
        let authority = try Authority(rest[..<authorityEnd], allowsCredentials: allowsCredentials)
        let target = rest[authorityEnd..<max(authorityEnd, fragment)]
        let mark = target.utf8.firstIndex(of: UInt8(ascii: "?"))
        let path = target[..<(mark ?? target.endIndex)]
        let query = mark.map { target[target.utf8.index(after: $0)...] }
        try Self.check(path, .path) { Self.isPath($0) }
        if let query { try Self.check(query, .query) { Self.isPath($0) || $0 == UInt8(ascii: "?") } }
        self.init(
            scheme: scheme, host: authority.host, port: authority.port ?? scheme.defaultPort, path: Self.removingDots(path),
            query: query.map(String.init), credentials: authority.credentials)
    }

    private init(scheme: Scheme, host: String, port: UInt16, path: String, query: String?, credentials: Credentials?) {
        (self.scheme, self.host, self.port, self.path) = (scheme, host, port, path)
        (self.query, self.credentials) = (query, credentials)
    }

    // MARK: what is made of it

    /// What a request asks this host for (RFC 9112 clause 3.2.1).
    public var target: String { query.map { "\(path)?\($0)" } ?? path }

    /// The value of `Host`: the port where it is not the scheme's own.
    public var authority: String { port == scheme.defaultPort ? bracketedHost : "\(bracketedHost):\(port)" }

    /// With the port in any case, for CONNECT (RFC 9110 clause 9.3.6).
    public var endpoint: String { "\(bracketedHost):\(port)" }

    /// Without user and password.
    public var description: String { "\(scheme.rawValue)://\(authority)\(target)" }

    /// Whose business the URL is (RFC 6454): what is told to one origin is not for another.
    public var origin: String { "\(scheme.isSecure ? "https" : "http")://\(endpoint)" }

    public var isLoopback: Bool { IPAddress(host)?.isLoopback ?? (host == "localhost" || host.hasSuffix(".localhost")) }

    private var bracketedHost: String { host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host }

    /// What a reference in an answer of this URL means (RFC 3986 clause 5.2).
    public func resolve(_ reference: String) throws(WebURLError) -> WebURL {
        let end = reference.utf8.firstIndex(of: UInt8(ascii: "#")) ?? reference.endIndex
        let text = reference[..<end]
        if Self.hasScheme(text) { return try WebURL(String(text)) }
        let base = "\(scheme.rawValue)://\(authority)"
        if text.hasPrefix("//") { return try WebURL("\(scheme.rawValue):\(text)") }
        if text.hasPrefix("/") { return try WebURL(base + text) }
        if text.isEmpty { return try WebURL(base + target) }
        if text.hasPrefix("?") { return try WebURL(base + path + text) }
        let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) ?? path.startIndex
        return try WebURL(base + path[...slash] + text)
    }

    /// RFC 3986 clause 4.2: a colon before any slash makes it no relative reference.
    private static func hasScheme(_ text: Substring) -> Bool {
        guard let end = text.utf8.firstIndex(where: { $0 == UInt8(ascii: ":") || endsAuthority($0) }) else { return false }
        return text.utf8[end] == UInt8(ascii: ":")
    }

    // MARK: characters

    private static func endsAuthority(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "/") || byte == UInt8(ascii: "?") || byte == UInt8(ascii: "#")
    }

    /// RFC 3986 clause 2.3.
    static func isUnreserved(_ byte: UInt8) -> Bool {
        HTTPSyntax.isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "~")
    }

    private static let alsoInPaths = Array("!$&'()*+,;=:@/".utf8)

    private static func isPath(_ byte: UInt8) -> Bool { isUnreserved(byte) || alsoInPaths.contains(byte) }

    /// All characters are of the kind, or whole escapes.
    private static func check(
        _ text: Substring, _ code: WebURLError.Code, _ isAllowed: (UInt8) -> Bool
    ) throws(WebURLError) {
        var rest = text.utf8.makeIterator()
        while let byte = rest.next() {
            if byte == UInt8(ascii: "%") {
                guard rest.next().flatMap(Hex.value) != nil, rest.next().flatMap(Hex.value) != nil else {
                    throw WebURLError(code, "expected two hexadecimal digits behind each %, got \(WebURLError.quote(String(text)))")
                }
            } else if !isAllowed(byte) {
                throw WebURLError(code, "expected the byte 0x\(Hex.encode([byte])) to be escaped, got \(WebURLError.quote(String(text)))")
            }
        }
    }

    /// RFC 3986 clause 5.2.4.
    private static func removingDots(_ path: Substring) -> String {
        guard !path.isEmpty else { return "/" }
        guard path.utf8.contains(UInt8(ascii: ".")) else { return String(path) }
        var kept: [Substring] = []
        let segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        for (index, segment) in segments.enumerated() {
            let isLast = index == segments.count - 1
            switch segment {
            case ".": if isLast { kept.append("") }
            case "..":
                _ = kept.popLast()
                if isLast { kept.append("") }
            default: kept.append(segment)
            }
        }
        return "/" + kept.joined(separator: "/")
    }
}

/// What stands between `//` and the path (RFC 3986 clause 3.2).
private struct Authority {
    var credentials: WebURL.Credentials?
    var host: String
    var port: UInt16?

    init(_ text: Substring, allowsCredentials: Bool) throws(WebURLError) {
        var rest = text
        if let at = text.utf8.lastIndex(of: UInt8(ascii: "@")) {
            guard allowsCredentials else {
                throw WebURLError(.credentials, "expected no user and password in the URL: send them in an Authorization field")
            }
            credentials = try Self.credentials(text[..<at])
            rest = text[text.utf8.index(after: at)...]
        }
        let hostEnd: Substring.Index
        if rest.hasPrefix("[") {
            guard let bracket = rest.utf8.firstIndex(of: UInt8(ascii: "]")) else {
                throw WebURLError(.host, "expected ] behind an IPv6 address, got \(WebURLError.quote(String(rest)))")
            }
            hostEnd = rest.utf8.index(after: bracket)
        } else {
            hostEnd = rest.utf8.firstIndex(of: UInt8(ascii: ":")) ?? rest.endIndex
        }
        host = try Self.host(rest[..<hostEnd])
        guard hostEnd < rest.endIndex else { return }
        let digits = rest[hostEnd...].dropFirst()
        // RFC 3986 clause 3.2.3: the port may be empty.
        guard rest[hostEnd...].hasPrefix(":"), digits.utf8.count <= 5, digits.utf8.allSatisfy(HTTPSyntax.isDigit),
            digits.isEmpty || (1...65_535).contains(Int(digits) ?? 0)
        else {
            throw WebURLError(.port, "expected a port from 1 to 65535, got \(WebURLError.quote(String(rest[hostEnd...])))")
        }
        port = UInt16(digits)
    }

    private static func credentials(_ text: Substring) throws(WebURLError) -> WebURL.Credentials {
        let colon = text.utf8.firstIndex(of: UInt8(ascii: ":"))
        guard let user = PercentEncoding.decode(text[..<(colon ?? text.endIndex)]), !user.utf8.contains(UInt8(ascii: ":")),
            let password = PercentEncoding.decode(colon.map { text[text.utf8.index(after: $0)...] } ?? "")
        else {
            throw WebURLError(.credentials, "expected user:password before the @, percent-encoded")
        }
        return WebURL.Credentials(user: user, password: password)
    }

    private static func host(_ text: Substring) throws(WebURLError) -> String {
        let wrong = WebURLError(.host, "expected a host name or an IP address, got \(WebURLError.quote(String(text)))")
        if text.hasPrefix("[") {
            // RFC 6874's zones are of no use to anybody else's resolver.
            guard !text.utf8.contains(UInt8(ascii: "%")), let address = IPAddress(String(text.dropFirst().dropLast())),
                address.family == .v6
            else { throw wrong }
            return address.description
        }
        guard text.utf8.count <= 253, text.utf8.allSatisfy({ isInName($0) || $0 == UInt8(ascii: ".") }) else { throw wrong }
        let labels = text.lowercased().split(separator: ".", omittingEmptySubsequences: false)
        guard labels.allSatisfy({ !$0.isEmpty && $0.utf8.count <= 63 }), let last = labels.last else { throw wrong }
        // A name that ends in a number would be taken for an IPv4 address by some resolvers, in a notation of theirs.
        let isNumber = last.utf8.allSatisfy(HTTPSyntax.isDigit) || last.hasPrefix("0x")
        guard isNumber else { return labels.joined(separator: ".") }
        guard let address = IPAddress(String(text)), address.family == .v4 else { throw wrong }
        return address.description
    }

    private static func isInName(_ byte: UInt8) -> Bool {
        WebURL.isUnreserved(byte) && byte != UInt8(ascii: ".") && byte != UInt8(ascii: "~")
    }
}

/// Why a text is no URL that can be asked for.
public struct WebURLError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable { case tooLong, scheme, credentials, host, port, path, query }

    public let code: Code
    /// What was expected and what came; never a password.
    public let text: String

    init(_ code: Code, _ text: String) { (self.code, self.text) = (code, text) }

    public var description: String { text }

    public static func == (a: WebURLError, b: WebURLError) -> Bool { a.code == b.code }
    public func hash(into hasher: inout Hasher) { hasher.combine(code) }

    static func quote(_ text: String) -> String {
        let bytes = Array(text.utf8)
        // What stands before an @ may be a password.
        let start = bytes.lastIndex(of: UInt8(ascii: "@")).map { $0 + 1 } ?? 0
        return HTTPError.quote(Array(bytes[start...]).span)
    }
}
