import Wire

/// One line of a plug-in, read (section 15).
enum PluginLine {
    case hello(Hello)
    case detection(PluginDetection, timeToLive: Duration, id: Int64?)
    case metric(name: String, value: Double, tags: [(String, String)])
    case alert(PluginAlert)
    case checkResult(id: Int64, alert: PluginAlert?)
    case log(level: String, message: String)

    struct Hello {
        var name: String
        var detects = false
        var checks = false
        var isPolled = false
        var wantsState = false
    }

    static let mostBytes = 16 << 10
    static let levels = ["debug", "info", "warning", "error"]

    init(parsing bytes: Span<UInt8>) throws(MonitorConfigurationError) {
        let value: JSON
        do throws(JSONError) { value = try JSON(parsing: bytes, limits: JSONLimits(depth: 8, bytes: Self.mostBytes)) } catch {
            throw MonitorConfigurationError(error.description)
        }
        do throws(JSONFieldError) { self = try Self.read(JSONField(value)) } catch { throw MonitorConfigurationError(error) }
    }

    private static func read(_ line: JSONField) throws(JSONFieldError) -> PluginLine {
        switch try line["type"].string(of: ["hello", "detection", "metric", "alert", "check_result", "log"]) {
        case "hello": .hello(try hello(line))
        case "detection": try detection(line)
        case "metric": try metric(line)
        case "alert": .alert(try alert(line))
        case "check_result":
            .checkResult(
                id: try line["id"].integer(), alert: try line["alert"].optional.map { field throws(JSONFieldError) in try alert(field) })
        default:
            .log(
                level: try line["level"].optional?.string(limit: 16).lowercased() ?? "info",
                message: try line["message"].string(limit: 4096))
        }
    }

    private static func hello(_ line: JSONField) throws(JSONFieldError) -> Hello {
        let name = try line["name"].string()
        guard MonitorConfiguration.isCustomName(name) else { throw try line["name"].error(MonitorConfiguration.customNameRule) }
        var hello = Hello(name: name)
        hello.detects = try line["detector"].optional?.bool() ?? false
        hello.checks = try line["alerts"].optional?.bool() ?? false
        hello.isPolled = try line["poll"].optional?.bool() ?? false
        hello.wantsState = try line["state"].optional?.bool() ?? false
        return hello
    }

    private static func detection(_ line: JSONField) throws(JSONFieldError) -> PluginLine {
        let name = try line["operator"].optional?.string(limit: 1024)
        let confidence = min(max(try line["confidence"].optional?.double() ?? 0, 0), 100)
        let detection = PluginDetection(
            isActive: try line["active"].bool(), confidence: confidence, operatorName: name.flatMap(OperatorName.cleaned))
        let seconds = try line["ttl"].optional?.double(in: 0.1...60) ?? 2
        return .detection(detection, timeToLive: .seconds(seconds), id: try line["id"].optional?.integer())
    }

    private static func metric(_ line: JSONField) throws(JSONFieldError) -> PluginLine {
        let name = try line["name"].string(limit: MetricStore.longestName)
        guard !name.isEmpty, !MetricStore.builtIn.contains(name) else {
            throw try line["name"].error("a name that is none of the monitor's own metrics")
        }
        var tags: [(String, String)] = []
        if let field = try line["tags"].optional {
            for name in try field.object().names.prefix(MetricStore.mostTags) { tags.append((name, try field[name].string(limit: 128))) }
        }
        return .metric(name: name, value: try line["value"].double(), tags: tags)
    }

    private static func alert(_ field: JSONField) throws(JSONFieldError) -> PluginAlert {
        let severity = try field["severity"].string(of: Alert.Severity.allCases.map(\.rawValue))
        let name = try field["name"].optional?.string(limit: MetricStore.longestName)
        // Else it would silence the monitor's own alert of that name.
        if let name, MetricStore.builtIn.contains(name) {
            throw try field["name"].error("a name that is none of the monitor's own metrics")
        }
        return PluginAlert(
            name: name,
            severity: Alert.Severity(rawValue: severity) ?? .warning,
            message: try field["message"].string(limit: 4096))
    }
}

/// What a custom detector found.
public struct PluginDetection: Sendable, Equatable {
    public var isActive: Bool
    /// 0…100.
    public var confidence: Double
    public var operatorName: String?

    public init(isActive: Bool, confidence: Double, operatorName: String?) {
        (self.isActive, self.confidence, self.operatorName) = (isActive, confidence, operatorName)
    }
}

public struct PluginAlert: Sendable, Equatable {
    /// nil: the plug-in's own.
    public var name: String?
    public var severity: Alert.Severity
    public var message: String

    public init(name: String?, severity: Alert.Severity, message: String) {
        (self.name, self.severity, self.message) = (name, severity, message)
    }
}
