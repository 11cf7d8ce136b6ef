import Wire

/// Everything that a monitor is told before it starts (section 2); the defaults are those of the section.
public struct MonitorConfiguration: Sendable, Equatable {
    public enum RobotType: String, CaseIterable, Sendable { case lekiwi, xle }

    public var robotType = RobotType.lekiwi
    public var webSocketPort: UInt16 = 8765
    public var sharedMemoryNamespace = "teleoperation"
    public var logLevel = "INFO"
    public var detection = Detection()
    public var zmq = ZMQPorts()
    public var webrtc = WebRTCPorts()
    public var performance = Performance()
    public var alerts = AlertThresholds()
    public var plugins: [Plugin] = []
    public var detectors = Set(DetectorKind.allCases)

    public init() {}

    public struct Detection: Sendable, Equatable {
        /// 0…100.
        public var confidenceThreshold = 70.0
        /// 0…100; nil: 20 below the threshold.
        public var corroboratedThreshold: Double?
        /// The longest time between two evaluations, 0.02…10 s.
        public var detectionInterval = Duration.milliseconds(100)
        /// The longest time between two `state_update`, 0.1…60 s.
        public var updateInterval = Duration.milliseconds(500)

        public init() {}
    }

    /// Where one kind of ZeroMQ messages is published.
    public struct ZMQEndpoint: Sendable, Hashable {
        /// An IP address or a name.
        public var host: String
        public var port: UInt16

        public init(host: String = "127.0.0.1", port: UInt16) { (self.host, self.port) = (host, port) }
    }

    /// nil: not watched.
    public struct ZMQPorts: Sendable, Equatable {
        public var controlCommands: ZMQEndpoint? = ZMQEndpoint(port: 5555)
        public var stateFeedback: ZMQEndpoint? = ZMQEndpoint(port: 5556)
        public var videoStream: ZMQEndpoint? = ZMQEndpoint(port: 5557)
        public var telemetry: ZMQEndpoint? = ZMQEndpoint(port: 5558)
        public var joystick: ZMQEndpoint? = ZMQEndpoint(port: 5559)

        public init() {}
    }

    public struct WebRTCPorts: Sendable, Equatable {
        public var stun: [UInt16] = [3478, 19302]
        public var turn: [UInt16] = [3478, 5349]
        public var media: Range<Int> = 10_000..<60_000

        public init() {}
    }

    public struct Performance: Sendable, Equatable {
        /// Bytes of a ring, 4096…1 048 576.
        public var bufferSize = 65_536
        /// 1…1000.
        public var maxClients = 100
        /// 5…3600 s.
        public var metricsWindow = Duration.seconds(60)
        /// 0…3600 s.
        public var alertCooldown = Duration.seconds(30)

        public init() {}
    }

    /// Section 11.
    public struct AlertThresholds: Sendable, Equatable {
        public var latencyMs = 100.0
        public var bandwidthMbps = 50.0
        public var packetLossPct = 5.0
        public var fps = 15.0
        public var commandRateHz = 5.0
        public var cpuUsagePct = 80.0
        public var memoryUsageMb = 500.0

        public init() {}
    }

    /// Section 15.
    public struct Plugin: Sendable, Equatable {
        public var name: String
        /// Program and arguments.
        public var exec: [String]
        public var restarts = true
        public var environment: [String: String] = [:]

        public init(name: String, exec: [String]) { (self.name, self.exec) = (name, exec) }
    }
}

extension MonitorConfiguration.ZMQPorts {
    /// Those that are watched.
    public var portNumbers: Set<UInt16> {
        Set([controlCommands, stateFeedback, videoStream, telemetry, joystick].compactMap { $0?.port })
    }
}
