import Synchronization
public import Wire

/// Where records go. Called on any thread; it must not block.
public protocol LogSink: Sendable {
    func log(_ record: LogRecord)
}

/// What parts of the program are given to speak with. Passed around, and copied with more to say: `logger.with(connection: 17)`.
///
/// A line below the level costs one atomic read: message and fields are not made. Nothing is said for each packet above `trace`.
public struct Logger: Sendable {
    private let sink: any LogSink
    public let subject: String
    private var connection: UInt64?
    private var context = LogFields()

    private static let threshold = Atomic<UInt8>(LogLevel.info.rawValue)

    /// What is shown by all loggers of the program: this level and those above.
    public static var level: LogLevel {
        get { LogLevel(rawValue: threshold.load(ordering: .relaxed)) ?? .info }
        set { threshold.store(newValue.rawValue, ordering: .relaxed) }
    }

    /// `subject`: the part of the program that speaks.
    public init(_ subject: String, to sink: any LogSink = StandardErrorLog()) { (self.subject, self.sink) = (subject, sink) }

    /// The same for another part of the program.
    public func with(subject: String) -> Logger {
        var logger = Logger(subject, to: sink)
        (logger.connection, logger.context) = (connection, context)
        return logger
    }

    /// One that says which of many connections it is about.
    public func with(connection: UInt64) -> Logger {
        var logger = self
        logger.connection = connection
        return logger
    }

    /// One that puts this field on each line.
    public func with(_ name: String, _ value: LogValue) -> Logger {
        var logger = self
        logger.context.append(name, value)
        return logger
    }

    /// Whether lines of this level are shown: for what costs something before a line is made.
    public static func shows(_ level: LogLevel) -> Bool { level.rawValue >= threshold.load(ordering: .relaxed) }

    public func trace(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> LogFields = [:]) { log(.trace, message, fields) }
    public func debug(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> LogFields = [:]) { log(.debug, message, fields) }
    public func info(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> LogFields = [:]) { log(.info, message, fields) }
    public func warning(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> LogFields = [:]) {
        log(.warning, message, fields)
    }
    public func error(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> LogFields = [:]) { log(.error, message, fields) }

    private func log(_ level: LogLevel, _ message: () -> String, _ fields: () -> LogFields) {
        guard Self.shows(level) else { return }
        var all = context
        all.append(contentsOf: fields())
        sink.log(
            LogRecord(
                time: MonotonicClock.unixNanoseconds(), level: level, subject: subject, connection: connection, message: message(),
                fields: all
            ))
    }
}
