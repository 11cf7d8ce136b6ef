/// Why a message is not taken. The connection cannot go on: where the next message begins is not known any more.
public struct HTTPError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// Lines end with CR LF; a bare LF or CR is a way to smuggle (RFC 9112 clause 2.2).
        case lineEnding
        case requestLine, statusLine, version
        /// Names are tokens, directly followed by a colon (RFC 9112 clause 5.1).
        case fieldName
        case fieldValue
        /// A field's value goes on in a second line (RFC 9112 clause 5.2).
        case folding
        /// Exactly one `Host` (RFC 9112 clause 3.2).
        case host
        /// Several lengths, or one that is no number (RFC 9112 clause 6.3).
        case contentLength
        /// Both framings at once: a request that two servers read in two ways (RFC 9112 clause 6.1).
        case lengthAndEncoding
        case transferEncoding
        case chunkSize, chunkEnd, chunkExtension
        case expectation
        case startLineTooLong, headTooLong, tooManyFields, bodyTooLong
        /// The connection ended inside a message.
        case truncated
    }

    public let code: Code
    /// What was expected and what came.
    public let text: String

    public init(_ code: Code, _ text: String) { (self.code, self.text) = (code, text) }

    public var description: String { text }

    public static func == (a: HTTPError, b: HTTPError) -> Bool { a.code == b.code }
    public func hash(into hasher: inout Hasher) { hasher.combine(code) }

    /// What a server answers.
    public var status: HTTPStatus {
        switch code {
        case .version: .versionNotSupported
        case .transferEncoding: .notImplemented
        case .expectation: .expectationFailed
        case .startLineTooLong: .targetTooLong
        case .headTooLong, .tooManyFields: .fieldsTooLarge
        case .bodyTooLong: .contentTooLarge
        default: .badRequest
        }
    }
}

/// What a parser takes at most.
public struct HTTPLimits: Sendable, Hashable {
    /// Bytes of the request line or status line.
    public var startLine: Int
    /// Bytes of the whole head, start line included.
    public var head: Int
    public var fields: Int
    /// Bytes of a body. A route may allow another number.
    public var body: Int

    public init(startLine: Int = 8 << 10, head: Int = 32 << 10, fields: Int = 100, body: Int = 1 << 20) {
        (self.startLine, self.head, self.fields, self.body) = (startLine, head, fields, body)
    }
}
