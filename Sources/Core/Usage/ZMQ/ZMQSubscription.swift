import Wire

/// The monitor's own subscription to one port (sections 8.2 and 9): when it connects, and what it has heard.
struct ZMQSubscription: Sendable {
    enum State: Equatable, Sendable {
        /// The port is watched from outside only, or not at all.
        case off
        case waiting(until: Instant)
        /// Connecting, or connected and the peer has not said what it is.
        case opening(since: Instant)
        /// Nobody publishes there; the rim connects as soon as somebody does.
        case awaited
        case open

        var mayConnect: Bool {
            switch self {
            case .opening, .awaited: true
            case .off, .waiting, .open: false
            }
        }
    }

    let name: ZMQDetector.FlowName
    let endpoint: MonitorConfiguration.ZMQEndpoint
    /// Nil: the host is a name.
    let address: IPAddress?
    var state = State.off
    var machine = ZMTPSubscriber()
    var events = RecentEvents(span: ZMQFlow.activity)
    var roundTrip: Duration?
    private var inspector = MessageInspector()
    private var isConnected = false
    /// Connections in a row that ended before the peer said what it is.
    private var endedEarly = 0
    private var lastLog: (text: String, at: Instant)?

    /// How long a refused port is left alone.
    static let refusedPause = Duration.seconds(30)
    /// How long a peer may take to say what it is.
    static let openingLimit = Duration.seconds(10)
    private static let logPause = Duration.seconds(1)

    init(_ name: ZMQDetector.FlowName, _ endpoint: MonitorConfiguration.ZMQEndpoint) {
        (self.name, self.endpoint) = (name, endpoint)
        address = endpoint.host == "localhost" ? IPAddress(127, 0, 0, 1) : IPAddress(endpoint.host)
    }

    var isLocal: Bool { address.map { $0.isLoopback || $0.isUnspecified } ?? false }
    var publisher: ZMQFlow.Key { .service(name, isLocal ? nil : address) }
    /// On this machine the rim waits for whoever listens, and to ask it costs little: a publisher that was started again is not to be missed.
    private var pause: Duration { name.isControl ? .milliseconds(isLocal ? 10 : 50) : .milliseconds(500) }

    var deadline: Instant? {
        switch state {
        case .off, .open, .awaited: nil
        case .waiting(let until): until
        case .opening(let since): since + Self.openingLimit
        }
    }

    mutating func connected(at now: Instant) -> [UInt8] {
        (state, isConnected) = (.opening(since: now), true)
        return machine.start()
    }

    mutating func subscribed() { (state, endedEarly) = (.open, 0) }

    /// It was not to be connected, or it is over.
    mutating func disconnected(at now: Instant) {
        if state.mayConnect, isConnected { endedEarly += 1 }
        // A port that takes connections only to end them speaks something else, or wants to know who we are.
        let isHopeless = endedEarly >= 3
        if isHopeless { endedEarly = 0 }
        wait(isHopeless ? Self.refusedPause : pause, at: now)
    }

    /// This side ends it.
    mutating func closed(refused: Bool, at now: Instant) { wait(refused ? Self.refusedPause : .seconds(1), at: now) }

    private mutating func wait(_ pause: Duration, at now: Instant) {
        (state, isConnected, roundTrip) = (.waiting(until: now + pause), false, nil)
    }

    mutating func inspect() -> MessageInspector.Finding { inspector.inspect(machine.message) }

    /// A line is said once, and not more often than once a second.
    mutating func mayLog(_ text: String, at now: Instant) -> Bool {
        if let lastLog, lastLog.text == text || now - lastLog.at < Self.logPause { return false }
        lastLog = (text, now)
        return true
    }
}
