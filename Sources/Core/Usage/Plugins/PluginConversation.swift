import Wire

/// What is said between the monitor and one plug-in, from its start to its end (section 15), as a machine: told lines and the time.
public struct PluginConversation: Sendable {
    public enum Output: Sendable {
        /// A line for the plug-in, its end included.
        case send([UInt8])
        case metric(name: String, value: Double, tags: [(String, String)])
        case alert(PluginAlert)
        case log(level: String, message: String)
        /// What it finds, or that this no longer holds, has changed: see `detection`.
        case changed
        /// It is to be ended, and why.
        case end(String)
    }

    /// By its configuration, or, where that has none, by its own word.
    public private(set) var name: String?
    /// What it finds, while that is valid.
    public private(set) var detection: PluginDetection?
    /// Lines that were none.
    public private(set) var badLines = 0

    private let start: [UInt8]
    private let interval: Duration
    private var hello: PluginLine.Hello?
    private var isEnded = false
    private var helloUntil: Instant = .distantFuture
    private var validUntil: Instant?
    private var nextDetect: Instant?
    private var nextCheck: Instant?
    private var openDetects: [(id: Int64, at: Instant)] = []
    private var openChecks: [(id: Int64, at: Instant)] = []
    private var lastID: Int64 = 0
    private var isLate = false
    private var secondBegan: Instant = .zero
    private var linesOfSecond = 0
    private var outputs = Ring<Output>(limit: 4096)
    /// The metrics that a check is told.
    public var metrics: [String: Double] = [:]

    private static let patience = Duration.seconds(1)
    private static let helloPatience = Duration.seconds(5)
    private static let mostLinesASecond = 1000

    /// `name`: nil: what it calls itself.
    public init(name: String?, robotType: MonitorConfiguration.RobotType, interval: Duration) {
        (self.name, self.interval) = (name, interval)
        start = Self.line(["type": "start", "robot_type": .string(robotType.rawValue), "detection_interval": .double(interval.seconds)])
    }

    public mutating func started(at now: Instant) {
        helloUntil = now + Self.helloPatience
        emit(.send(start))
    }

    /// One line without its end.
    public mutating func received(_ line: Span<UInt8>, at now: Instant) {
        guard !isEnded, admit(at: now) else { return }
        do throws(MonitorConfigurationError) {
            let line = try PluginLine(parsing: line)
            try take(line, at: now)
        } catch { refuse(error.description) }
    }

    /// A line of more than 16 KiB.
    public mutating func receivedTooMuch(at now: Instant) {
        guard !isEnded, admit(at: now) else { return }
        refuse("expected lines of at most \(PluginLine.mostBytes) bytes")
    }

    /// The state has changed.
    public mutating func changed(_ state: JSON) {
        guard hello?.wantsState == true, !isEnded else { return }
        emit(.send(Self.line(["type": "state", "state": state])))
    }

    /// It is over: what it found holds no longer.
    public mutating func ended() {
        isEnded = true
        set(nil)
    }

    public mutating func stop() { emit(.send(Self.line(["type": "stop"]))) }

    public mutating func nextOutput() -> Output? { outputs.popFirst() }

    public var deadline: Instant? {
        guard !isEnded else { return nil }
        let hello = self.hello == nil ? helloUntil : nil
        return earlier(earlier(hello, validUntil), earlier(nextDetect, nextCheck))
    }

    public mutating func advance(to now: Instant) {
        guard !isEnded else { return }
        if hello == nil, now >= helloUntil { return end("it did not say hello within 5 s") }
        if let validUntil, now >= validUntil { set(nil) }
        if let due = nextDetect, now >= due { askForDetection(at: now) }
        if let due = nextCheck, now >= due { askForCheck(at: now) }
    }

    // MARK: lines

    private mutating func admit(at now: Instant) -> Bool {
        if now - secondBegan >= .seconds(1) { (secondBegan, linesOfSecond) = (now, 0) }
        linesOfSecond += 1
        guard linesOfSecond > Self.mostLinesASecond else { return true }
        end("it said more than \(Self.mostLinesASecond) lines in a second")
        return false
    }

    private mutating func take(_ line: PluginLine, at now: Instant) throws(MonitorConfigurationError) {
        if case .hello(let hello) = line { return greet(hello, at: now) }
        guard let hello else { throw MonitorConfigurationError("expected a line of the type hello first") }
        switch line {
        case .hello: break
        case .detection(let detection, let timeToLive, let id):
            guard hello.detects else { throw MonitorConfigurationError("a detection needs \"detector\": true in the hello") }
            if let id, !Self.answer(id, &openDetects, at: now) { return }
            isLate = false
            validUntil = now + timeToLive
            set(detection)
        case .metric(let name, let value, let tags): emit(.metric(name: name, value: value, tags: tags))
        case .alert(let alert): emit(.alert(alert))
        case .checkResult(let id, let alert): if Self.answer(id, &openChecks, at: now), let alert { emit(.alert(alert)) }
        case .log(let level, let message): emit(.log(level: level, message: message))
        }
    }

    private mutating func greet(_ hello: PluginLine.Hello, at now: Instant) {
        self.hello = hello
        if name == nil { name = hello.name }
        nextDetect = hello.detects && hello.isPolled ? now : nil
        nextCheck = hello.checks ? now + Self.patience : nil
    }

    private mutating func refuse(_ reason: String) {
        badLines += 1
        emit(.send(Self.line(["type": "error", "message": .string(reason)])))
    }

    /// Whether it is in time.
    private static func answer(_ id: Int64, _ open: inout [(id: Int64, at: Instant)], at now: Instant) -> Bool {
        guard let index = open.firstIndex(where: { $0.id == id }) else { return false }
        return now - open.remove(at: index).at <= patience
    }

    // MARK: questions

    private mutating func askForDetection(at now: Instant) {
        nextDetect = now + interval
        expire(at: now)
        lastID += 1
        openDetects.append((lastID, now))
        emit(.send(Self.line(["type": "detect", "id": .integer(lastID)])))
    }

    private mutating func askForCheck(at now: Instant) {
        nextCheck = now + Self.patience
        openChecks.removeAll { now - $0.at > Self.patience }
        lastID += 1
        openChecks.append((lastID, now))
        let values = JSONObject(metrics.sorted { $0.key < $1.key }.map { ($0.key, .double($0.value)) })
        emit(.send(Self.line(["type": "check", "id": .integer(lastID), "metrics": .object(values)])))
    }

    /// A question that stays without an answer counts as one that found nobody, and is told once.
    private mutating func expire(at now: Instant) {
        let before = openDetects.count
        openDetects.removeAll { now - $0.at > Self.patience }
        guard openDetects.count < before, !isLate else { return }
        isLate = true
        set(nil)
        emit(.log(level: "warning", message: "no answer to detect within 1 s: it counts as inactive"))
    }

    private mutating func set(_ found: PluginDetection?) {
        if found == nil { validUntil = nil }
        guard found != detection else { return }
        detection = found
        emit(.changed)
    }

    private mutating func end(_ reason: String) {
        emit(.end(reason))
        ended()
    }

    /// The queue is drained after each call: more than it holds cannot come of one.
    private mutating func emit(_ output: Output) { _ = outputs.append(output) }

    private static func line(_ value: JSON) -> [UInt8] { value.encoded() + [0x0A] }
}
