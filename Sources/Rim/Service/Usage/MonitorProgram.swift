import Monitor
import Reactor
import Wire

/// The usage monitor as a child of a station: begins and ends with it, and speaks through its log. Lives on the reactor.
///
/// When it ends by itself, for instance because its port is taken, the log says so, and the station goes on without it.
package final class MonitorProgram {
    private let log: Logger
    private var process: PluginProcess?
    /// The newest of its words, for the case that they were its last.
    private var lastWords = ""
    private var isEnding = false
    private var whenEnded: (() -> Void)?

    /// Throws when it cannot be run. `namespace`: nil for a monitor without shared memory.
    init(_ program: String, port: UInt16, namespace: String?, reactor: Reactor, log: Logger) throws(SystemError) {
        self.log = log
        process = try PluginProcess(
            name: "monitor", exec: [program] + Self.arguments(port: port, namespace: namespace, level: Logger.level), keepsRights: true,
            reactor: reactor, log: log,
            onLine: { [unowned self] line in heard(line) }, onErrorLine: { [unowned self] line in heard(line) },
            onEnd: { [unowned self] status in ended(status) })
    }

    package static func arguments(port: UInt16, namespace: String?, level: LogLevel) -> [String] {
        ["--bind", "127.0.0.1", "--websocket-port", "\(port)"] + (namespace.map { ["--shm-namespace", $0] } ?? ["--no-shm"])
            + ["--log-level", max(level, .debug).name.uppercased()]
    }

    /// Ends it, within about a second: its shared memory is taken away by itself.
    func stop(then: @escaping () -> Void) {
        guard let process else { return then() }
        (isEnding, whenEnded) = (true, then)
        process.terminate()
    }

    private func heard(_ line: borrowing LineSplitter.Line) {
        switch line {
        case .text(let bytes): pass(on: String(decoding: bytes.array, as: UTF8.self))
        case .tooLong: break
        }
    }

    private func pass(on line: String) {
        let (level, words) = Self.words(of: line)
        lastWords = words
        switch level {
        case .trace, .debug: log.debug(words)
        case .info: log.info(words)
        case .warning: log.warning(words)
        case .error: log.error(words)
        }
    }

    /// The level and the words of a line of its log (`2026-11-20T16:04:14.123Z warning monitor: words`), and whatever else it says as `info`.
    package static func words(of line: String) -> (LogLevel, String) {
        let parts = line.split(separator: " ", maxSplits: 3).map(String.init)
        guard parts.count == 4, parts[0].hasSuffix("Z"), let level = LogLevel(parts[1]), parts[2].hasSuffix(":") else {
            return (.info, line)
        }
        return (level, parts[3])
    }

    private func ended(_ status: Int32) {
        if !isEnding {
            log.warning(
                "the usage monitor has ended; the station goes on without it",
                ["status": .integer(Int64(status)), "said": .text(lastWords)])
        }
        process = nil
        let tell = whenEnded
        whenEnded = nil
        tell?()
    }
}
