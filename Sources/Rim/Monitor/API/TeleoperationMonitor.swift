import Reactor
import Usage
import Wire

/// The usage monitor inside a program (spec section 14).
///
///     let monitor = TeleoperationMonitor(robotType: .lekiwi)
///     try await monitor.start()
///     print(monitor.getState().isActive, monitor.getState().operators)
///     await monitor.stop()
///
/// Of any thread. It may be started again after it was stopped.
public final class TeleoperationMonitor: Sendable {
    /// Metrics of one's own, summaries, alert checks.
    public let metricsCollector: MetricsCollector

    private let options: MonitorOptions
    private let inside = Lock(Inside())

    private struct Inside: Sendable {
        var state = TeleoperationState()
        var stats = MonitorStats()
        var figures = StreamFigures()
        var detectors: [String: any BaseDetector] = [:]
        var host: MonitorHost?
        var address: SocketAddress?
        var isStarting = false
    }

    public convenience init(robotType: MonitorConfiguration.RobotType = .lekiwi) {
        var configuration = MonitorConfiguration()
        configuration.robotType = robotType
        self.init(config: configuration)
    }

    public convenience init(config: MonitorConfiguration) { self.init(options: MonitorOptions(config)) }

    public init(options: MonitorOptions) {
        self.options = options
        metricsCollector = MetricsCollector(window: options.configuration.performance.metricsWindow)
    }

    /// Begins to watch, and to serve where the options say so.
    public func start() async throws {
        let mayStart = inside.withLock { inside in
            guard inside.host == nil, !inside.isStarting else { return false }
            inside.isStarting = true
            return true
        }
        guard mayStart else { throw MonitorError.alreadyRunning }
        defer { inside.withLock { $0.isStarting = false } }
        let host = try MonitorHost(options)
        await host.observe(
            publish: { [weak self] state, stats, metrics, figures in self?.publish(state, stats, metrics, figures) },
            alert: { [weak self] alert in self?.metricsCollector.raised(alert) },
            check: { [weak self] metrics in self?.check(metrics) })
        let address = try await host.start()
        let detectors = inside.withLock { inside in
            (inside.host, inside.address) = (host, address)
            return inside.detectors
        }
        metricsCollector.connect { [weak host] name, value, tags in
            guard let host else { return }
            Task { await host.record(name, value, tags) }
        }
        for (name, detector) in detectors { await host.add(name, detector) }
    }

    /// Ends it: clients get a close frame, shared memory is taken away, detectors are stopped.
    public func stop() async {
        let host = inside.withLock { inside in
            defer { (inside.host, inside.address, inside.state) = (nil, nil, TeleoperationState()) }
            return inside.host
        }
        metricsCollector.connect(nil)
        await host?.stop()
    }

    /// As of the last evaluation.
    public func getState() -> TeleoperationState { inside.withLock { $0.state } }

    /// As of the last evaluation.
    public func getStats() -> MonitorStats { inside.withLock { $0.stats } }

    /// How events go out to WebSocket clients.
    public var streamer: StreamFigures { inside.withLock { $0.figures } }

    /// Where it serves; nil while it does not run.
    public var address: SocketAddress? { inside.withLock { $0.address } }

    /// A detector of one's own: its score counts as those of the built-in ones. `name`: 1–32 of a–z, 0–9 and `_`, none of the built-in ones.
    public func addDetector(_ name: String, _ detector: any BaseDetector) throws {
        guard MonitorConfiguration.isCustomName(name) else { throw MonitorError.invalidName(name) }
        let (isNew, host) = inside.withLock { inside in
            guard inside.detectors[name] == nil else { return (false, nil as MonitorHost?) }
            inside.detectors[name] = detector
            return (true, inside.host)
        }
        guard isNew else { throw MonitorError.nameTaken(name) }
        if let host { Task { await host.add(name, detector) } }
    }

    public func removeDetector(_ name: String) {
        let host = inside.withLock { inside in
            inside.detectors[name] = nil
            return inside.host
        }
        if let host { Task { await host.remove(name) } }
    }

    private func publish(_ state: TeleoperationState, _ stats: MonitorStats, _ metrics: MetricStore, _ figures: StreamFigures) {
        inside.withLock { ($0.state, $0.stats, $0.figures) = (state, stats, figures) }
        metricsCollector.publish(metrics)
    }

    /// Beside the detection: a check may take its time.
    private func check(_ metrics: [String: Double]) {
        guard let host = inside.withLock({ $0.host }) else { return }
        Task.detached { [metricsCollector] in
            for (name, result) in metricsCollector.results(metrics) { await host.raise(result.severity, result.message, by: name) }
        }
    }
}
