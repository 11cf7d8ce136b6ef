import Wire

/// Reads the requests of one connection (RFC 9112), however the bytes are cut.
///
///     while let event = try parser.next(bytes, &offset) { … }     // nil: all bytes are taken, more are needed
///
/// Strict where two servers could read one text in two ways: then the connection must be closed. After an error nothing more is read.
public struct HTTPRequestParser {
    public enum Event {
        /// `expectsContinue`: the client waits for 100 before it sends the body (RFC 9110 clause 10.1.1).
        case head(HTTPRequestHead, expectsContinue: Bool)
        /// A piece of the body: where it lies in the bytes that were given.
        case body(Range<Int>)
        case end
    }

    public let limits: HTTPLimits
    private var head: HTTPHeadReader
    private var startLine: (method: HTTPMethod, target: String, version: HTTPVersion)?
    private var body: HTTPBodyReader?
    /// The head of a request without body was given out, its end was not.
    private var isBodiless = false
    private var skippedEmptyLine = false
    private var failure: HTTPError?

    public init(limits: HTTPLimits = HTTPLimits()) {
        self.limits = limits
        head = HTTPHeadReader(limits: limits)
    }

    /// How much body this request may have, once its head is known.
    public var bodyLimit: Int {
        get { body?.limit ?? limits.body }
        set { body?.limit = newValue }
    }

    /// Whether the body's length is announced and beyond the limit: it will be refused before its first byte.
    public var isBodyRefused: Bool { body?.isRefused ?? false }

    /// Whether no request has begun that is not at its end.
    public var isIdle: Bool { body == nil && !isBodiless && startLine == nil && head.isEmpty }

    /// The next event in the bytes from `offset` on, which moves over what was taken; nil: all are taken.
    public mutating func next(_ bytes: Span<UInt8>, _ offset: inout Int) throws(HTTPError) -> Event? {
        if let failure { throw failure }
        if isBodiless {
            isBodiless = false
            return .end
        }
        do throws(HTTPError) {
            return try body == nil ? nextHead(bytes, &offset) : nextBody(bytes, &offset)
        } catch {
            failure = error
            throw error
        }
    }

    private mutating func nextBody(_ bytes: Span<UInt8>, _ offset: inout Int) throws(HTTPError) -> Event? {
        switch try body?.next(bytes, &offset) {
        case .data(let range): return .body(range)
        case .end:
            body = nil
            return .end
        case nil: return nil
        }
    }

    private mutating func nextHead(_ bytes: Span<UInt8>, _ offset: inout Int) throws(HTTPError) -> Event? {
        while let line = try head.next(bytes, &offset) {
            switch line {
            case .start(let place):
                // RFC 9112 clause 2.2: one empty line before a request is forgiven.
                if place?.isEmpty ?? head.whole.isEmpty, !skippedEmptyLine {
                    skippedEmptyLine = true
                    head.reset()
                } else if let place {
                    startLine = try Self.parseRequestLine(bytes.extracting(place))
                } else {
                    startLine = try Self.parseRequestLine(head.whole.span)
                }
            case .field: break
            case .end: return try endHead()
            }
        }
        return nil
    }

    // MARK: the request line

    private static func parseRequestLine(_ line: Span<UInt8>) throws(HTTPError) -> (HTTPMethod, String, HTTPVersion) {
        func wrong() -> HTTPError { HTTPError(.requestLine, "expected `METHOD target HTTP/1.1`, got \(HTTPError.quote(line))") }
        var methodEnd = 0
        while methodEnd < line.count, HTTPSyntax.isToken(line[methodEnd]) { methodEnd += 1 }
        guard methodEnd > 0, methodEnd <= 32, methodEnd < line.count, line[methodEnd] == 0x20 else { throw wrong() }
        var targetEnd = methodEnd + 1
        while targetEnd < line.count, HTTPSyntax.isTarget(line[targetEnd]) { targetEnd += 1 }
        guard targetEnd > methodEnd + 1, targetEnd < line.count, line[targetEnd] == 0x20 else { throw wrong() }
        let version = line.extracting((targetEnd + 1)..<line.count)
        guard isVersion(version) else { throw wrong() }
        let method = method(line.extracting(0..<methodEnd))
        let target = String(decoding: line.extracting((methodEnd + 1)..<targetEnd))
        guard version[5] == UInt8(ascii: "1") else {
            throw HTTPError(.version, "expected HTTP/1.1 or HTTP/1.0, got \(HTTPError.quote(version))")
        }
        guard
            line[methodEnd + 1] == UInt8(ascii: "/") || method == .options && target == "*" || method == .connect
                || isAbsolute(line.extracting((methodEnd + 1)..<targetEnd))
        else { throw wrong() }
        // RFC 9110 clause 2.5: a higher minor version is to be answered as the highest that is known.
        return (method, target, version[7] == UInt8(ascii: "0") ? .http10 : .http11)
    }

    /// `http://host/path` (RFC 9112 clause 3.2.2). Anything else with `://` somewhere another reader would take for something else.
    private static func isAbsolute(_ target: Span<UInt8>) -> Bool {
        func begins(with text: StaticString) -> Bool {
            guard target.count > text.utf8CodeUnitCount else { return false }
            for index in 0..<text.utf8CodeUnitCount where unsafe HTTPSyntax.lowercased(target[index]) != text.utf8Start[index] {
                return false
            }
            return true
        }
        let start = begins(with: "http://") ? 7 : begins(with: "https://") ? 8 : target.count
        var end = start
        while end < target.count, isHost(target[end]) { end += 1 }
        return end > start && (end == target.count || target[end] == UInt8(ascii: "/") || target[end] == UInt8(ascii: "?"))
    }

    /// The host and port of a target in the absolute form; nil of any other.
    private static func authority(_ method: HTTPMethod, _ target: String) -> Substring? {
        guard target.utf8.first != UInt8(ascii: "/"), target != "*", method != .connect,
            let slash = target.utf8.firstIndex(of: UInt8(ascii: "/"))
        else { return nil }
        let rest = target[target.utf8.index(slash, offsetBy: 2)...]
        return rest[..<(rest.utf8.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex)]
    }

    /// Without making a string for the usual ones.
    private static func method(_ bytes: Span<UInt8>) -> HTTPMethod {
        if isSame(bytes, "GET") { return .get }
        if isSame(bytes, "POST") { return .post }
        return HTTPMethod(rawValue: String(decoding: bytes))
    }

    private static func isVersion(_ bytes: Span<UInt8>) -> Bool {
        bytes.count == 8 && isSame(bytes.extracting(0..<5), "HTTP/") && HTTPSyntax.isDigit(bytes[5]) && bytes[6] == UInt8(ascii: ".")
            && HTTPSyntax.isDigit(bytes[7])
    }

    private static func isSame(_ bytes: Span<UInt8>, _ text: StaticString) -> Bool {
        guard bytes.count == text.utf8CodeUnitCount else { return false }
        for index in bytes.indices where unsafe bytes[index] != text.utf8Start[index] { return false }
        return true
    }

    // MARK: the end of the head

    private mutating func endHead() throws(HTTPError) -> Event? {
        guard let startLine else { throw HTTPError(.requestLine, "expected a request line, got a head without one") }
        let fields = head.fields
        head.reset()
        self.startLine = nil
        skippedEmptyLine = false
        let hosts = fields.count("host")
        guard hosts == 1 || hosts == 0 && startLine.version == .http10 else {
            throw HTTPError(.host, "expected one Host field, got \(hosts)")
        }
        if let host = fields.bytes("host"), !host.allSatisfy(Self.isHost) {
            throw HTTPError(.host, "expected a host name in the Host field, got another text")
        }
        // RFC 9112 clause 3.2: of one that names the host twice, one reader looks here and another there.
        if let named = Self.authority(startLine.method, startLine.target), let host = fields["host"],
            host.lowercased() != named.lowercased()
        {
            throw HTTPError(.host, "expected the host of the target in the Host field, too, got another")
        }
        let framing = try Self.framing(fields, startLine.version)
        if framing == .none { isBodiless = true } else { body = HTTPBodyReader(framing, limits: limits) }
        var expectsContinue = false
        if let expectation = fields["expect"] {
            guard expectation.lowercased() == "100-continue" else {
                throw HTTPError(.expectation, "expected `Expect: 100-continue`, got another expectation")
            }
            expectsContinue = framing != .none && startLine.version == .http11
        }
        let head = HTTPRequestHead(startLine.method, startLine.target, version: startLine.version, fields: fields)
        return .head(head, expectsContinue: expectsContinue)
    }

    /// RFC 3986 clause 3.2: no user, no path, nothing that another reader could take for more than a host and a port.
    private static func isHost(_ byte: UInt8) -> Bool {
        HTTPSyntax.isTarget(byte) && byte != UInt8(ascii: "/") && byte != UInt8(ascii: "@") && byte != UInt8(ascii: "?")
            && byte != UInt8(ascii: "\\") && byte != UInt8(ascii: ",")
    }

    /// RFC 9112 clause 6.3, with every doubt refused.
    private static func framing(_ fields: HTTPFields, _ version: HTTPVersion) throws(HTTPError) -> HTTPBodyReader.Framing {
        let length = try HTTPBodyReader.length(fields)
        guard fields.contains("transfer-encoding") else { return length.map { $0 == 0 ? .none : .length($0) } ?? .none }
        let encodings = fields.all("transfer-encoding")
        guard length == nil else { throw HTTPError(.lengthAndEncoding, "expected Content-Length or Transfer-Encoding, got both") }
        guard version == .http11 else { throw HTTPError(.lengthAndEncoding, "Transfer-Encoding is not of HTTP/1.0") }
        guard encodings.count == 1 else {
            throw HTTPError(.lengthAndEncoding, "expected one Transfer-Encoding field, got \(encodings.count)")
        }
        guard encodings[0].lowercased() == "chunked" else {
            // RFC 9112 clause 6.3: a last coding that is not chunked leaves the length unknown.
            let isChunkedAtLast = encodings[0].lowercased().hasSuffix("chunked")
            throw HTTPError(
                isChunkedAtLast ? .transferEncoding : .lengthAndEncoding, "expected `Transfer-Encoding: chunked`, got another coding")
        }
        return .chunked
    }
}

extension HTTPBodyReader {
    /// The value of Content-Length; nil without one. Several fields are refused even where they agree (RFC 9112 clause 6.3 allows it).
    static func length(_ fields: HTTPFields) throws(HTTPError) -> Int? {
        guard let text = fields["content-length"] else { return nil }
        let count = fields.count("content-length")
        guard count == 1 else { throw HTTPError(.contentLength, "expected one Content-Length field, got \(count)") }
        guard (1...18).contains(text.utf8.count), text.utf8.allSatisfy(HTTPSyntax.isDigit), let length = Int(text) else {
            throw HTTPError(.contentLength, "expected a number in Content-Length, got \(HTTPError.quote(Array(text.utf8).span))")
        }
        return length
    }
}
