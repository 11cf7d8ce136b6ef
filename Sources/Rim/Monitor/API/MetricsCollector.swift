import Reactor
import Usage
import Wire

/// What a custom alert check says.
public struct AlertResult: Sendable, Equatable {
    public var severity: Alert.Severity
    public var message: String

    public init(severity: Alert.Severity, message: String) { (self.severity, self.message) = (severity, message) }
}

/// Metrics and alerts of a monitor, for the program that it runs in (spec section 14). Of any thread.
public final class MetricsCollector: Sendable {
    public typealias Check = @Sendable ([String: Double]) -> AlertResult?

    private struct Inside: Sendable {
        /// What was recorded here, at once.
        var own: MetricStore
        /// What the monitor has measured, as of its last evaluation.
        var measured: MetricStore
        var checks: [(name: String, check: Check)] = []
        var checksNamed = 0
        var forward: (@Sendable (String, Double, [String: String]) -> Void)?
    }

    private let inside: Lock<Inside>
    private let window: Duration
    private let alerts: AlertQueue

    init(window: Duration) {
        self.window = window
        inside = Lock(Inside(own: MetricStore(window: window), measured: MetricStore(window: window)))
        alerts = AlertQueue()
    }

    /// A sample of a metric of one's own. A name of the monitor's own metrics, and a value that is not finite, are not taken.
    public func recordMetric(name: String, value: Double, tags: [String: String] = [:]) {
        guard !MetricStore.builtIn.contains(name) else { return }
        let now = MonotonicClock.now()
        let forward = inside.withLock { inside in
            inside.own.record(name, value, at: now)
            return inside.forward
        }
        forward?(name, value, tags)
    }

    /// Over the last `window` (nil: the configuration's `metrics_window`); nil: no samples.
    public func getSummary(_ name: String, window: Duration? = nil) -> MetricSummary? {
        let (now, window) = (MonotonicClock.now(), window ?? self.window)
        return inside.withLock { inside in
            (MetricStore.builtIn.contains(name) ? inside.measured : inside.own).summary(name, over: window, at: now)
        }
    }

    /// Called every second with the latest value of every metric, beside the detection. `name`: for its alerts, and their silence after one;
    /// without one it is `custom_1`, `custom_2`, …
    public func addAlertCheck(name: String? = nil, _ check: @escaping Check) {
        inside.withLock { inside in
            inside.checksNamed += 1
            inside.checks.append((name ?? "custom_\(inside.checksNamed)", check))
        }
    }

    /// Called with each alert, one after the other, beside the detection.
    public func addAlertCallback(_ callback: @escaping @Sendable (Alert) -> Void) { alerts.add(callback) }

    // MARK: for the monitor

    func connect(_ forward: (@Sendable (String, Double, [String: String]) -> Void)?) { inside.withLock { $0.forward = forward } }
    func publish(_ metrics: MetricStore) { inside.withLock { $0.measured = metrics } }
    func raised(_ alert: Alert) { alerts.send(alert) }

    /// What the checks say of these values.
    func results(_ metrics: [String: Double]) -> [(name: String, AlertResult)] {
        let (checks, all) = inside.withLock { inside in
            (inside.checks, metrics.merging(inside.own.latestValues) { measured, _ in measured })
        }
        return checks.compactMap { name, check in check(all).map { (name, $0) } }
    }
}

/// Alerts on their way to callbacks, in their order, on no thread of the monitor's.
private final class AlertQueue: Sendable {
    private let continuation: AsyncStream<Alert>.Continuation
    private let callbacks = Callbacks()

    private final class Callbacks: Sendable {
        let all = Lock<[@Sendable (Alert) -> Void]>([])
    }

    init() {
        let (stream, continuation) = AsyncStream.makeStream(of: Alert.self, bufferingPolicy: .bufferingNewest(100))
        self.continuation = continuation
        Task { [callbacks] in for await alert in stream { for callback in callbacks.all.withLock({ $0 }) { callback(alert) } } }
    }

    deinit { continuation.finish() }

    func add(_ callback: @escaping @Sendable (Alert) -> Void) { callbacks.all.withLock { $0.append(callback) } }
    func send(_ alert: Alert) { continuation.yield(alert) }
}
