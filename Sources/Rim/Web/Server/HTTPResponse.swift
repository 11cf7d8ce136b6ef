import HTTP
import Wire

/// What a handler answers.
public struct HTTPResponse: Sendable {
    public enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// A part of an open file.
        case file(FileBody)
    }

    public var status: HTTPStatus
    public var fields: HTTPFields
    public var body: Body

    public init(_ status: HTTPStatus, fields: HTTPFields = HTTPFields(), body: Body = .none) {
        (self.status, self.fields, self.body) = (status, fields, body)
    }

    public static func json(_ value: JSON, _ status: HTTPStatus = .ok) -> HTTPResponse {
        HTTPResponse(status, fields: ["Content-Type": "application/json"], body: .bytes(value.encoded()))
    }

    public static func text(_ text: String, type: String = "text/plain; charset=utf-8", _ status: HTTPStatus = .ok) -> HTTPResponse {
        HTTPResponse(status, fields: ["Content-Type": type], body: .bytes(Array(text.utf8)))
    }

    public static func bytes(_ bytes: [UInt8], type: String, _ status: HTTPStatus = .ok) -> HTTPResponse {
        HTTPResponse(status, fields: ["Content-Type": type], body: .bytes(bytes))
    }

    /// Bytes of the body; they are sent as Content-Length.
    var length: Int {
        switch body {
        case .none: 0
        case .bytes(let bytes): bytes.count
        case .file(let file): file.range.count
        }
    }
}

/// An answer that says what is wrong, in the one form that all errors have: `{"error": {"code": …, "message": …}}`.
public struct HTTPProblem: Error, Sendable, CustomStringConvertible {
    public var status: HTTPStatus
    /// For programs: `not_found`.
    public var code: String
    /// For people: what was expected, what came, what to do.
    public var message: String
    public var fields: HTTPFields

    public init(_ status: HTTPStatus, _ code: String, _ message: String, fields: HTTPFields = HTTPFields()) {
        (self.status, self.code, self.message, self.fields) = (status, code, message, fields)
    }

    public init(_ error: JSONFieldError) { self.init(.badRequest, "invalid_field", error.description) }

    init(_ error: HTTPError) {
        self.init(error.status, error.status == .contentTooLarge ? "too_large" : "bad_request", error.text)
    }

    public var description: String { "\(status): \(message)" }

    public var response: HTTPResponse {
        var response = HTTPResponse.json(["error": ["code": .string(code), "message": .string(message)]], status)
        for (name, value) in fields { response.fields.append(name, value) }
        return response
    }
}
