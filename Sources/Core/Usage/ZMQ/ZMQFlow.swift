import Wire

/// A publisher that is active (section 8.2): what several connections tell of it is one flow.
struct ZMQFlow: Sendable {
    /// Which publisher: a service for everybody who connects to it, or who connects to a service.
    enum Key: Hashable, Sendable {
        /// Address nil: this host, or one that is only known by its name.
        case service(ZMQDetector.FlowName, IPAddress?)
        case client(ZMQDetector.FlowName, ZMQConnection.Key)

        var name: ZMQDetector.FlowName {
            switch self {
            case .service(let name, _), .client(let name, _): name
            }
        }
    }

    /// Where the publisher is heard.
    enum Source: Equatable, Sendable {
        case subscription(ZMQDetector.FlowName)
        /// The connection's place in the table.
        case connection(Int, ZMQConnection.Side)
        /// It was heard, and that connection is over.
        case ended
    }

    /// How long a flow is active after its last message, and what rates are taken over.
    static let activity = Duration.seconds(1)
    /// Names kept of one flow.
    static let nameLimit = 4

    let key: Key
    let local: String
    let remote: String
    let since: Instant
    /// The source that hears the most of it; only this one's messages, rate and bytes count, so that nothing counts twice.
    var source: Source
    /// Messages a second, as of the last message or evaluation.
    var rate = 0.0
    private(set) var activeUntil: Instant
    private(set) var movements = 0
    /// Who sends, the newest last, and when each was named last.
    private var names: [(name: String, at: Instant)] = []

    init(key: Key, local: String, remote: String, source: Source, at now: Instant) {
        (self.key, self.local, self.remote, self.source, since) = (key, local, remote, source, now)
        activeUntil = now + Self.activity
    }

    var name: ZMQDetector.FlowName { key.name }
    var isControl: Bool { key.name.isControl }
    var operators: [String] { names.isEmpty ? [ZMQDetector.unknown] : names.map(\.name) }
    var operatorName: String { names.last?.name ?? ZMQDetector.unknown }

    mutating func heard(until: Instant) { activeUntil = max(activeUntil, until) }

    mutating func moved() { movements &+= 1 }

    /// A message names who sends it. True: that is news.
    ///
    /// The newest name is kept for as long as the flow is active. Another one goes a second after it was heard last, so that two that take
    /// turns are both there and none of them comes and goes.
    mutating func named(_ name: String, at now: Instant) -> Bool {
        if let last = names.last, last.name == name {
            names[names.count - 1].at = now
            return false
        }
        let known = names.firstIndex { $0.name == name }
        if let known { names.remove(at: known) } else if names.count == Self.nameLimit { names.removeFirst() }
        names.append((name, now))
        return known == nil
    }

    /// Drops names that nobody uses any more. True: one went.
    mutating func dropOldNames(at now: Instant) -> Bool {
        let before = names.count
        while names.count > 1, now - names[0].at >= Self.activity { names.removeFirst() }
        return names.count != before
    }

    /// When something about it changes by itself.
    var nextChange: Instant { names.count > 1 ? min(activeUntil, names[0].at + Self.activity) : activeUntil }

    /// 10–200 messages a second, ten movements, for two seconds.
    func isTeleoperation(at now: Instant) -> Bool {
        isControl && (10...200).contains(rate) && movements >= 10 && now - since >= .seconds(2)
    }
}
