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

    let logsRequests: Bool
    private let format: LogFormat

    /// Also sets the program's level.
    init(_ line: CommandLineOptions) {
        if let text = line.text("log-level") {
            guard let level = LogLevel(text) else {
                fail("--log-level: expected one of \(LogLevel.allCases.map(\.name).joined(separator: ", ")), got `\(text)`")
            }
            Logger.level = level
        }
        let name = line.text("log-format") ?? "text"
        guard let form = LogFormat.Form(rawValue: name) else { fail("--log-format: expected text or json, got `\(name)`") }
        format = LogFormat(form, redactsAddresses: line.isOn("log-redact"))
        logsRequests = line.isOn("access-log")
    }

    func logger(_ subject: String) -> Logger { Logger(subject, to: StandardErrorLog(format)) }
}
