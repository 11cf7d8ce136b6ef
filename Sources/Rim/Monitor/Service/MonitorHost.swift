import Glibc
import Reactor
import Usage
import Wire

/// A monitor with a reactor of its own: what `waldo-monitor` runs, and the Swift API stands on.
public actor MonitorHost {
    private nonisolated let reactor: Reactor
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private let service: MonitorService
    private var detectors: CustomDetectors?
    private let log: Logger

    public init(_ options: MonitorOptions) throws(MonitorError) {
        do throws(SystemError) { reactor = try Reactor(name: "waldo-monitor") } catch { throw .system("\(error)") }
        service = MonitorService(options, reactor: reactor)
        log = options.log
    }

    /// Begins to watch and to serve; answers where it serves, nil where it does not.
    @discardableResult
    public func start() throws(MonitorError) -> SocketAddress? { try service.start() }

    /// Tells everybody that it is over: clients get a close frame with 1001, shared memory is taken away, detectors are stopped. Nothing may be
    /// asked of it then.
    public func stop() async {
        for detector in detectors?.removeAll() ?? [] { await detector.stop() }
        detectors = nil
        await withCheckedContinuation { continuation in service.stop { continuation.resume() } }
        reactor.stop()
    }

    // MARK: for the Swift API

    func observe(
        publish: @escaping @Sendable (TeleoperationState, MonitorStats, MetricStore, StreamFigures) -> Void,
        alert: @escaping @Sendable (Alert) -> Void, check: @escaping @Sendable ([String: Double]) -> Void
    ) {
        service.onPublish = { engine, figures in publish(engine.state, engine.stats, engine.metrics, figures) }
        service.onAlert = alert
        service.onCheck = check
    }

    func add(_ name: String, _ detector: any BaseDetector) {
        let detectors =
            self.detectors
            ?? CustomDetectors(service, reactor: reactor, log: log) { [weak self] name, number, outcome in
                guard let self else { return }
                Task { await self.received(name, number, outcome) }
            }
        self.detectors = detectors
        detectors.add(name, detector)
    }

    func remove(_ name: String) { detectors?.remove(name) }

    private func received(_ name: String, _ number: Int, _ outcome: CustomDetectors.Outcome) {
        detectors?.received(name, number, outcome, at: MonotonicClock.now())
    }

    func record(_ name: String, _ value: Double, _ tags: [String: String]) {
        service.tell { $0.recordMetric(name, value, tags: tags.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }, at: $1) }
    }

    func raise(_ severity: Alert.Severity, _ message: String, by name: String) {
        service.tell { $0.raise(severity, message, by: name, at: $1) }
    }
}
