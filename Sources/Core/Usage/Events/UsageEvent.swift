import Wire

/// Something that happened (section 6), as all clients get it.
public struct UsageEvent: Sendable, Equatable {
    public enum Kind: String, CaseIterable, Sendable {
        case stateUpdate = "state_update"
        case activeChanged = "teleoperation_active_changed"
        case operatorsChanged = "operators_changed"
        case operatorConnected = "operator_connected"
        case operatorDisconnected = "operator_disconnected"
        case started = "teleoperation_started"
        case stopped = "teleoperation_stopped"
        case connectionEstablished = "connection_established"
        case connectionLost = "connection_lost"
        case latencyWarning = "latency_warning"
        case bandwidthWarning = "bandwidth_warning"
        case packetLossWarning = "packet_loss_warning"
        case fpsWarning = "fps_warning"
        case commandRateWarning = "command_rate_warning"
        case resourceWarning = "resource_warning"
        case alert
        case emergencyStop = "emergency_stop"
        case modeChanged = "mode_changed"
        case errorOccurred = "error_occurred"

        /// Those that a client gets whatever its topics are, until it says otherwise (section 5).
        public var isAlert: Bool {
            switch self {
            case .latencyWarning, .bandwidthWarning, .packetLossWarning, .fpsWarning, .commandRateWarning, .resourceWarning, .alert: true
            default: false
            }
        }
    }

    public var kind: Kind
    public var data: JSON
    /// Microseconds since 1970.
    public var timestamp: Int64
    /// Rising by one from 1.
    public var sequence: Int64

    public init(_ kind: Kind, _ data: JSON, timestamp: Int64, sequence: Int64) {
        (self.kind, self.data, self.timestamp, self.sequence) = (kind, data, timestamp, sequence)
    }

    /// `{"type":…,"data":…,"timestamp":…,"seq":…}`
    public func encoded() -> [UInt8] {
        JSON.object([
            "type": .string(kind.rawValue), "data": data, "timestamp": .string(WallClock.text(timestamp)), "seq": .integer(sequence),
        ]).encoded()
    }
}
