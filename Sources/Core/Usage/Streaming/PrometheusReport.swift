import Wire

extension UsageEngine {
    /// Prometheus text, format 0.0.4 (section 16). Operators' names are not in it.
    public func prometheusReport(_ figures: StreamFigures) -> [UInt8] {
        var text = PrometheusText(common: [("robot_type", configuration.robotType.rawValue)])
        text.gauge("teleop_active", "1 while somebody teleoperates the robot", state.isActive ? 1 : 0)
        text.gauge("teleop_confidence", "How sure that is, 0 to 100", state.confidence)
        text.gauge("teleop_operators", "Operators that are there", Double(state.operators.count))
        text.begin("teleop_connections", "Active flows and devices", "gauge")
        for kind in DetectorKind.allCases { text.line([("kind", kind.rawValue)], Double(state[connections: kind])) }
        let help = [
            "latency_ms": "Round trip, 0 when it cannot be measured", "bandwidth_mbps": "Bit rate of the counted flows, 10^6 bit/s",
            "packet_loss_pct": "Loss of incoming media", "fps": "Pictures a second", "command_rate_hz": "Control messages a second",
            "cpu_usage_pct": "The monitor's own share of one core", "memory_usage_mb": "The monitor's own resident memory, 10^6 bytes",
        ]
        for (name, value) in state.allMetrics { text.gauge("teleop_" + name, help[name] ?? name, value) }
        text.gauge("teleop_ws_clients", "WebSocket clients", Double(figures.connectedClients))
        text.gauge("teleop_queue_size", "Events that the slowest client has not got yet", Double(figures.queueSize))
        text.gauge("teleop_broadcast_latency_ms", "From an event to the last socket, smoothed", figures.broadcastLatencyMs)
        text.begin("teleop_detector_up", "1 while the detector works, reduced or not", "gauge")
        for kind in DetectorKind.allCases {
            let isUp = isOn(kind) && (status[kind]?.mode ?? .full) != .off
            text.line([("detector", kind.rawValue)], isUp ? 1 : 0)
        }
        text.counter("teleop_ws_messages_sent_total", "Events and greetings sent to clients", figures.messagesSent)
        text.counter("teleop_ws_bytes_sent_total", "Bytes of these", figures.bytesSent)
        text.counter("teleop_state_changes_total", "Changes of whether, who or how many connections", stats.stateChanges)
        text.begin("teleop_alerts_total", "Alerts raised", "counter")
        for count in alertBook.counts {
            text.line([("metric", count.metric), ("severity", count.severity.rawValue)], Double(count.count))
        }
        text.counter("teleop_dropped_events_total", "Events that slow clients did not get", figures.droppedEvents)
        text.begin("teleop_custom", "The latest values of custom metrics", "gauge")
        for name in metrics.customNames { text.line([("name", name)] + metrics.tags(of: name), metrics.latest(name) ?? 0) }
        return text.bytes
    }
}

/// Lines of Prometheus text with labels that all have in common.
struct PrometheusText {
    private(set) var bytes: [UInt8] = []
    private let common: [(String, String)]
    private var name = ""

    init(common: [(String, String)]) {
        self.common = common
        bytes.reserveCapacity(4096)
    }

    mutating func gauge(_ name: String, _ help: String, _ value: Double) {
        begin(name, help, "gauge")
        line([], value)
    }

    mutating func counter(_ name: String, _ help: String, _ value: Int) {
        begin(name, help, "counter")
        line([], Double(value))
    }

    mutating func begin(_ name: String, _ help: String, _ type: String) {
        self.name = name
        put("# HELP \(name) \(help)\n# TYPE \(name) \(type)\n")
    }

    mutating func line(_ labels: [(String, String)], _ value: Double) {
        put(name + "{")
        var used: Set<String> = []
        for (label, value) in common + labels {
            let label = Self.label(label)
            guard used.insert(label).inserted else { continue }
            put((used.count > 1 ? "," : "") + label + "=\"" + Self.escaped(value) + "\"")
        }
        put("} ")
        JSON.write(value, to: &bytes)
        put("\n")
    }

    private mutating func put(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// A label's name is letters, digits and `_`, and does not begin with a digit.
    private static func label(_ text: String) -> String {
        var name = ""
        for scalar in text.unicodeScalars.prefix(64) {
            let isWord = scalar == "_" || ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar)
            name.unicodeScalars.append(isWord ? scalar : "_")
        }
        guard let first = name.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return "_" + name }
        return name
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
