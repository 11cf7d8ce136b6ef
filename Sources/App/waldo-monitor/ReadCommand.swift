import Glibc
import Monitor
import Reactor
import Usage
import Wire

/// `waldo-monitor read`: what a monitor of this machine has found, from its shared memory.
struct ReadCommand {
    private var namespace = variable("SHM_NAMESPACE") ?? "teleoperation"
    private var watches = false
    private var isJSON = false

    init(_ arguments: [String]) {
        var rest = arguments[...]
        while let word = rest.popFirst() {
            switch word {
            case "--watch", "-w": watches = true
            case "--json": isJSON = true
            case "--shm-namespace":
                guard let name = rest.popFirst() else { fail("--shm-namespace: expected a name behind it") }
                namespace = name
            case "--help", "-h":
                say(
                    "usage: waldo-monitor read [--shm-namespace NAME] [--watch] [--json]\n\nSays once, or twice a second, what the monitor has found."
                )
                exit(0)
            default: fail("`\(word)` is not known; see waldo-monitor read --help")
            }
        }
        guard MonitorConfiguration.isNamespace(namespace) else {
            fail("--shm-namespace: expected \(MonitorConfiguration.namespaceRule), got `\(namespace)`")
        }
    }

    func run() -> Never {
        repeat {
            show()
            if watches { usleep(500_000) }
        } while watches
        exit(0)
    }

    /// Attached anew each time: a monitor may have been started again meanwhile.
    private func show() {
        let shared = SharedMemoryManager(namespace: namespace)
        do throws(SharedMemoryError) {
            try shared.initialize(create: false)
            guard let state = try shared.readState() else { return missing("nothing has been written yet") }
            say(isJSON ? JSON.object(state).description : text(state))
        } catch { missing("\(error)") }
    }

    private func missing(_ reason: String) {
        guard watches else { fail(reason, status: 1) }
        say("(\(reason))")
    }

    private func text(_ state: JSONObject) -> String {
        let age = Double(MonotonicClock.unixNanoseconds() / 1_000_000) - (state["_timestamp_ms"]?.double ?? 0)
        let operators = (state["operators"]?.array ?? []).compactMap { $0.string.flatMap(OperatorName.cleaned) }
        let isActive = state["is_active"]?.bool == true
        var line =
            isActive ? "teleoperated by \(operators.isEmpty ? "somebody" : operators.joined(separator: ", "))" : "nobody teleoperates"
        if let duration = state["duration"]?.double { line += " for \(JSON.double(duration.rounded())) s" }
        line += ", confidence \(state["confidence"] ?? 0) %"
        for (name, unit) in [
            ("latency_ms", "ms"), ("bandwidth_mbps", "Mbit/s"), ("packet_loss_pct", "% lost"), ("fps", "pictures/s"),
            ("command_rate_hz", "commands/s"),
        ] {
            if let value = state[name]?.double, value > 0 { line += ", \(JSON.double((value * 10).rounded() / 10)) \(unit)" }
        }
        return age > 5000 ? line + " (\(Int(age / 1000)) s old: the monitor is gone or stuck)" : line
    }
}
