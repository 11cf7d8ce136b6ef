import Reactor
import Usage
import Wire

/// The programs that the monitor starts as plug-ins (spec section 15), and the one that it may stand beside on standard input. Lives on the reactor.
final class PluginHost {
    struct Handlers {
        var detection: (_ name: String, PluginDetection?) -> Void
        var metric: (_ name: String, _ value: Double, _ tags: [(String, String)]) -> Void
        var alert: (_ name: String, Alert.Severity, _ message: String) -> Void
        /// For people and `error_occurred`.
        var failed: (_ component: String, _ message: String) -> Void
    }

    private var plugins: [HostedPlugin] = []
    private let reactor: Reactor
    private let handlers: Handlers
    private let log: Logger
    private var onAllEnded: (() -> Void)?

    init(reactor: Reactor, log: Logger, _ handlers: Handlers) { (self.reactor, self.log, self.handlers) = (reactor, log, handlers) }

    func start(_ configuration: MonitorConfiguration, standardInput: Bool) {
        for plugin in configuration.plugins { add(HostedPlugin(plugin, configuration, reactor: reactor, log: log)) }
        if standardInput { add(HostedPlugin(nil, configuration, reactor: reactor, log: log)) }
    }

    private func add(_ plugin: HostedPlugin) {
        plugins.append(plugin)
        plugin.onOutput = { [unowned self, unowned plugin] output in handle(output, plugin) }
        plugin.onFailure = { [unowned self, unowned plugin] how in handlers.failed(plugin.name, how) }
        plugin.onEnd = { [unowned self] in if plugins.allSatisfy(\.isOver) { onAllEnded?() } }
        plugin.start()
    }

    /// For those that want to know it.
    func changed(_ state: JSON) { for plugin in plugins { plugin.changed(state) } }

    /// What checks are told.
    func tell(metrics: @autoclosure () -> [String: Double]) {
        guard !plugins.isEmpty else { return }
        let metrics = metrics()
        for plugin in plugins { plugin.metrics = metrics }
    }

    /// Calls `done` when all have ended, which each gets 3 s for.
    func stop(_ done: @escaping () -> Void) {
        guard !plugins.allSatisfy(\.isOver) else { return done() }
        onAllEnded = done
        for plugin in plugins { plugin.stop() }
    }

    private func handle(_ output: PluginConversation.Output, _ plugin: HostedPlugin) {
        let name = plugin.name
        switch output {
        case .send: break
        case .metric(let metric, let value, let tags): handlers.metric(metric, value, tags)
        case .alert(let alert): handlers.alert(alert.name ?? name, alert.severity, alert.message)
        case .log(let level, let message): say(level, message, name)
        case .changed: handlers.detection(name, plugin.detection)
        case .end(let reason): handlers.failed(name, reason)
        }
    }

    private func say(_ level: String, _ message: String, _ name: String) {
        let log = log.with("plugin", .text(name)), fields: LogFields = ["says": .text(message)]
        switch level {
        case "debug": log.debug("a plug-in", fields)
        case "warning": log.warning("a plug-in", fields)
        case "error": log.error("a plug-in", fields)
        default: log.info("a plug-in", fields)
        }
    }
}
