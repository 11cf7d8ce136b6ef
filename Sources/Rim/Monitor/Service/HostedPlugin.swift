import Reactor
import Usage
import Wire

/// One plug-in: what is said with it, and the process that says it, started again when it ends. Lives on the reactor.
final class HostedPlugin {
    var onOutput: ((PluginConversation.Output) -> Void)?
    var onEnd: (() -> Void)?
    /// It has ended though nobody wanted that, and how.
    var onFailure: ((String) -> Void)?
    /// It has ended, and is not started again.
    private(set) var isOver = false

    private let plugin: MonitorConfiguration.Plugin?
    private let configuration: MonitorConfiguration
    private let reactor: Reactor
    private let log: Logger
    private var conversation: PluginConversation
    private var process: PluginProcess?
    private var standard: StandardLines?
    private var timer: ReactorTimer?
    private var restart: ReactorTimer?
    private var wait = HostedPlugin.shortestWait
    private var startedAt = Instant.zero
    private var isStopping = false
    /// The conversation has said already why it is ended.
    private var isReported = false

    private static let shortestWait = Duration.seconds(1)
    private static let longestWait = Duration.seconds(60)

    /// nil: the one on standard input.
    init(_ plugin: MonitorConfiguration.Plugin?, _ configuration: MonitorConfiguration, reactor: Reactor, log: Logger) {
        (self.plugin, self.configuration, self.reactor, self.log) = (plugin, configuration, reactor, log)
        conversation = Self.conversation(plugin, configuration)
        timer = reactor.makeTimer { [unowned self] now in
            conversation.advance(to: now)
            drain()
        }
        restart = reactor.makeTimer { [unowned self] _ in start() }
    }

    private static func conversation(_ plugin: MonitorConfiguration.Plugin?, _ configuration: MonitorConfiguration) -> PluginConversation {
        PluginConversation(name: plugin?.name, robotType: configuration.robotType, interval: configuration.detection.detectionInterval)
    }

    var name: String { conversation.name ?? "plugin_stdin" }
    var detection: PluginDetection? { conversation.detection }
    var metrics: [String: Double] {
        get { conversation.metrics }
        set { conversation.metrics = newValue }
    }

    func changed(_ state: JSON) {
        conversation.changed(state)
        drain()
    }

    // MARK: from start to end

    func start() {
        guard !isStopping else { return }
        conversation = Self.conversation(plugin, configuration)
        startedAt = reactor.now
        isReported = false
        do throws(SystemError) {
            if let plugin {
                process = try PluginProcess(
                    name: plugin.name, exec: plugin.exec, environment: plugin.environment, reactor: reactor, log: log,
                    onLine: { [unowned self] line in received(line) }, onEnd: { [unowned self] status in ended("with status \(status)") })
            } else {
                standard = try StandardLines(
                    reactor: reactor, onLine: { [unowned self] line in received(line) },
                    onEnd: { [unowned self] in ended("closed its output") })
            }
        } catch { return ended("could not be started: \(error)") }
        conversation.started(at: reactor.now)
        drain()
    }

    func stop() {
        guard !isOver, !isStopping else { return }
        isStopping = true
        restart?.deadline = nil
        guard process != nil || standard != nil else { return over() }
        conversation.stop()
        drain()
        process?.stop()
        if standard != nil { over() }
    }

    private func received(_ line: borrowing LineSplitter.Line) {
        switch line {
        case .text(let bytes): conversation.received(bytes, at: reactor.now)
        case .tooLong: conversation.receivedTooMuch(at: reactor.now)
        }
        drain()
    }

    private func ended(_ how: String) {
        process = nil
        standard = nil
        conversation.ended()
        drain()
        if !isStopping, !isReported { onFailure?("it has ended: \(how)") }
        guard !isStopping, let plugin, plugin.restarts else {
            if !isStopping { log.warning("a plug-in has ended", ["plugin": .text(name), "how": .text(how)]) }
            return over()
        }
        if reactor.now - startedAt > Self.longestWait { wait = Self.shortestWait }
        log.warning(
            "a plug-in has ended and is started again", ["plugin": .text(name), "how": .text(how), "after_s": LogValue(Int(wait.seconds))])
        restart?.deadline = reactor.now + wait
        wait = min(wait * 2, Self.longestWait)
    }

    private func over() {
        isOver = true
        onEnd?()
    }

    private func drain() {
        while let output = conversation.nextOutput() {
            switch output {
            case .send(let line): send(line)
            case .end:
                isReported = true
                process?.kill()
            default: break
            }
            onOutput?(output)
        }
        timer?.deadline = conversation.deadline
    }

    /// What it does not read is lost to it, not to us.
    private func send(_ line: [UInt8]) {
        let line = line.span.extracting(droppingLast: 1)
        if let process { process.send(line) } else { standard?.send(line) }
    }
}

/// Standard input and output as the lines of a plug-in that stands beside the monitor.
private final class StandardLines {
    private let reader: LineReader
    private let writer: LineWriter

    init(reactor: Reactor, onLine: @escaping (borrowing LineSplitter.Line) -> Void, onEnd: @escaping () -> Void) throws(SystemError) {
        reader = try LineReader(takingOwnershipOf: 0, reactor: reactor, onLine: onLine, onEnd: onEnd)
        writer = try LineWriter(takingOwnershipOf: 1, reactor: reactor)
    }

    func send(_ line: Span<UInt8>) { _ = writer.write(line) }
}
