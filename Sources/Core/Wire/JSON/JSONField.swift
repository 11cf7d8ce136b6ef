/// A place in a JSON value, for reading it into types: every error names the path and what was expected there.
///
///     let data = try body["data"]
///     let left = try data["left"].double(in: -1...1)      // data.left: expected a number from -1.0 to 1.0, got 3
///     let note = try data["note"].optional?.string()      // absent or null: nil
public struct JSONField: Sendable {
    /// Nil: there is nothing at this place.
    public let value: JSON?
    /// `data.left`, `points[3].x`; empty at the top.
    public let path: String

    public init(_ value: JSON, path: String = "") {
        self.value = value
        self.path = path
    }

    private init(value: JSON?, path: String) {
        self.value = value
        self.path = path
    }

    /// A member, which may be absent.
    public subscript(name: String) -> JSONField {
        get throws(JSONFieldError) {
            let inner = path.isEmpty ? name : path + "." + name
            return JSONField(value: try object()[name], path: inner)
        }
    }

    /// Nil when the place is absent or null.
    public var optional: JSONField? { value == nil || value == .null ? nil : self }

    public func object() throws(JSONFieldError) -> JSONObject { try take("object", \.object) }
    public func string() throws(JSONFieldError) -> String { try take("string", \.string) }
    public func bool() throws(JSONFieldError) -> Bool { try take("boolean", \.bool) }
    public func double() throws(JSONFieldError) -> Double { try take("number", \.double) }
    public func integer() throws(JSONFieldError) -> Int64 { try take("whole number", \.integer) }

    public func double(in range: ClosedRange<Double>) throws(JSONFieldError) -> Double {
        let number = try double()
        guard range.contains(number) else { throw error("a number from \(range.lowerBound) to \(range.upperBound)") }
        return number
    }

    public func integer(in range: ClosedRange<Int64>) throws(JSONFieldError) -> Int64 {
        let number = try integer()
        guard range.contains(number) else { throw error("a whole number from \(range.lowerBound) to \(range.upperBound)") }
        return number
    }

    public func string(of choices: [String]) throws(JSONFieldError) -> String {
        let text = try string()
        guard choices.contains(text) else { throw error("one of " + choices.joined(separator: ", ")) }
        return text
    }

    /// A string of at most `limit` bytes.
    public func string(limit: Int) throws(JSONFieldError) -> String {
        let text = try string()
        guard text.utf8.count <= limit else { throw error("a string of at most \(limit) bytes") }
        return text
    }

    /// The elements, each with its path.
    public func array(limit: Int = .max) throws(JSONFieldError) -> [JSONField] {
        let elements = try take("array", \.array)
        guard elements.count <= limit else { throw error("an array of at most \(limit) elements") }
        return elements.enumerated().map { JSONField($1, path: path + "[\($0)]") }
    }

    private func take<Value>(_ kind: String, _ read: (JSON) -> Value?) throws(JSONFieldError) -> Value {
        guard let value, let found = read(value) else {
            throw JSONFieldError(path: path, expected: kind, got: value?.kind ?? "nothing")
        }
        return found
    }

    /// The error of a rule of the caller's own.
    public func error(_ expected: String) -> JSONFieldError {
        JSONFieldError(path: path, expected: expected, got: value.map(Self.show) ?? "nothing")
    }

    private static func show(_ value: JSON) -> String {
        switch value {
        case .bool, .integer, .double: value.description
        case .string(let text) where text.utf8.count <= 32: value.description
        default: value.kind
        }
    }
}

/// A value that is not what was asked for: `data.left: expected number, got string`.
public struct JSONFieldError: Error, Sendable, Hashable, CustomStringConvertible {
    public let path: String
    public let expected: String
    public let got: String

    public init(path: String, expected: String, got: String) {
        (self.path, self.expected, self.got) = (path, expected, got)
    }

    public var description: String { "\(path.isEmpty ? "the value" : path): expected \(expected), got \(got)" }
}
