/// What Waldo records: topics, and the JSON Schemas of their messages.
public enum RecordingSchema {
    public static let robotTopic = "/robot"
    public static let telemetryTopic = "/telemetry"
    public static let commandTopic = "/command"
    public static let eventTopic = "/event"
    /// What an operator said to a robot, as it was said.
    public static let actionTopic = "/action"
    public static func videoTopic(_ camera: String) -> String { "/video/" + camera }

    public static let robot = "waldo.Robot"
    public static let telemetry = "waldo.Telemetry"
    public static let command = "waldo.Command"
    public static let event = "waldo.Event"
    public static let action = "waldo.Action"

    /// The JSON Schema that goes by a name; of a name that is not known, that of any object.
    public static func text(_ name: String) -> String {
        switch name {
        case robot: object(robotFields)
        case telemetry: object(telemetryFields)
        case command: object(commandFields)
        case event: object(eventFields)
        default: object([])
        }
    }

    private static func object(_ fields: [(String, String)]) -> String {
        let properties = fields.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",")
        return "{\"type\":\"object\",\"properties\":{\(properties)}}"
    }

    private static func numbers(_ names: String...) -> String { object(names.map { ($0, number) }) }

    private static let number = #"{"type":"number"}"#
    private static let text = #"{"type":"string"}"#
    private static let flag = #"{"type":"boolean"}"#
    private static let texts = #"{"type":"array","items":{"type":"string"}}"#
    private static let list = #"{"type":"array","items":{"type":"number"}}"#
    private static let velocity = numbers("vx", "vy", "vyaw")

    private static let verdict: [(String, String)] = [
        ("seq", number), ("asked", velocity), ("applied", velocity), ("rules", texts), ("refused", text), ("queue_age", number),
        ("view_age", number), ("delay", number),
    ]

    /// `robot` of docs/teleop-protocol.md.
    private static let robotFields: [(String, String)] = [
        ("type", text), ("id", text), ("model", text), ("drive", text), ("limits", velocity), ("acceleration", velocity),
        ("deceleration", number), ("microphone", flag), ("speaker", flag), ("lights", flag),
        ("ranges", object([("bearings", list), ("limit", number)])),
    ]

    /// `telemetry` of docs/teleop-protocol.md.
    private static let telemetryFields: [(String, String)] = [
        ("type", text), ("time", number), ("pose", numbers("x", "y", "yaw")), ("velocity", velocity), ("commanded", velocity),
        ("command", object(verdict)), ("counts", object([("accepted", number), ("changed", number), ("refused", number)])),
        ("safety", object([("state", text), ("reason", text), ("latched", flag), ("mode", text), ("fault", text)])),
        ("lease", object([("state", text), ("epoch", number)])), ("camera", numbers("pan", "tilt")),
        ("battery", numbers("level", "volts", "amperes")), ("temperature", number),
        ("imu", object([("acceleration", list), ("turning", list)])), ("ranges", list), ("light", text), ("microphone", number),
        ("speaker", number), ("viewers", number),
    ]

    /// One command and its verdict: continuous ones as in telemetry, those done once with `ok` and, refused, the error's code as `refused`.
    private static let commandFields: [(String, String)] =
        [("type", text), ("session", text), ("epoch", number), ("name", text), ("argument", text), ("ok", flag)] + verdict

    /// `stop`, `lease` and `estop` of docs/teleop-protocol.md.
    private static let eventFields: [(String, String)] = [
        ("type", text), ("time", number), ("reason", text), ("latched", flag), ("by", text), ("state", text), ("epoch", number),
    ]
}
