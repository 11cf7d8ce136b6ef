/// How much a line matters; a log shows its level and all above.
public enum LogLevel: UInt8, Sendable, CaseIterable, Comparable {
    /// Single packets and frames; nothing is said so often on any other level.
    case trace
    /// Steps of a connection.
    case debug
    /// What a user did: sessions, requests.
    case info
    /// Something was refused, dropped or tried again; the program goes on as it should.
    case warning
    /// Something that should work did not.
    case error

    public var name: String {
        switch self {
        case .trace: "trace"
        case .debug: "debug"
        case .info: "info"
        case .warning: "warning"
        case .error: "error"
        }
    }

    /// By its name.
    public init?(_ name: String) {
        guard let level = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = level
    }

    public static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }
}

/// What a record says about one thing. Addresses are their own kinds, so that they can be redacted.
public enum LogValue: Sendable, Hashable {
    case text(String)
    case integer(Int64)
    case double(Double)
    case bool(Bool)
    case address(IPAddress)
    case endpoint(SocketAddress)

    public init(_ value: some BinaryInteger) { self = .integer(Int64(clamping: value)) }
    /// As it describes itself.
    public init(_ value: some CustomStringConvertible) { self = .text(value.description) }
    public init(_ error: any Error) { self = .text("\(error)") }
}

extension LogValue: ExpressibleByStringLiteral, ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral
{
    public init(stringLiteral value: String) { self = .text(value) }
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .double(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
}

/// Names and values in their order: `["peer": .address(ip), "bytes": 17]`. A value that is nil is left out.
public struct LogFields: Sendable, ExpressibleByDictionaryLiteral {
    public private(set) var all: [(name: String, value: LogValue)] = []

    public init() {}

    public init(dictionaryLiteral elements: (String, LogValue?)...) {
        all.reserveCapacity(elements.count)
        for (name, value) in elements { append(name, value) }
    }

    public mutating func append(contentsOf fields: LogFields) {
        if all.isEmpty { self = fields } else { all += fields.all }
    }

    public mutating func append(_ name: String, _ value: LogValue?) { if let value { all.append((name, value)) } }
}

/// One line of the log before it is written.
///
/// `subject`, `message` and the fields' names are the program's own words; whatever came from outside stands in a field's value.
public struct LogRecord: Sendable {
    /// Nanoseconds since 1970.
    public var time: Int64
    public var level: LogLevel
    /// The part of the program that speaks: `web`, `peer`.
    public var subject: String
    /// Which of many connections it is about.
    public var connection: UInt64?
    public var message: String
    public var fields: LogFields

    public init(time: Int64, level: LogLevel, subject: String, connection: UInt64? = nil, message: String, fields: LogFields = LogFields())
    {
        (self.time, self.level, self.subject, self.connection) = (time, level, subject, connection)
        (self.message, self.fields) = (message, fields)
    }
}
