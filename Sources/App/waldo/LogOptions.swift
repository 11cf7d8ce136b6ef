import Reactor
import Wire

/// What every server's command line says about the log.
struct LogOptions {
    static let known: Set = ["log-level", "log-format"]
    static let switches: Set = ["log-redact", "access-log"]
    static let usage = """
          --log-level LEVEL trace, debug, info, warning or error            (info)
          --log-format NAME text for people, json for machines              (text)
          --log-redact      addresses in the log lose their last part
          --access-log      a line for each request, at info; else none, as it costs what an answer costs
        """

    /// The same for commands that have `Settings`.
    static let options: [Settings.Option] = [
        .init("log-level", "LEVEL", "trace, debug, info, warning or error", "info"),
        .init("log-format", "NAME", "text for people, json for machines", "text"),
        .init("log-redact", nil, "addresses in the log lose their last part"),
        .init("access-log", nil, "a line for each request"),
    ]

    let logsRequests: Bool
    private let format: LogFormat

    init(_ line: CommandLineOptions) {
        self.init(
            level: line.text("log-level"), format: line.text("log-format"), redacts: line.isOn("log-redact"),
            requests: line.isOn("access-log"))
    }

    init(_ settings: Settings) {
        self.init(
            level: settings.choice("log-level", LogLevel.allCases.map(\.name)), format: settings.choice("log-format", ["text", "json"]),
            redacts: settings.isOn("log-redact"), requests: settings.isOn("access-log"))
    }

    /// Also sets the program's level.
    private init(level: String?, format: String?, redacts: Bool, requests: Bool) {
        if let text = level {
            guard let level = LogLevel(text) else {
                fail("--log-level: expected one of \(LogLevel.allCases.map(\.name).joined(separator: ", ")), got `\(text)`")
            }
            Logger.level = level
        }
        let name = format ?? "text"
        guard let form = LogFormat.Form(rawValue: name) else { fail("--log-format: expected text or json, got `\(name)`") }
        self.format = LogFormat(form, redactsAddresses: redacts)
        logsRequests = requests
    }

    func logger(_ subject: String) -> Logger { Logger(subject, to: StandardErrorLog(format)) }
}
