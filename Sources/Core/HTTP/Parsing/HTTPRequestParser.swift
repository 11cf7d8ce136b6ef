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

    /// Whether no request has begun that is not at its end.
    public var isIdle: Bool { body == nil && startLine == nil && head.isEmpty }
    /// Whether a head has begun that is not whole.
    public var isInHead: Bool { body == nil && !isIdle }

    public mutating func next(_ bytes: Span<UInt8>, _ offset: inout Int) throws(HTTPError) -> Event? {
        if let failure { throw failure }
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
            case .start(let line):
                // RFC 9112 clause 2.2: one empty line before a request is forgiven.
                if line.isEmpty, !skippedEmptyLine {
                    skippedEmptyLine = true
                    head.reset()
                } else {
                    startLine = try Self.parseRequestLine(line.span)
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
        guard let version = version(line.extracting((targetEnd + 1)..<line.count)) else { throw wrong() }
        let method = method(line.extracting(0..<methodEnd))
        let target = text(line.extracting((methodEnd + 1)..<targetEnd))
        guard let version = version.known else {
            throw HTTPError(.version, "expected HTTP/1.1 or HTTP/1.0, got HTTP/\(version.major).\(version.minor)")
        }
        let first = line[methodEnd + 1]
        guard first == UInt8(ascii: "/") || method == .options && target == "*" || method == .connect || target.contains("://") else {
            throw wrong()
        }
        return (method, target, version)
    }

    private static func text(_ bytes: Span<UInt8>) -> String { String(decoding: Array(copying: bytes), as: UTF8.self) }

    /// Without making a string for the usual ones.
    private static func method(_ bytes: Span<UInt8>) -> HTTPMethod {
        for known in [HTTPMethod.get, .post] where known.rawValue.utf8.count == bytes.count {
            var index = 0
            var isSame = true
            for byte in known.rawValue.utf8 {
                isSame = isSame && bytes[index] == byte
                index += 1
            }
            if isSame { return known }
        }
        return HTTPMethod(rawValue: text(bytes))
    }

    private static func version(_ bytes: Span<UInt8>) -> (major: Character, minor: Character, known: HTTPVersion?)? {
        guard bytes.count == 8, HTTPSyntax.isDigit(bytes[5]), bytes[6] == UInt8(ascii: "."), HTTPSyntax.isDigit(bytes[7]) else {
            return nil
        }
        var index = 0
        for byte in "HTTP/".utf8 {
            guard bytes[index] == byte else { return nil }
            index += 1
        }
        let (major, minor) = (Character(Unicode.Scalar(bytes[5])), Character(Unicode.Scalar(bytes[7])))
        // RFC 9110 clause 2.5: a higher minor version is to be answered as the highest that is known.
        return (major, minor, major != "1" ? nil : minor == "0" ? .http10 : .http11)
    }

    // MARK: the end of the head

    private mutating func endHead() throws(HTTPError) -> Event? {
        guard let startLine else { throw HTTPError(.requestLine, "expected a request line, got a head without one") }
        let fields = head.fields
        head.reset()
        self.startLine = nil
        skippedEmptyLine = false
        let hosts = fields.all("host")
        guard hosts.count == 1 || hosts.isEmpty && startLine.version == .http10 else {
            throw HTTPError(.host, "expected one Host field, got \(hosts.count)")
        }
        if let host = hosts.first, !Self.isHost(host) { throw HTTPError(.host, "expected a host name in the Host field, got another text") }
        let framing = try Self.framing(fields, startLine.version)
        body = HTTPBodyReader(framing, limits: limits)
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
    private static func isHost(_ text: String) -> Bool {
        text.utf8.allSatisfy {
            HTTPSyntax.isTarget($0) && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "@") && $0 != UInt8(ascii: "?")
                && $0 != UInt8(ascii: "#") && $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: ",")
        }
    }

    /// RFC 9112 clause 6.3, with every doubt refused.
    private static func framing(_ fields: HTTPFields, _ version: HTTPVersion) throws(HTTPError) -> HTTPBodyReader.Framing {
        let encodings = fields.all("transfer-encoding")
        let length = try HTTPBodyReader.length(fields)
        guard !encodings.isEmpty else { return length.map { $0 == 0 ? .none : .length($0) } ?? .none }
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
        let lengths = fields.all("content-length")
        guard lengths.count <= 1 else { throw HTTPError(.contentLength, "expected one Content-Length field, got \(lengths.count)") }
        guard let text = lengths.first else { return nil }
        guard (1...18).contains(text.utf8.count), text.utf8.allSatisfy(HTTPSyntax.isDigit), let length = Int(text) else {
            throw HTTPError(.contentLength, "expected a number in Content-Length, got \(HTTPError.quote(Array(text.utf8).span))")
        }
        return length
    }
}
