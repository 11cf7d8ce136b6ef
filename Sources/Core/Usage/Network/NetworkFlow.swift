import Wire

/// The counters of one flow since the last evaluation, by direction.
struct NetworkFlow: TrackedFlow {
    /// Seconds without data after which it is forgotten.
    static let forgetting = Duration.seconds(10)

    let pair: EndPair
    let port: NetworkKind
    private(set) var lastSeen: Instant
    private var interface: Int32
    private var lowerBytes = 0, upperBytes = 0
    private var packets = 0
    /// Bytes and segments of a socket's life, in the reduced mode.
    private var total: (lower: UInt64, upper: UInt64, segments: UInt64)?

    /// What was carried in a time.
    struct Traffic {
        /// As it turned out; never `media`. nil: neither.
        var kind: NetworkKind?
        var bitsPerSecond: Double
        var packetsPerSecond: Double
        var isBothWays: Bool
    }

    init(_ pair: EndPair, port: NetworkKind, interface: Int32, at now: Instant) {
        (self.pair, self.port, self.interface, lastSeen) = (pair, port, interface, now)
    }

    var precedence: Int? { packets == 0 ? 0 : 1 }

    mutating func count(_ packet: Packet, at now: Instant) {
        guard packet.payloadLength > 0 else { return }
        // A packet may be seen on several interfaces of this host (a bridge and its ports).
        if packet.interface != interface {
            guard now - lastSeen > .seconds(2) else { return }
            interface = packet.interface
        }
        lastSeen = now
        if packet.source == pair.lower { lowerBytes += packet.payloadLength } else { upperBytes += packet.payloadLength }
        // What is longer than a packet of the wire is several, not yet cut apart or put together again.
        packets += (packet.payloadLength + Datagram.largestOnTheWire - 1) / Datagram.largestOnTheWire
    }

    mutating func count(_ socket: SocketSample, at now: Instant) {
        let isLower = socket.local == pair.lower
        let new = (
            lower: isLower ? socket.bytesSent : socket.bytesReceived, upper: isLower ? socket.bytesReceived : socket.bytesSent,
            segments: socket.segmentsSent &+ socket.segmentsReceived
        )
        defer { total = new }
        guard let total, new.lower >= total.lower, new.upper >= total.upper, new.segments >= total.segments else { return }
        let moved = (lower: Int(clamping: new.lower - total.lower), upper: Int(clamping: new.upper - total.upper))
        guard moved.lower > 0 || moved.upper > 0 else { return }
        lastSeen = now
        lowerBytes += min(moved.lower, 1 << 40)
        upperBytes += min(moved.upper, 1 << 40)
        packets += min(Int(clamping: new.segments - total.segments), 1 << 32)
    }

    /// Gives what was counted and begins anew; nil: nothing was carried.
    /// - Parameter seconds: since the last time, more than 0.
    mutating func takeTraffic(seconds: Double) -> Traffic? {
        defer { (lowerBytes, upperBytes, packets) = (0, 0, 0) }
        guard lowerBytes + upperBytes > 0 else { return nil }
        var traffic = Traffic(
            kind: port, bitsPerSecond: Double(lowerBytes + upperBytes) * 8 / seconds, packetsPerSecond: Double(packets) / seconds,
            isBothWays: lowerBytes > 0 && upperBytes > 0)
        if port == .media {
            let isVideo = Double(max(lowerBytes, upperBytes)) * 8 / seconds >= 1e6
            let isControl = NetworkPattern.controlRate.contains(traffic.bitsPerSecond) && lowerBytes + upperBytes <= 300 * packets
            traffic.kind = isVideo ? .video : isControl ? .control : nil
        }
        return traffic
    }
}
