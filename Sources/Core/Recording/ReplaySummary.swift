import Wire

/// What a recording shows, gathered message by message.
public struct ReplaySummary: Sendable {
    public struct Video: Sendable, Hashable {
        public var format = ""
        public var frames = 0
        public var keyFrames = 0
        public var bytes = 0
    }

    public private(set) var messages = 0
    /// Unix nanoseconds of the first and the last message.
    public private(set) var times: (first: UInt64, last: UInt64)?
    /// m, by odometry; m/s.
    public private(set) var distance = 0.0
    public private(set) var fastest = 0.0
    public private(set) var stops: [String: Int] = [:]
    public private(set) var emergencyStops = 0
    public private(set) var leaseChanges = 0
    public private(set) var accepted = 0
    public private(set) var changed = 0
    public private(set) var refused: [String: Int] = [:]
    /// By topic.
    public private(set) var videos: [String: Video] = [:]
    /// Messages that are not what their channel says.
    public private(set) var malformed = 0
    /// Pieces of the file that could not be read, and the first of them.
    public private(set) var damaged = 0
    public private(set) var firstDamage: String?
    private var pose: (x: Double, y: Double)?
    /// ms: of the commands' own messages, and of the newest command in telemetry where there are none.
    private var delays: [String: Percentiles] = [:]
    private var telemetryDelays: [String: Percentiles] = [:]
    private var newestSequence: Int64?
    private var counts: JSON?
    private var hasCommands = false

    private static let figures = ["delay", "view_age", "queue_age"]
    private static let shares = [0.5, 0.95, 0.99]
    /// Names that are counted one by one.
    private static let mostNames = 64

    public init() {}

    // MARK: Gathering

    public mutating func add(_ error: MCAPError, offset: UInt64) {
        damaged += 1
        firstDamage = firstDamage ?? "at byte \(offset): \(error)"
    }

    public mutating func add(_ message: MCAPMessage, on channel: MCAPChannel) {
        messages += 1
        times = times.map { (min($0.first, message.logTime), max($0.last, message.logTime)) } ?? (message.logTime, message.logTime)
        if channel.encoding == "protobuf" { return addVideo(message, channel.topic) }
        guard channel.encoding == "json" else { return }
        guard let json = try? JSON(parsing: message.data.span), json.object != nil else {
            malformed += 1
            return
        }
        switch channel.topic {
        case RecordingSchema.telemetryTopic: addTelemetry(json)
        case RecordingSchema.commandTopic: addCommand(json)
        case RecordingSchema.eventTopic: addEvent(json)
        default: break
        }
    }

    private mutating func addVideo(_ message: MCAPMessage, _ topic: String) {
        guard let video = CompressedVideo(message.data.span) else {
            malformed += 1
            return
        }
        guard videos[topic] != nil || videos.count < Self.mostNames else { return }
        videos[topic, default: Video()].format = video.format
        videos[topic]?.frames += 1
        videos[topic]?.bytes += video.data.count
        if video.isKeyFrame { videos[topic]?.keyFrames += 1 }
    }

    private mutating func addTelemetry(_ json: JSON) {
        if let x = json["pose"]?["x"]?.double, let y = json["pose"]?["y"]?.double {
            if let pose {
                let (dx, dy) = (x - pose.x, y - pose.y)
                distance += (dx * dx + dy * dy).squareRoot()
            }
            pose = (x, y)
        }
        if let vx = json["velocity"]?["vx"]?.double, let vy = json["velocity"]?["vy"]?.double {
            fastest = max(fastest, (vx * vx + vy * vy).squareRoot())
        }
        counts = json["counts"] ?? counts
        guard let command = json["command"], let sequence = command["seq"]?.integer, sequence != newestSequence else { return }
        newestSequence = sequence
        Self.gather(command, &telemetryDelays)
    }

    private mutating func addCommand(_ json: JSON) {
        hasCommands = true
        if let reason = json["refused"]?.string ?? (json["ok"] == .bool(false) ? json["error"]?["code"]?.string ?? "refused" : nil) {
            Self.count(reason, &refused)
        } else {
            accepted += 1
            if json["rules"]?.array?.isEmpty == false { changed += 1 }
        }
        Self.gather(json, &delays)
    }

    private mutating func addEvent(_ json: JSON) {
        switch json["type"]?.string {
        case "stop": Self.count(json["reason"]?.string ?? "unknown", &stops)
        case "estop": if json["latched"]?.bool == true { emergencyStops += 1 }
        case "lease": leaseChanges += 1
        default: break
        }
    }

    private static func gather(_ command: JSON, _ delays: inout [String: Percentiles]) {
        for name in figures { if let value = command[name]?.double { delays[name, default: Percentiles()].add(value) } }
    }

    private static func count(_ name: String, _ table: inout [String: Int]) {
        table[table[name] != nil || table.count < mostNames ? name : "others", default: 0] += 1
    }

    // MARK: Figures

    /// Seconds.
    public var duration: Double { times.map { Double($0.last - $0.first) / 1e9 } ?? 0 }

    /// Where commands were not recorded one by one, the gate's own counters in telemetry tell.
    private var verdicts: (accepted: Int, changed: Int, refused: [String: Int]) {
        guard !hasCommands, let counts else { return (accepted, changed, refused) }
        func number(_ name: String) -> Int { Int(clamping: counts[name]?.integer ?? 0) }
        let all = number("refused")
        return (number("accepted"), number("changed"), all > 0 ? ["any rule": all] : [:])
    }

    /// ms at 50, 95, 99 % and the largest, by name.
    public var delayPercentiles: [(name: String, values: [Double])] {
        Self.figures.compactMap { name in
            let gathered = (delays.isEmpty ? telemetryDelays : delays)[name]
            return gathered.flatMap { spread in spread.at(Self.shares).map { (name, $0 + [spread.largest]) } }
        }
    }

    public var json: JSON {
        let verdicts = verdicts
        var object: JSONObject = [
            "messages": .integer(Int64(messages)), "duration_s": .double(duration), "distance_m": .double(distance),
            "fastest_m_s": .double(fastest), "stops": Self.table(stops), "estops": .integer(Int64(emergencyStops)),
            "lease_changes": .integer(Int64(leaseChanges)),
            "commands": [
                "accepted": .integer(Int64(verdicts.accepted)), "changed": .integer(Int64(verdicts.changed)),
                "refused": Self.table(verdicts.refused),
            ],
        ]
        object["delay_ms"] = .object(
            JSONObject(
                delayPercentiles.map { name, values in
                    (name, ["p50": .double(values[0]), "p95": .double(values[1]), "p99": .double(values[2]), "max": .double(values[3])])
                }))
        object["video"] = .object(
            JSONObject(
                videos.sorted { $0.key < $1.key }.map { topic, video in
                    (
                        topic,
                        [
                            "format": .string(video.format), "frames": .integer(Int64(video.frames)),
                            "key_frames": .integer(Int64(video.keyFrames)), "bytes": .integer(Int64(video.bytes)),
                        ]
                    )
                }))
        object["malformed"] = .integer(Int64(malformed))
        object["damaged"] = .integer(Int64(damaged))
        if let firstDamage { object["first_damage"] = .string(firstDamage) }
        if let times { object["start_unix_ns"] = .integer(Int64(clamping: times.first)) }
        return .object(object)
    }

    private static func table(_ table: [String: Int]) -> JSON {
        .object(JSONObject(table.sorted { $0.key < $1.key }.map { ($0.key, .integer(Int64($0.value))) }))
    }

    /// For people, a line a thing.
    public var text: String {
        let verdicts = verdicts
        let refusedCount = verdicts.refused.values.reduce(0, +), stopCount = stops.values.reduce(0, +)
        var lines = [
            line("messages", "\(messages) in \(Self.round(duration, 1)) s"),
            line("distance", "\(Self.round(distance, 2)) m, at most \(Self.round(fastest, 2)) m/s"),
            line("stops", "\(stopCount)" + Self.list(stops) + ", emergency stops \(emergencyStops), lease changes \(leaseChanges)"),
            line(
                "commands",
                "\(verdicts.accepted) accepted, \(verdicts.changed) of them changed; \(refusedCount) refused" + Self.list(verdicts.refused)),
        ]
        for (name, values) in delayPercentiles {
            let parts = zip(["p50", "p95", "p99", "max"], values).map { "\($0) \(Self.round($1, 1))" }
            lines.append(line(name, parts.joined(separator: ", ") + " ms"))
        }
        for (topic, video) in videos.sorted(by: { $0.key < $1.key }) {
            let size = Self.round(Double(video.bytes) / 1e6, 1)
            lines.append(line(topic, "\(video.frames) frames of \(video.format), \(video.keyFrames) of them key frames, \(size) MB"))
        }
        if malformed > 0 { lines.append(line("malformed", "\(malformed) messages")) }
        if let firstDamage { lines.append(line("damaged", "\(damaged) pieces; the first \(firstDamage)")) }
        return lines.joined(separator: "\n")
    }

    private func line(_ name: String, _ value: String) -> String {
        name + String(repeating: " ", count: max(1, 14 - name.utf8.count)) + value
    }

    private static func list(_ table: [String: Int]) -> String {
        guard !table.isEmpty else { return "" }
        return " (" + table.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.key) \($0.value)" }.joined(separator: ", ") + ")"
    }

    /// So many decimals, without the formatting of a library.
    private static func round(_ value: Double, _ decimals: Int) -> String {
        guard value.isFinite, value.magnitude < 1e15 else { return "–" }
        let scale = decimals == 1 ? 10 : 100
        let scaled = Int((value * Double(scale)).rounded()), rest = scaled.magnitude % UInt(scale)
        let digits = String(rest)
        return "\(scaled < 0 ? "-" : "")\(scaled.magnitude / UInt(scale))." + String(repeating: "0", count: decimals - digits.utf8.count)
            + digits
    }
}

extension CompressedVideo {
    /// Whether playing may begin here (H.264 clause 7.4.1.2.4: an IDR slice; RFC 6386 clause 9.1).
    public var isKeyFrame: Bool {
        if format == "vp8" { return data.first.map { $0 & 1 == 0 } ?? false }
        var zeros = 0
        for index in data.indices {
            if zeros >= 2, data[index] == 1, index + 1 < data.count {
                switch data[index + 1] & 31 {
                case 5: return true
                case 1: return false
                default: break
                }
            }
            zeros = data[index] == 0 ? zeros + 1 : 0
        }
        return false
    }
}
