import Glibc
import Monitor
import Reactor
import Usage
import Wire

private let usage = """
    usage: waldo-monitor [OPTIONS]
           waldo-monitor read [--shm-namespace NAME] [--watch] [--json]

    Tells whether somebody is teleoperating this machine, who, and how well the link works: from packets (WebRTC), ZeroMQ messages, input
    devices and patterns of traffic. It never touches the robot. The state is at http://HOST:8765/ for people, at /status, /metrics and
    /alerts for programs, live at /ws, and in shared memory.

      --robot-type TYPE     lekiwi or xle: a label; ROBOT_TYPE says it, too          (lekiwi)
      --websocket-port N    where HTTP and WebSocket are; WEBSOCKET_PORT             (8765)
      --bind ADDRESS        on which of this machine's addresses                     (0.0.0.0)
      --shm-namespace NAME  what its shared memory is called; SHM_NAMESPACE          (teleoperation)
      --log-level LEVEL     DEBUG, INFO, WARNING or ERROR; LOG_LEVEL                 (INFO)
      --config FILE         ports, thresholds, plug-ins: JSON
      --plugin NAME=COMMAND start COMMAND, which finds or measures something of its own; may be repeated
      --plugin-stdin        standard input and output are a plug-in's
      --no-shm              no shared memory

    Everything is seen as root, or with the rights CAP_NET_RAW (packets), CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE (whose a connection is) and
    the group `input`. What is missing is said once, is shown in /status, and stops nothing else.
    """

/// `waldo-monitor`: flags, environment and file become options; signals end it.
struct MonitorCommand {
    private var options = MonitorOptions()
    private var given: [(name: String, value: String)] = []

    private static let valued: Set = [
        "--robot-type", "--websocket-port", "--bind", "--shm-namespace", "--log-level", "--config", "--plugin",
    ]
    private static let switches: Set = ["--plugin-stdin", "--no-shm"]

    init(_ arguments: [String]) {
        read(arguments)
        if let path = value("--config") { readConfiguration(path) }
        setConfiguration()
        setPlugins()
        options.sharesMemory = value("--no-shm") == nil
        options.hasPluginOnStandardInput = value("--plugin-stdin") != nil
        setLog()
    }

    // MARK: Reading

    private mutating func read(_ arguments: [String]) {
        var rest = arguments[...]
        while let word = rest.popFirst() {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            switch parts[0] {
            case "--help", "-h":
                say(usage)
                exit(0)
            case "--version":
                say("waldo-monitor \(waldoVersion)")
                exit(0)
            case let name where Self.switches.contains(name) && parts.count == 1: given.append((name, ""))
            case let name where Self.valued.contains(name):
                guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else { fail("\(name): expected a value behind it") }
                given.append((name, value))
            default: fail("`\(word)` is not known; see waldo-monitor --help")
            }
        }
    }

    private func value(_ name: String) -> String? { given.last { $0.name == name }?.value }

    /// Flag before environment; nil: neither, and the file's word or the default holds.
    private func value(_ name: String, or environment: String) -> (text: String, source: String)? {
        if let text = value(name) { return (text, name) }
        return variable(environment).map { ($0, environment) }
    }

    private mutating func readConfiguration(_ path: String) {
        let bytes = readFile(path, limit: 1 << 20)
        do throws(MonitorConfigurationError) { options.configuration = try MonitorConfiguration(parsing: bytes.span) } catch {
            fail("\(path): \(error)")
        }
    }

    private mutating func setConfiguration() {
        if let (text, source) = value("--robot-type", or: "ROBOT_TYPE") {
            guard let type = MonitorConfiguration.RobotType(rawValue: text) else {
                fail("\(source): expected lekiwi or xle, got `\(text)`")
            }
            options.configuration.robotType = type
        }
        if let (text, source) = value("--websocket-port", or: "WEBSOCKET_PORT") {
            guard let port = UInt16(text), port > 0 else { fail("\(source): expected a port from 1 to 65535, got `\(text)`") }
            options.configuration.webSocketPort = port
        }
        if let (text, source) = value("--shm-namespace", or: "SHM_NAMESPACE") {
            guard MonitorConfiguration.isNamespace(text) else {
                fail("\(source): expected \(MonitorConfiguration.namespaceRule), got `\(text)`")
            }
            options.configuration.sharedMemoryNamespace = text
        }
        if let (text, source) = value("--log-level", or: "LOG_LEVEL") {
            guard MonitorConfiguration.logLevels.contains(text) else {
                fail("\(source): expected one of \(MonitorConfiguration.logLevels.joined(separator: ", ")), got `\(text)`")
            }
            options.configuration.logLevel = text
        }
        if let text = value("--bind") {
            guard let address = IPAddress(text) else { fail("--bind: expected an IP address of this machine, got `\(text)`") }
            options.bind = address
        }
    }

    private mutating func setPlugins() {
        for (name, value) in given where name == "--plugin" {
            let parts = value.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, !parts[1].isEmpty else { fail("--plugin: expected NAME=COMMAND, got `\(value)`") }
            guard MonitorConfiguration.isCustomName(parts[0]) else {
                fail("--plugin: expected as name \(MonitorConfiguration.customNameRule); got `\(parts[0])`")
            }
            guard !options.configuration.plugins.contains(where: { $0.name == parts[0] }) else {
                fail("--plugin: there are two plug-ins called `\(parts[0])`")
            }
            options.configuration.plugins.append(.init(name: parts[0], exec: ["/bin/sh", "-c", parts[1]]))
        }
        guard options.configuration.plugins.count <= MonitorConfiguration.mostPlugins else {
            fail("--plugin: expected at most \(MonitorConfiguration.mostPlugins) plug-ins")
        }
    }

    private mutating func setLog() {
        Logger.level = LogLevel(options.configuration.logLevel.lowercased()) ?? .info
        options.log = Logger("monitor")
    }

    // MARK: Running

    func run() -> Never {
        var signals = EndSignals.set
        let host: MonitorHost
        do throws(MonitorError) { host = try MonitorHost(options) } catch { fail("\(error)", status: 1) }
        let options = options
        _ = Task {
            do throws(MonitorError) { Self.announce(try await host.start(), options) } catch { fail("\(error)", status: 1) }
        }
        var received: Int32 = 0
        unsafe sigwait(&signals, &received)
        _ = Task {
            await host.stop()
            _exit(0)
        }
        // Plug-ins may take longer than the second in which it is to end: they end with it.
        usleep(700_000)
        _exit(0)
    }

    private static func announce(_ address: SocketAddress?, _ options: MonitorOptions) {
        guard let address else { return }
        let host = address.ip.isUnspecified ? "localhost" : address.ip.family == .v6 ? "[\(address.ip)]" : "\(address.ip)"
        // Standard output may be a plug-in's.
        say(
            "Watching this machine (\(options.configuration.robotType.rawValue)): http://\(host):\(address.port)/",
            to: options.hasPluginOnStandardInput ? 2 : 1)
    }
}

/// SIGINT and SIGTERM: the program's first words block them, before any thread is made, so that only the one that waits gets them.
enum EndSignals {
    static var set: sigset_t {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGINT)
        unsafe sigaddset(&signals, SIGTERM)
        return signals
    }

    static func block() {
        var signals = set
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    }
}
