import Wire

/// What is wrong with a configuration: the place, what is allowed there, what came.
public struct MonitorConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
    init(_ error: JSONFieldError) { description = error.description }
}

extension MonitorConfiguration {
    /// The file of section 2: what it does not name keeps its default.
    public init(parsing bytes: Span<UInt8>) throws(MonitorConfigurationError) {
        let value: JSON
        do throws(JSONError) { value = try JSON(parsing: bytes, limits: JSONLimits(depth: 16)) } catch {
            throw MonitorConfigurationError(error.description)
        }
        try self.init(JSONField(value))
    }

    public init(_ file: JSONField) throws(MonitorConfigurationError) {
        self.init()
        do throws(JSONFieldError) { try read(file) } catch { throw MonitorConfigurationError(error) }
    }

    private mutating func read(_ file: JSONField) throws(JSONFieldError) {
        try file.members([
            "robot_type", "websocket_port", "shm_namespace", "log_level", "detection", "ports", "performance", "alerts", "plugins",
            "detectors",
        ])
        if let field = try file["robot_type"].optional { robotType = try field.choice(of: RobotType.allCases) }
        if let field = try file["websocket_port"].optional { webSocketPort = try field.port() }
        if let field = try file["shm_namespace"].optional { sharedMemoryNamespace = try Self.namespace(field) }
        if let field = try file["log_level"].optional { logLevel = try field.string(of: Self.logLevels) }
        if let field = try file["detection"].optional { try readDetection(field) }
        if let field = try file["ports"].optional { try readPorts(field) }
        if let field = try file["performance"].optional { try readPerformance(field) }
        if let field = try file["alerts"].optional { try readAlerts(field) }
        if let field = try file["plugins"].optional { plugins = try Self.plugins(field) }
        if let field = try file["detectors"].optional {
            detectors = []
            for name in try field.array(limit: DetectorKind.allCases.count) { detectors.insert(try name.choice(of: DetectorKind.allCases)) }
        }
    }

    public static let logLevels = ["DEBUG", "INFO", "WARNING", "ERROR"]

    /// Whether it can be part of a file's name: 1 to 64 letters, digits, `_`, `-` and `.`, not beginning with a point.
    public static func isNamespace(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count) && text.utf8.first != UInt8(ascii: ".")
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
    }

    /// What a namespace may be, for messages.
    public static let namespaceRule = "1 to 64 letters, digits, `_`, `-` and `.`, not beginning with `.`"

    private static func namespace(_ field: JSONField) throws(JSONFieldError) -> String {
        let text = try field.string()
        guard isNamespace(text) else { throw field.error(namespaceRule) }
        return text
    }

    private mutating func readDetection(_ field: JSONField) throws(JSONFieldError) {
        try field.members(["confidence_threshold", "corroborated_threshold", "detection_interval", "update_interval"])
        if let field = try field["confidence_threshold"].optional { detection.confidenceThreshold = try field.double(in: 0...100) }
        if let field = try field["corroborated_threshold"].optional { detection.corroboratedThreshold = try field.double(in: 0...100) }
        if let field = try field["detection_interval"].optional { detection.detectionInterval = try field.seconds(in: 0.02...10) }
        if let field = try field["update_interval"].optional { detection.updateInterval = try field.seconds(in: 0.1...60) }
    }

    private mutating func readPorts(_ field: JSONField) throws(JSONFieldError) {
        try field.members(["zmq", "webrtc"])
        if let field = try field["zmq"].optional { try readZMQ(field) }
        if let field = try field["webrtc"].optional { try readWebRTC(field) }
    }

    private mutating func readZMQ(_ field: JSONField) throws(JSONFieldError) {
        try field.members(["control_commands", "state_feedback", "video_stream", "telemetry", "joystick"])
        zmq.controlCommands = try field["control_commands"].endpoint(else: zmq.controlCommands)
        zmq.stateFeedback = try field["state_feedback"].endpoint(else: zmq.stateFeedback)
        zmq.videoStream = try field["video_stream"].endpoint(else: zmq.videoStream)
        zmq.telemetry = try field["telemetry"].endpoint(else: zmq.telemetry)
        zmq.joystick = try field["joystick"].endpoint(else: zmq.joystick)
        // The same publisher would count twice.
        let places = [zmq.controlCommands, zmq.stateFeedback, zmq.videoStream, zmq.telemetry, zmq.joystick].compactMap { $0 }
        guard Set(places).count == places.count else { throw field.error("a port of its own for each, as the defaults are, or null") }
    }

    private mutating func readWebRTC(_ field: JSONField) throws(JSONFieldError) {
        try field.members(["stun", "turn", "media"])
        if let field = try field["stun"].optional { webrtc.stun = try field.ports() }
        if let field = try field["turn"].optional { webrtc.turn = try field.ports() }
        if let field = try field["media"].optional { webrtc.media = try field.portRange() }
    }

    private mutating func readPerformance(_ field: JSONField) throws(JSONFieldError) {
        try field.members(["buffer_size", "max_clients", "metrics_window", "alert_cooldown"])
        if let field = try field["buffer_size"].optional { performance.bufferSize = Int(try field.integer(in: 4096...1_048_576)) }
        if let field = try field["max_clients"].optional { performance.maxClients = Int(try field.integer(in: 1...1000)) }
        if let field = try field["metrics_window"].optional { performance.metricsWindow = try field.seconds(in: 5...3600) }
        if let field = try field["alert_cooldown"].optional { performance.alertCooldown = try field.seconds(in: 0...3600) }
    }

    private mutating func readAlerts(_ field: JSONField) throws(JSONFieldError) {
        let places: [(String, WritableKeyPath<AlertThresholds, Double>)] = [
            ("latency_ms", \.latencyMs), ("bandwidth_mbps", \.bandwidthMbps), ("packet_loss_pct", \.packetLossPct), ("fps", \.fps),
            ("command_rate_hz", \.commandRateHz), ("cpu_usage_pct", \.cpuUsagePct), ("memory_usage_mb", \.memoryUsageMb),
        ]
        try field.members(places.map(\.0))
        for (name, place) in places {
            if let field = try field[name].optional { alerts[keyPath: place] = try field.double(in: 0...1_000_000) }
        }
    }

    /// Plug-ins that run at once (section 17).
    public static let mostPlugins = 32

    private static func plugins(_ field: JSONField) throws(JSONFieldError) -> [Plugin] {
        var plugins: [Plugin] = []
        for field in try field.array(limit: mostPlugins) {
            let plugin = try plugin(field)
            if plugins.contains(where: { $0.name == plugin.name }) { throw try field["name"].error("a name that no other plug-in has") }
            plugins.append(plugin)
        }
        return plugins
    }

    private static func plugin(_ field: JSONField) throws(JSONFieldError) -> Plugin {
        try field.members(["name", "exec", "restart", "env"])
        let name = try field["name"].string()
        guard isCustomName(name) else { throw try field["name"].error(customNameRule) }
        var exec: [String] = []
        for word in try field["exec"].array(limit: 64) { exec.append(try word.string(limit: 4096)) }
        guard exec.first?.isEmpty == false else { throw try field["exec"].error("a program and its arguments") }
        var plugin = Plugin(name: name, exec: exec)
        if let field = try field["restart"].optional { plugin.restarts = try field.bool() }
        if let environment = try field["env"].optional {
            for name in try environment.object().names { plugin.environment[name] = try environment[name].string(limit: 4096) }
        }
        return plugin
    }

    /// Whether a detector or plug-in may be called so (section 14).
    public static func isCustomName(_ name: String) -> Bool {
        (1...32).contains(name.utf8.count) && DetectorKind(rawValue: name) == nil
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): true
                default: false
                }
            }
    }

    /// What such a name may be, for messages.
    public static let customNameRule = "1 to 32 of a–z, 0–9 and `_`, and none of webrtc, zmq, input, network"
}

extension JSONField {
    /// That the object has none but these.
    fileprivate func members(_ known: [String]) throws(JSONFieldError) {
        for name in try object().names where !known.contains(name) {
            throw JSONFieldError(
                path: path.isEmpty ? name : path + "." + name, expected: "one of the keys " + known.joined(separator: ", "), got: "this one"
            )
        }
    }

    fileprivate func choice<Choice: RawRepresentable<String>>(of choices: [Choice]) throws(JSONFieldError) -> Choice {
        let text = try string(of: choices.map(\.rawValue))
        guard let choice = Choice(rawValue: text) else { throw error("one of " + choices.map(\.rawValue).joined(separator: ", ")) }
        return choice
    }

    fileprivate func seconds(in range: ClosedRange<Double>) throws(JSONFieldError) -> Duration { .seconds(try double(in: range)) }

    fileprivate func port() throws(JSONFieldError) -> UInt16 { UInt16(try integer(in: 1...65_535)) }

    fileprivate func ports() throws(JSONFieldError) -> [UInt16] {
        var ports: [UInt16] = []
        for field in try array(limit: 32) { ports.append(try field.port()) }
        return ports
    }

    /// `[from, to)` or `{"from": …, "to": …}`.
    fileprivate func portRange() throws(JSONFieldError) -> Range<Int> {
        let from: JSONField, to: JSONField
        if value?.array != nil {
            let ends = try array()
            guard ends.count == 2 else { throw error("two ports, [from, to)") }
            (from, to) = (ends[0], ends[1])
        } else {
            try members(["from", "to"])
            (from, to) = (try self["from"], try self["to"])
        }
        let first = Int(try from.integer(in: 1...65_535)), end = Int(try to.integer(in: 1...65_536))
        guard first <= end else { throw error("ports from a lower to a higher one") }
        return first..<end
    }

    /// A port, `"host:port"`, or null: none. Absent: as it is.
    fileprivate func endpoint(else standard: MonitorConfiguration.ZMQEndpoint?) throws(JSONFieldError) -> MonitorConfiguration.ZMQEndpoint?
    {
        guard let value else { return standard }
        if value == .null { return nil }
        guard let text = value.string else {
            guard let port = value.integer, (1...65_535).contains(port) else { throw error(Self.endpointRule) }
            return MonitorConfiguration.ZMQEndpoint(port: UInt16(port))
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            guard let port = UInt16(text), port > 0 else { throw error(Self.endpointRule) }
            return MonitorConfiguration.ZMQEndpoint(port: port)
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard (1...253).contains(host.utf8.count), host.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else { throw error(Self.endpointRule) }
        return MonitorConfiguration.ZMQEndpoint(host: host, port: port)
    }

    private static let endpointRule = "a port from 1 to 65535, \"host:port\" or null"
}
