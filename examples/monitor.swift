// A program that watches its own machine: it prints when somebody begins to teleoperate it and when that ends, with a detector and an alert of
// its own. usage: MonitorExample [SECONDS]
import Glibc
import Monitor
import Usage
import Wire

/// Somebody stands at the robot while this file is there.
struct Lamp: BaseDetector {
    func detect() async -> Detection? {
        Detection(active: unsafe access("/tmp/somebody-is-there", F_OK) == 0, confidence: 85, operator: "somebody")
    }
}

@main enum MonitorExample {
    static func main() async throws {
        var options = MonitorOptions()
        options.bind = IPAddress(127, 0, 0, 1)
        options.configuration.webSocketPort = 0  // any free one
        options.configuration.sharedMemoryNamespace = "example_\(getpid())"
        let monitor = TeleoperationMonitor(options: options)
        try monitor.addDetector("lamp", Lamp())
        monitor.metricsCollector.addAlertCheck(name: "queue") { metrics in
            metrics["queue_length", default: 0] > 10 ? AlertResult(severity: .warning, message: "the queue is long") : nil
        }
        monitor.metricsCollector.addAlertCallback { print("alert:", $0.metric, $0.reason) }
        try await monitor.start()
        monitor.metricsCollector.recordMetric(name: "queue_length", value: 12)
        print("http://\(monitor.address!)/")
        var wasActive = false
        for _ in 0..<(CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 3600) * 10 {
            let state = monitor.getState()
            if state.isActive != wasActive { print(state.isActive ? "teleoperated by \(state.operators)" : "nobody teleoperates") }
            wasActive = state.isActive
            try await Task.sleep(for: .milliseconds(100))
        }
        await monitor.stop()
    }
}
