import Wire

/// What is said with one WebSocket client (section 5): messages in, direct replies out, and which events it wants.
public struct ClientConversation: Sendable {
    public private(set) var filter = TopicFilter()
    private var times = Ring<Instant>(limit: mostASecond)

    /// Messages that a client may send in any second.
    public static let mostASecond = 50
    /// Bytes of one.
    public static let longestMessage = 64 << 10

    public enum Answer: Sendable, Equatable {
        case none
        case reply([UInt8])
        /// It says too much: to be closed with 1008.
        case tooMany
    }

    public init() {}

    /// What a new client is told first.
    public static func greeting(_ state: TeleoperationState, _ timestamp: String) -> [UInt8] {
        JSON.object(["type": "initial_state", "data": state.json, "timestamp": .string(timestamp)]).encoded()
    }

    /// One message, text or not.
    public mutating func received(_ message: Span<UInt8>, _ state: TeleoperationState, _ clock: WallClock, at now: Instant) -> Answer {
        guard admit(at: now) else { return .tooMany }
        let time = JSON.string(clock.text(at: now))
        guard let value = try? JSON(parsing: message, limits: JSONLimits(depth: 16, bytes: Self.longestMessage)) else {
            return Self.error("Invalid JSON", time)
        }
        guard case .object(let object) = value, let type = object["type"]?.string else { return Self.error("Invalid message", time) }
        switch type {
        case "ping": return Self.reply("pong", [:], time)
        case "get_state": return Self.reply("state_update", ["data": .object(Self.flat(state))], time)
        case "subscribe", "unsubscribe":
            guard let names = Self.names(object["topics"]) else { return Self.error("topics must be a list of strings", time) }
            if type == "subscribe" { filter.subscribe(names, alerts: object["alerts"]?.bool) } else { filter.unsubscribe(names) }
            return Self.reply(type + "d", ["topics": object["topics"] ?? .null], time)
        default: return .none
        }
    }

    private mutating func admit(at now: Instant) -> Bool {
        if times.isFull {
            guard let first = times.popFirst(), now - first >= .seconds(1) else { return false }
        }
        return times.append(now)
    }

    private static func names(_ topics: JSON?) -> [String]? {
        guard let elements = topics?.array else { return nil }
        let names = elements.compactMap(\.string)
        return names.count == elements.count ? names : nil
    }

    /// The state beside itself: for dashboards that were written against the reply of the older service.
    private static func flat(_ state: TeleoperationState) -> JSONObject {
        let json = state.json
        var data: JSONObject = ["state": json, "changes": []]
        for (name, value) in (json.object ?? JSONObject()).members { data[name] = value }
        return data
    }

    private static func reply(_ type: String, _ members: JSONObject, _ time: JSON) -> Answer {
        var object: JSONObject = ["type": .string(type)]
        for (name, value) in members.members { object[name] = value }
        object["timestamp"] = time
        return .reply(JSON.object(object).encoded())
    }

    private static func error(_ message: String, _ time: JSON) -> Answer { reply("error", ["message": .string(message)], time) }
}
