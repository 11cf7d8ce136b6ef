/// Why a multipart body is not taken.
public struct MultipartError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// Not `multipart/form-data`.
        case contentType
        /// None, or not 1 to 70 of the characters that RFC 2046 clause 5.1.1 allows.
        case boundary
        /// Something that is no line end behind a boundary.
        case delimiter
        /// A part's head breaks the grammar of field lines.
        case head
        /// A part without `Content-Disposition: form-data; name=…` (RFC 7578 clause 4.2).
        case disposition
        /// An encoding of the content that RFC 7578 clause 4.7 does away with.
        case transferEncoding
        case preambleTooLong, tooManyParts, headTooLong, partTooLong
        /// The body ended before its last boundary.
        case truncated
        /// Fields that are not percent-encoded as forms are, of `application/x-www-form-urlencoded`.
        case escape
    }

    public let code: Code
    /// What was expected and what came.
    public let text: String

    public init(_ code: Code, _ text: String) { (self.code, self.text) = (code, text) }

    public var description: String { text }

    public static func == (a: MultipartError, b: MultipartError) -> Bool { a.code == b.code }
    public func hash(into hasher: inout Hasher) { hasher.combine(code) }

    /// What a server answers.
    public var status: HTTPStatus {
        switch code {
        case .contentType: .unsupportedMediaType
        case .tooManyParts, .partTooLong, .preambleTooLong, .headTooLong: .contentTooLarge
        default: .badRequest
        }
    }
}

/// What a reader of a multipart body takes at most.
public struct MultipartLimits: Sendable, Hashable {
    public var parts: Int
    /// Bytes of one part's head.
    public var head: Int
    /// Bytes of one part's content.
    public var part: Int
    /// Bytes before the first boundary, which nobody reads.
    public var preamble: Int

    public init(parts: Int = 100, head: Int = 8 << 10, part: Int = 64 << 20, preamble: Int = 1 << 10) {
        (self.parts, self.head, self.part, self.preamble) = (parts, head, part, preamble)
    }
}
