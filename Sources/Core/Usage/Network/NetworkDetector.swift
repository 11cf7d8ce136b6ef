import Wire

/// Sees teleoperation in what flows carry and when, not in what they say (section 8.4): video one way, a small control flow beside it.
public struct NetworkDetector: Sendable {
    private static let interval = Duration.seconds(1)

    /// Evidence may differ from what was last given; `evidence(at:)` clears it.
    public private(set) var hasNews = false
    /// Of the flows that counted in the last second, both directions, 10⁶ bit/s.
    public private(set) var megabitsPerSecond = 0.0
    /// Idle flows that gave way to new ones since the start, as 512 are tracked.
    public var displaced: Int { table.displaced }

    private let ports: NetworkPorts
    private var table = FlowTable<NetworkFlow>()
    private var pattern = NetworkPattern()
    private var active = 0
    /// Sockets are read in place of packets: then an evaluation belongs to each reading, as one between two readings would see nothing.
    private var isReduced = false
    /// nil: nothing is tracked.
    private var lastEvaluation: Instant?

    /// - Parameters:
    ///   - webrtc: whose `media` range says which flows are told by what they carry.
    ///   - zmq: which ports are control and which is video, whatever their numbers.
    public init(webrtc: MonitorConfiguration.WebRTCPorts, zmq: MonitorConfiguration.ZMQPorts) {
        ports = NetworkPorts(webrtc: webrtc, zmq: zmq)
    }

    /// Counts a captured packet, if its ports are of any interest; IPv4 or IPv6, UDP or TCP.
    public mutating func observe(_ packet: Packet, at now: Instant) {
        guard let kind = ports.kind(packet.source.port, packet.destination.port) else { return }
        advance(to: now)
        let pair = EndPair(packet)
        guard let place = table.place(of: pair) ?? open(pair, kind, interface: packet.interface, when: packet.payloadLength > 0, at: now)
        else { return }
        table[place].count(packet, at: now)
    }

    /// In place of packets, each second: TCP sockets, whose byte counters are compared with those of the time before.
    public mutating func observe(sockets: [SocketSample], at now: Instant) {
        isReduced = true
        for socket in sockets where socket.transport == .tcp && !socket.isListening {
            guard let remote = socket.remote, let kind = ports.kind(socket.local.port, remote.port) else { continue }
            // Both ports must be high for one of them to be a service's and not a client's.
            guard kind != .media || min(socket.local.port, remote.port) >= 10_000 else { continue }
            let pair = EndPair(.tcp, socket.local, remote)
            // Both ends of a connection within the host are listed.
            let isLoopback = socket.local.ip.isLoopback || socket.local.ip == remote.ip
            guard !isLoopback || socket.local == pair.lower else { continue }
            guard let place = table.place(of: pair) ?? open(pair, kind, interface: 0, when: true, at: now) else { continue }
            table[place].count(socket, at: now)
        }
        if let last = lastEvaluation, now > last { evaluate(since: last, at: now) }
    }

    private mutating func open(_ pair: EndPair, _ kind: NetworkKind, interface: Int32, when hasData: Bool, at now: Instant) -> Int? {
        guard hasData else { return nil }
        if lastEvaluation == nil { lastEvaluation = now }
        return table.insert(NetworkFlow(pair, port: kind, interface: interface, at: now))
    }

    // MARK: Time

    /// The next evaluation; nil while there is nothing to evaluate, and where sockets are read.
    public var deadline: Instant? { isReduced ? nil : lastEvaluation.map { $0 + Self.interval } }

    /// Evaluates each second.
    public mutating func advance(to now: Instant) {
        guard !isReduced, let last = lastEvaluation, now - last >= Self.interval else { return }
        evaluate(since: last, at: now)
    }

    private mutating func evaluate(since last: Instant, at now: Instant) {
        let elapsed = (now - last).seconds
        lastEvaluation = now
        var video = NetworkPattern.Sums(), control = NetworkPattern.Sums()
        for place in stride(from: table.count - 1, through: 0, by: -1) {
            if let traffic = table[place].takeTraffic(seconds: elapsed) {
                if traffic.kind == .video { video.add(traffic) }
                if traffic.kind == .control { control.add(traffic) }
            } else if now - table[place].lastSeen >= NetworkFlow.forgetting {
                table.remove(at: place)
            }
        }
        let before = (pattern.confidence, pattern.isDetected, active)
        pattern.evaluate(video: video, control: control, seconds: max(1, Int(elapsed.rounded())))
        active = video.flows + control.flows
        megabitsPerSecond = (video.bitsPerSecond + control.bitsPerSecond) / 1e6
        if (pattern.confidence, pattern.isDetected, active) != before { hasNews = true }
        if table.isEmpty, pattern.confidence == 0 { lastEvaluation = nil }
    }

    // MARK: What it says

    /// Score 0.8 of the confidence while the pattern is detected and the confidence is above 60.
    public mutating func evidence(at now: Instant) -> Evidence {
        advance(to: now)
        hasNews = false
        let confidence = pattern.confidence
        guard pattern.isDetected, confidence > 60 else { return Evidence(score: nil, reason: "", operators: [], connections: active) }
        return Evidence(
            score: 0.8 * confidence, reason: "Network: \(Int(confidence.rounded()))% confidence", operators: [], connections: active)
    }
}
