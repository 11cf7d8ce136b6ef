import Wire

/// The answers of the HTTP routes (section 4).
extension UsageEngine {
    public func statusReport(_ figures: StreamFigures, at now: Instant) -> JSON {
        var detectors = JSONObject()
        for kind in DetectorKind.allCases {
            var report = (isOn(kind) ? status[kind] ?? DetectorStatus(.full) : DetectorStatus(.off, error: "switched off")).json
            if kind == .zmq {
                report["pattern"] = zmq.pattern(at: now).map(JSON.string) ?? .null
                report["bidirectional"] = .bool(zmq.isBidirectional(at: now))
            }
            detectors[kind.rawValue] = .object(report)
        }
        var stats = self.stats
        stats.uptime = uptime(at: now)
        return [
            "status": "running", "state": state.json, "connected_clients": .integer(Int64(figures.connectedClients)),
            "robot_type": .string(configuration.robotType.rawValue), "detectors": .object(detectors), "stats": stats.json,
            "displaced": [
                "webrtc": .integer(Int64(webrtc.displaced)), "zmq": .integer(Int64(zmq.displaced)),
                "input": .integer(Int64(input.displaced)), "network": .integer(Int64(network.displaced)),
            ],
            "timestamp": .string(clock.text(at: now)),
        ]
    }

    public func metricsReport(_ figures: StreamFigures, at now: Instant) -> JSON {
        var summaries = JSONObject()
        let window = configuration.performance.metricsWindow
        for name in MetricStore.builtIn + metrics.customNames {
            summaries[name] = metrics.summary(name, over: window, at: now)?.json ?? .null
        }
        return [
            "stream_metrics": figures.json, "queue_size": .integer(Int64(figures.queueSize)), "metrics": .object(summaries),
            "timestamp": .string(clock.text(at: now)),
        ]
    }

    public func alertsReport(at now: Instant) -> JSON {
        ["alerts": .array(alertBook.alerts.map(\.json)), "timestamp": .string(clock.text(at: now))]
    }

    public func healthReport(at now: Instant) -> JSON { ["status": "healthy", "timestamp": .string(clock.text(at: now))] }
}
