import Wire

/// Reads the responses of one connection (RFC 9112), however the bytes are cut. `expect` says which request each answers.
public struct HTTPResponseParser {
    public enum Event {
        /// 100 to 199 but 101: another head follows; 16 at most.
        case informational(HTTPResponseHead)
        case head(HTTPResponseHead)
        /// A piece of the body: where it lies in the bytes that were given.
        case body(Range<Int>)
        case end
    }

    public let limits: HTTPLimits
    private var head: HTTPHeadReader
    private var startLine: (status: HTTPStatus, version: HTTPVersion)?
    private var body: HTTPBodyReader?
    private var method = HTTPMethod.get
    /// Interim responses before the one that is waited for.
    private var interim = 0
    private var failure: HTTPError?

    private static let mostInterim = 16

    public init(limits: HTTPLimits = HTTPLimits(body: 16 << 20)) {
        self.limits = limits
        head = HTTPHeadReader(limits: limits)
    }

    /// The next response answers a request of this method: a HEAD's has no body.
    public mutating func expect(_ method: HTTPMethod) { self.method = method }

    /// The next event in the bytes from `offset` on, which moves over what was taken; nil: all are taken.
    public mutating func next(_ bytes: Span<UInt8>, _ offset: inout Int) throws(HTTPError) -> Event? {
        if let failure { throw failure }
        do throws(HTTPError) {
            return try body == nil ? nextHead(bytes, &offset) : nextBody(bytes, &offset)
        } catch {
            failure = error
            throw error
        }
    }

    /// The connection ended. True when that is the end of the body.
    public mutating func connectionEnded() throws(HTTPError) -> Bool {
        if body?.endsWithConnection == true {
            body = nil
            return true
        }
        guard body == nil, startLine == nil, head.isEmpty else {
            throw HTTPError(.truncated, "the connection ended inside a response")
        }
        return false
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
            case .start(let place?): startLine = try Self.parseStatusLine(bytes.extracting(place))
            case .start: startLine = try Self.parseStatusLine(head.whole.span)
            case .field: break
            case .end: return try endHead()
            }
        }
        return nil
    }

    /// RFC 9112 clause 4: the reason may be empty, and some leave out the space before it, too.
    private static func parseStatusLine(_ line: Span<UInt8>) throws(HTTPError) -> (HTTPStatus, HTTPVersion) {
        let wrong = HTTPError(.statusLine, "expected `HTTP/1.1 200 OK`, got \(HTTPError.quote(line))")
        guard line.count >= 12, line[8] == 0x20, line.count == 12 || line[12] == 0x20 else { throw wrong }
        let text = String(decoding: line.extracting(0..<12))
        guard text.hasPrefix("HTTP/1."), let status = Int(text.suffix(3)).flatMap(HTTPStatus.init) else { throw wrong }
        for index in 12..<line.count where !HTTPSyntax.isFieldValue(line[index]) { throw wrong }
        return (status, line[7] == UInt8(ascii: "0") ? .http10 : .http11)
    }

    private mutating func endHead() throws(HTTPError) -> Event? {
        guard let startLine else { throw HTTPError(.statusLine, "expected a status line, got a head without one") }
        let response = HTTPResponseHead(startLine.status, version: startLine.version, fields: head.fields)
        head.reset()
        self.startLine = nil
        if startLine.status.isInformational, startLine.status != .switchingProtocols {
            interim += 1
            guard interim <= Self.mostInterim else {
                throw HTTPError(.statusLine, "expected a final response, got more than \(Self.mostInterim) of 1xx")
            }
            return .informational(response)
        }
        interim = 0
        body = HTTPBodyReader(try framing(response), limits: limits)
        return .head(response)
    }

    /// RFC 9112 clause 6.3.
    private func framing(_ response: HTTPResponseHead) throws(HTTPError) -> HTTPBodyReader.Framing {
        let isTunnel = method == .connect && response.status.isSuccess
        guard method != .head, response.status.allowsBody, !isTunnel else { return .none }
        let encodings = response.fields.all("transfer-encoding")
        let length = try HTTPBodyReader.length(response.fields)
        guard !encodings.isEmpty else { return length.map { .length($0) } ?? .untilClose }
        guard length == nil else { throw HTTPError(.lengthAndEncoding, "expected Content-Length or Transfer-Encoding, got both") }
        guard encodings.count == 1, encodings[0].lowercased() == "chunked" else {
            throw HTTPError(.transferEncoding, "expected `Transfer-Encoding: chunked`, got another coding")
        }
        return .chunked
    }
}
