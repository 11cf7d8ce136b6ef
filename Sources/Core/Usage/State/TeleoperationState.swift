import Wire

/// Whether somebody is teleoperating this machine, who, and how well the link works (section 3).
public struct TeleoperationState: Sendable, Equatable {
    public var isActive = false
    /// Sorted; empty while inactive; at most 64.
    public var operators: [String] = []
    /// 0…100.
    public var confidence = 0.0
    /// Active WebRTC connections.
    public var webrtcConnections = 0
    /// Active ZeroMQ flows.
    public var zmqFlows = 0
    /// Input devices with an active session.
    public var inputDevices = 0
    /// Flows that look like video or control.
    public var networkFlows = 0
    /// Round trip, 0 when not measurable.
    public var latencyMs = 0.0
    /// 10⁶ bit/s.
    public var bandwidthMbps = 0.0
    public var packetLossPct = 0.0
    /// Video pictures a second.
    public var fps = 0.0
    public var commandRateHz = 0.0
    /// Of the monitor's own process, of one core.
    public var cpuUsagePct = 0.0
    /// Of the monitor's own process, 10⁶ bytes.
    public var memoryUsageMb = 0.0
    /// What the confidence is made of, a text a signal.
    public var reasons: [String] = []
    /// Of the running session, microseconds since 1970.
    public var startTime: Int64?
    /// Of the running session, seconds.
    public var duration: Double?
    /// When this was found, microseconds since 1970; nil before the first evaluation.
    public var timestamp: Int64?

    public init() {}

    public subscript(connections kind: DetectorKind) -> Int {
        get {
            switch kind {
            case .webrtc: webrtcConnections
            case .zmq: zmqFlows
            case .input: inputDevices
            case .network: networkFlows
            }
        }
        set {
            switch kind {
            case .webrtc: webrtcConnections = newValue
            case .zmq: zmqFlows = newValue
            case .input: inputDevices = newValue
            case .network: networkFlows = newValue
            }
        }
    }

    public var connections: JSON {
        .object(JSONObject(DetectorKind.allCases.map { ($0.rawValue, .integer(Int64(self[connections: $0]))) }))
    }

    /// The form of section 3.
    public var json: JSON {
        [
            "teleoperation_active": .bool(isActive),
            "operators": .array(operators.map(JSON.string)),
            "confidence": .double(confidence),
            "connections": connections,
            "metrics": .object(JSONObject(linkMetrics.map { ($0, .double($1)) })),
            "reasons": .array(reasons.map(JSON.string)),
            "start_time": Self.time(startTime),
            "duration": duration.map(JSON.double) ?? .null,
            "timestamp": Self.time(timestamp),
        ]
    }

    /// The form of section 12 and 14: the words of this type, one level.
    public var flatJSON: JSONObject {
        var object: JSONObject = [
            "is_active": .bool(isActive), "operators": .array(operators.map(JSON.string)), "start_time": Self.time(startTime),
            "duration": duration.map(JSON.double) ?? .null, "confidence": .double(confidence),
            "webrtc_connections": .integer(Int64(webrtcConnections)), "zmq_flows": .integer(Int64(zmqFlows)),
            "input_devices": .integer(Int64(inputDevices)), "network_flows": .integer(Int64(networkFlows)),
        ]
        for (name, value) in allMetrics { object[name] = .double(value) }
        return object
    }

    /// Of the link (section 3), in the order of section 10.
    public var linkMetrics: [(String, Double)] {
        [
            ("latency_ms", latencyMs), ("bandwidth_mbps", bandwidthMbps), ("packet_loss_pct", packetLossPct), ("fps", fps),
            ("command_rate_hz", commandRateHz),
        ]
    }

    /// Of the link and of the monitor itself.
    public var allMetrics: [(String, Double)] { linkMetrics + [("cpu_usage_pct", cpuUsagePct), ("memory_usage_mb", memoryUsageMb)] }

    static func time(_ microseconds: Int64?) -> JSON { microseconds.map { .string(WallClock.text($0)) } ?? .null }
}
