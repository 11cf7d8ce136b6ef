import Wire

/// Short bursts above the target that show whether the path carries more: what arrives within a burst comes at the rate of the narrowest link.
struct BandwidthProbes: Sendable {
    private struct Cluster {
        var id: UInt8
        var bitrate: Int
        var bytesToSend: Int
        var bytesSent = 0
        var packetsSent = 0
        var began: Instant?
        var firstSent = Instant.zero
        var lastSent = Instant.zero
        var nextStep = Instant.zero
        /// Steps since something left.
        var idleSteps = 0
    }

    /// What of a cluster has arrived so far.
    private struct Arrivals {
        var id: UInt8
        var firstSent: Instant
        var lastSent: Instant
        var lastSentBytes: Int
        var firstArrival: Instant
        var firstArrivalBytes: Int
        var lastArrival: Instant
        var bytes: Int
        var packets: Int
    }

    /// How long a burst lasts.
    private static let length = Duration.milliseconds(15)
    private static let step = Duration.milliseconds(2)
    private static let minimumBytes = 1800
    private static let patience = Duration.seconds(1)

    private var cluster: Cluster?
    private var arrivals: Arrivals?
    private var lastID: UInt8 = 0
    private var requested: Int?
    /// A burst whose outcome is not known: no other begins meanwhile.
    private var waitsUntil: Instant?
    /// The rate of the last burst, bit/s.
    private(set) var lastBitrate = 0

    func isBusy(at now: Instant) -> Bool { cluster != nil || requested != nil || waitsUntil.map { now < $0 } ?? false }
    /// The cluster that packets sent now belong to; 0: none.
    var currentCluster: UInt8 { cluster.map { $0.began == nil ? 0 : $0.id } ?? 0 }

    var deadline: Instant? {
        if requested != nil { return .zero }
        guard let cluster else { return nil }
        return cluster.nextStep
    }

    mutating func begin(bitrate: Int, at now: Instant) {
        guard !isBusy(at: now) else { return }
        requested = bitrate
    }

    mutating func cancel() {
        cluster = nil
        requested = nil
        waitsUntil = nil
        arrivals = nil
    }

    /// Bytes of padding to send now.
    mutating func bytes(at now: Instant) -> Int {
        if let bitrate = requested {
            requested = nil
            lastID = lastID == .max ? 1 : lastID + 1
            lastBitrate = bitrate
            cluster = Cluster(
                id: lastID, bitrate: bitrate, bytesToSend: max(Int(Double(bitrate) / 8 * Self.length.seconds), Self.minimumBytes))
            arrivals = nil
            waitsUntil = nil
        }
        guard cluster != nil else { return 0 }
        if cluster!.began == nil { cluster!.began = now }
        guard let current = cluster, let began = current.began else { return 0 }
        // Nobody sends it: there is nothing to pad with.
        guard current.idleSteps < 3, now - began < .milliseconds(100) else {
            finish(at: now)
            return 0
        }
        guard current.nextStep <= now else { return 0 }
        cluster!.nextStep = now + Self.step
        cluster!.idleSteps += 1
        let due = Int((now - began + Self.step).seconds * Double(current.bitrate) / 8)
        return max(0, min(due, current.bytesToSend) - current.bytesSent)
    }

    mutating func sent(_ bytes: Int, at now: Instant) {
        guard cluster?.began != nil else { return }
        if cluster!.packetsSent == 0 { cluster!.firstSent = now }
        cluster!.packetsSent += 1
        cluster!.idleSteps = 0
        cluster!.bytesSent += bytes
        cluster!.lastSent = now
        if cluster!.bytesSent >= cluster!.bytesToSend, cluster!.packetsSent >= 5 { finish(at: now) }
    }

    private mutating func finish(at now: Instant) {
        cluster = nil
        waitsUntil = now + Self.patience
    }

    mutating func arrived(_ packet: SentPackets.Packet, at arrival: Instant) {
        guard packet.cluster == lastID, waitsUntil != nil || cluster != nil else { return }
        guard var seen = arrivals, seen.id == packet.cluster else {
            arrivals = Arrivals(
                id: packet.cluster, firstSent: packet.sent, lastSent: packet.sent, lastSentBytes: packet.bytes, firstArrival: arrival,
                firstArrivalBytes: packet.bytes, lastArrival: arrival, bytes: packet.bytes, packets: 1)
            return
        }
        seen.firstSent = min(seen.firstSent, packet.sent)
        if packet.sent >= seen.lastSent {
            seen.lastSent = packet.sent
            seen.lastSentBytes = packet.bytes
        }
        seen.firstArrival = min(seen.firstArrival, arrival)
        seen.lastArrival = max(seen.lastArrival, arrival)
        seen.bytes += packet.bytes
        seen.packets += 1
        arrivals = seen
    }

    /// At the end of a feedback: what the path carried, bit/s, when four fifths of the burst have arrived. `isCapacity`: less than was sent.
    mutating func outcome() -> (bitrate: Int, isCapacity: Bool)? {
        guard cluster == nil, waitsUntil != nil, let seen = arrivals, seen.packets >= 4 else { return nil }
        let expected = Int(Double(lastBitrate) / 8 * Self.length.seconds)
        guard seen.bytes * 5 >= max(expected, Self.minimumBytes) * 4 else { return nil }
        waitsUntil = nil
        arrivals = nil
        let sending = (seen.lastSent - seen.firstSent).seconds
        let arriving = (seen.lastArrival - seen.firstArrival).seconds
        guard sending > 0, arriving > 0.0005 else { return nil }
        let sent = Double((seen.bytes - seen.lastSentBytes) * 8) / sending
        let received = Double((seen.bytes - seen.firstArrivalBytes) * 8) / arriving
        // Faster in than out: the path held them back and let them go together. It says nothing.
        guard received <= 2 * sent else { return nil }
        return (Int(min(sent, received)), received < 0.85 * sent)
    }
}
