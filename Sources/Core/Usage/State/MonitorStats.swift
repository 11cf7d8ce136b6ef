import Wire

/// What a monitor has done since it started (section 14).
public struct MonitorStats: Sendable, Equatable {
    /// Evaluations that found teleoperation.
    public var detections = 0
    /// Changes of whether, who, or how many connections.
    public var stateChanges = 0
    public var evaluations = 0
    /// Seconds.
    public var uptime = 0.0
    /// From the evidence that made the last evaluation necessary to the evaluation.
    public var lastDetectionLatencyMs = 0.0
    /// Detectors and plug-ins that failed.
    public var errors = 0

    public init() {}

    public var json: JSON {
        [
            "detections": .integer(Int64(detections)), "state_changes": .integer(Int64(stateChanges)),
            "evaluations": .integer(Int64(evaluations)), "uptime": .double(uptime),
            "last_detection_latency_ms": .double(lastDetectionLatencyMs), "errors": .integer(Int64(errors)),
        ]
    }
}
