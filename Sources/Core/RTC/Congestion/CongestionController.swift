import Wire

/// Bounds of a sender's bitrate, bit/s.
public struct BitrateLimits: Sendable, Hashable {
    public var minimum: Int
    public var start: Int
    public var maximum: Int

    public init(minimum: Int = 100_000, start: Int = 1_500_000, maximum: Int = 20_000_000) {
        self.minimum = minimum
        self.start = start
        self.maximum = maximum
    }
}

/// Send-side congestion control: told what was sent and what came back, it says how much may be sent.
///
/// With transport-wide feedback three voices are heard, and the lowest counts: the trend of the delay, the loss, and the receiver's own bound (REMB).
/// Without it receiver reports and REMB have to do. Bitrates count RTP packets with their tags and IP and UDP headers.
public struct CongestionController: Sendable {
    public let limits: BitrateLimits
    /// What the media of this peer may cost together, bit/s.
    public private(set) var targetBitrate: Int
    /// Smoothed round trip, from receiver reports or feedback; nil before the first.
    public private(set) var roundTrip: Duration?

    /// What `targetBitrate` leaves for payloads once every packet has its headers, at the packet size of late, bit/s.
    public var payloadBitrate: Int {
        Int(Double(targetBitrate) * min(max(1 - Self.overhead / averageCost, 0.5), 1))
    }

    private var history = SentPackets()
    private var clock = FeedbackClock()
    private var groups = ArrivalGroups()
    private var detector = OveruseDetector()
    private var acknowledged = AcknowledgedBitrate()
    private var queue = StandingQueue()
    private var loss = LossControl()
    private var rate: RateControl
    private var probes = BandwidthProbes()

    private var remb: (bitrate: Int, at: Instant)?
    private var demand: Int?
    private var lastFeedback: Instant?
    private var lastSent: Instant?
    private var firstSent: Instant?
    private var silentSince: Instant?
    private var lastOveruse: Instant?
    private var smallestRoundTrip: Duration?
    private var reportRoundTripAt: Instant?
    private var sentRate = SentRate()
    /// What a probe or an earlier time showed that the path carries, until over-use says otherwise: growth up to here needs no traffic.
    private var shown = 0
    private var nextProbe: Instant?
    private var rampsUp = true
    private var queueSince: Instant?
    private var fruitlessCuts = 0
    /// Before the feedback stopped, bit/s.
    private var beforeSilence: Int?

    /// Bytes a packet with all its headers has.
    private var averageCost = 1200.0

    private static let headers = 28
    /// IP, UDP, RTP, extensions and tag.
    private static let overhead = 68.0
    private static let probeInterval = Duration.seconds(3)
    private static let idleProbeInterval = Duration.seconds(5)
    private static let silence = Duration.seconds(1)

    public init(limits: BitrateLimits) {
        self.limits = limits
        rate = RateControl(limits: limits)
        targetBitrate = rate.bitrate
    }

    // MARK: What was sent

    /// One RTP packet with this transport-wide sequence number has left, `bytes` long with its tag.
    public mutating func sent(_ sequence: UInt16, bytes: Int, isProbe: Bool, at now: Instant) {
        let cost = bytes + Self.headers
        history.add(sequence, bytes: cost, cluster: probes.currentCluster, at: now)
        probes.sent(cost, at: now)
        if firstSent == nil {
            firstSent = now
            nextProbe = now
        }
        if silentSince == nil { silentSince = now }
        lastSent = now
        sentRate.add(cost, at: now)
        if !isProbe { averageCost += (Double(cost) - averageCost) / 64 }
    }

    // MARK: What came back

    public mutating func received(_ feedback: TransportFeedback, at now: Instant) {
        var time = clock.begin(feedback.referenceTime)
        var sequence = feedback.baseSequence
        var arrived = 0, lost = 0, isOver = false
        var newest: (sent: Instant, arrival: Instant)?
        for delta in feedback.deltas {
            defer { sequence &+= 1 }
            guard let delta else {
                if history.missed(sequence) { lost += 1 }
                continue
            }
            time += Duration(nanoseconds: Int64(delta) * 250_000)
            let packet: SentPackets.Packet
            switch history.arrived(sequence, at: now) {
            case .known: continue
            case .late(let late): packet = late
            case .first(let first): packet = first
            }
            arrived += 1
            acknowledged.add(packet.bytes, arrival: time)
            queue.add(sent: packet.sent, arrival: time)
            if packet.cluster != 0 { probes.arrived(packet, at: time) }
            if let group = groups.add(sent: packet.sent, arrival: time) {
                detector.add(group)
                isOver = isOver || detector.usage == .over
            }
            if packet.sent >= newest?.sent ?? .zero { newest = (packet.sent, time) }
        }
        guard arrived + lost > 0 else { return }
        // What was lost in a silence was not lost to a full queue.
        let wasSilent = beforeSilence != nil
        if arrived > 0 { heard(at: now) }
        if let newest { note(roundTrip: now - newest.sent, isReport: false, at: now) }
        let floods = loss.floods
        loss.add(
            lost: wasSilent ? 0 : lost, arrived: arrived, target: targetBitrate, acknowledged: acknowledged.bitrate,
            hasQueue: hasQueue(at: now),
            roundTrip: responseTime, at: now)
        judge(isOver: isOver || loss.floods > floods, at: now)
        update(at: now)
        planProbes(at: now)
    }

    private mutating func heard(at now: Instant) {
        lastFeedback = now
        silentSince = nil
        guard let before = beforeSilence else { return }
        beforeSilence = nil
        // What the path carried before the silence it may carry again: a burst tells sooner than growth.
        groups.reset()
        probes.cancel()
        probes.begin(bitrate: capped(before), at: now)
    }

    private mutating func judge(isOver: Bool, at now: Instant) {
        let delivered = acknowledged.bitrate
        if let (bitrate, isCapacity) = probes.outcome() { probed(bitrate, isCapacity: isCapacity, at: now) }
        let standing = standsTooLong(at: now)
        if isOver || standing {
            lastOveruse = now
            rampsUp = false
            probes.cancel()
            shown = 0
            nextProbe = now + Self.probeInterval
            rate.overused(acknowledged: delivered, queue: queue.delay, roundTrip: responseTime, at: now)
        } else if detector.usage == .under || queue.delay > .milliseconds(20) || detector.trend > detector.threshold {
            rate.hold(at: now)
        } else {
            let usable = max(delivered.map { $0 * 3 / 2 + 10_000 } ?? limits.start, shown)
            rate.normal(acknowledged: delivered, roundTrip: responseTime, ceiling: capped(usable), at: now)
        }
    }

    /// A queue of over 50 ms that stands for 300 ms is too long even when it grows no more. When two cuts do not shorten it, it is the path's.
    private mutating func standsTooLong(at now: Instant) -> Bool {
        guard queue.delay > .milliseconds(45) else {
            queueSince = nil
            if queue.delay < .milliseconds(20) { fruitlessCuts = 0 }
            return false
        }
        guard let since = queueSince else {
            queueSince = now
            return false
        }
        guard now - since > .milliseconds(250) + responseTime else { return false }
        queueSince = now
        fruitlessCuts += 1
        guard fruitlessCuts <= 3 else {
            fruitlessCuts = 0
            queue.accept()
            return false
        }
        return true
    }

    private func hasQueue(at now: Instant) -> Bool {
        if queue.delay > .milliseconds(25) { return true }
        return lastOveruse.map { now - $0 < .seconds(2) } ?? false
    }

    // MARK: Probing

    private mutating func probed(_ bitrate: Int, isCapacity: Bool, at now: Instant) {
        let usable = isCapacity ? bitrate * 85 / 100 : bitrate * 95 / 100
        guard queue.delay < .milliseconds(30) else { return }
        if usable > rate.bitrate {
            shown = max(shown, usable)
            rate.raise(to: capped(usable), at: now)
        }
        if isCapacity { rampsUp = false } else if usable >= rate.bitrate * 9 / 10 { nextProbe = now }
        if isCapacity { nextProbe = now + Self.probeInterval }
    }

    private mutating func planProbes(at now: Instant) {
        guard !probes.isBusy(at: now), let due = nextProbe, due <= now, lastFeedback == now else { return }
        guard queue.delay < .milliseconds(15), detector.usage == .normal, loss.fraction - loss.baseline < 0.1 else {
            nextProbe = now + .milliseconds(500)
            return
        }
        let goal = capped(rate.bitrate * 2)
        guard goal * 10 >= rate.bitrate * 12 else {
            nextProbe = now + Self.probeInterval
            return
        }
        nextProbe = now + (isApplicationLimited ? Self.idleProbeInterval : Self.probeInterval)
        probes.begin(bitrate: goal, at: now)
    }

    /// Much less is sent than may be.
    private var isApplicationLimited: Bool { sentRate.bitrate * 100 < targetBitrate * 65 }

    /// Bytes of padding that should leave now as a probe; 0: none.
    public mutating func probeBytes(at now: Instant) -> Int { probes.bytes(at: now) }

    // MARK: Other voices

    /// A receiver's own estimate (REMB), bit/s.
    public mutating func receivedREMB(_ bitrate: UInt64, at now: Instant) {
        remb = (Int(clamping: min(bitrate, UInt64(Int32.max) * 8)), now)
        if !hasFeedback(at: now) { rate.raise(to: capped(min(remb!.bitrate, rate.bitrate * 3 / 2)), at: now) }
        update(at: now)
    }

    /// From report blocks: loss in 1/256, and the round trip where it could be told.
    public mutating func receivedReport(fractionLost: UInt8, roundTrip sample: Duration?, at now: Instant) {
        if let sample { note(roundTrip: sample, isReport: true, at: now) }
        guard !hasFeedback(at: now) else { return }
        // No transport-wide feedback: a round trip far above the best stands for a queue.
        let queued = sample.map { $0 - (smallestRoundTrip ?? $0) } ?? .zero
        let isQueued = queued > .milliseconds(100)
        loss.judge(
            Double(fractionLost) / 256, target: targetBitrate, acknowledged: nil, hasQueue: isQueued, roundTrip: responseTime, at: now)
        if isQueued {
            rate.overused(acknowledged: nil, queue: queued, roundTrip: responseTime, at: now)
            rate.lower(to: targetBitrate * 85 / 100, at: now)
        } else if loss.fraction - loss.baseline < 0.02 {
            rate.normal(acknowledged: nil, roundTrip: responseTime, ceiling: capped(limits.maximum), at: now)
        } else {
            rate.hold(at: now)
        }
        update(at: now)
    }

    /// The frame source has nothing more to send than this, bit/s: growth beyond it needs probing (application-limited).
    public mutating func setDemand(_ bitrate: Int, at now: Instant) {
        let grows = bitrate > demand ?? 0
        demand = max(bitrate, 0)
        if grows, rampsUp || lastOveruse.map({ now - $0 > Self.probeInterval }) ?? true, firstSent != nil { nextProbe = now }
    }

    private func hasFeedback(at now: Instant) -> Bool { lastFeedback.map { now - $0 < .seconds(5) } ?? false }

    /// No higher than is of use: half more than the demand leaves room for key frames and retransmissions.
    private func capped(_ bitrate: Int) -> Int {
        var bound = limits.maximum
        if let demand { bound = min(bound, max(demand * 3 / 2, limits.minimum)) }
        if let remb { bound = min(bound, max(remb.bitrate, limits.minimum)) }
        return min(bitrate, bound)
    }

    /// What is lost is the path's own loss, not a queue that overflows: there more repairs would only be more loss.
    var hasRoomForRepairs: Bool { queue.delay < .milliseconds(30) && loss.fraction < 0.25 && detector.usage != .over }

    private var responseTime: Duration { min(roundTrip ?? .milliseconds(100), .seconds(1)) }

    private mutating func note(roundTrip sample: Duration, isReport: Bool, at now: Instant) {
        guard sample >= .zero, sample < .seconds(10) else { return }
        // Reports leave out how long the receiver waited; feedback does not.
        if isReport { reportRoundTripAt = now } else if let at = reportRoundTripAt, now - at < .seconds(5) { return }
        smallestRoundTrip = min(smallestRoundTrip ?? sample, sample)
        roundTrip = roundTrip.map { $0 + (sample - $0) / (isReport ? 4 : 8) } ?? sample
    }

    private mutating func update(at now: Instant) {
        var target = min(rate.bitrate, loss.bound)
        if let remb {
            // A bound that nobody renews ends, where there is another voice.
            if hasFeedback(at: now), now - remb.at > .seconds(10) { self.remb = nil } else { target = min(target, remb.bitrate) }
        }
        targetBitrate = min(max(target, limits.minimum), limits.maximum)
        loss.keep(atLeast: limits.minimum)
    }

    // MARK: Time

    public mutating func advance(to now: Instant) {
        guard let since = silentSince, lastFeedback != nil, now - since >= Self.silence else { return }
        // Sending into silence (RFC 8083 in spirit): less and less, and the old rate is remembered.
        beforeSilence = beforeSilence ?? rate.bitrate
        silentSince = now
        rate.lower(to: max(rate.bitrate * 7 / 10, min(limits.start, rate.bitrate) / 4), at: now)
        update(at: now)
    }

    public var deadline: Instant? {
        let silence = lastFeedback == nil ? nil : silentSince.map { $0 + Self.silence }
        return earlier(probes.deadline, silence)
    }
}

extension CongestionController {
    /// What the estimates stand at, for a trace.
    var traceFields: [String: String] {
        [
            "target": "\(targetBitrate)", "delay_based": "\(rate.bitrate)", "acknowledged": "\(acknowledged.bitrate ?? 0)",
            "queue_ms": "\(Int(queue.delay.milliseconds))", "trend": "\(Int(detector.trend * 10))",
            "threshold": "\(Int(detector.threshold * 10))", "usage": "\(detector.usage)",
            "loss_bound": loss.bound == .max ? "none" : "\(loss.bound)", "loss": "\(Int(loss.fraction * 1000))",
            "baseline": "\(Int(loss.baseline * 1000))", "capacity": rate.knownCapacity.map { "\($0)" } ?? "unknown",
            "probe": "\(probes.lastBitrate)", "round_trip_ms": roundTrip.map { "\(Int($0.milliseconds))" } ?? "unknown",
        ]
    }
}

/// Extends the 24-bit reference time of feedback, in units of 64 ms, by taking each as near as possible to the last.
///
/// The peer says what it likes: what leads further than decades away begins anew, so that no time here is negative, nor any difference too large.
struct FeedbackClock: Sendable {
    private var last: Int64?
    private static let start: Int64 = 1 << 24
    /// All deltas of one feedback together are at most 2^21 units.
    private static let plausible: ClosedRange<Int64> = (1 << 23)...(1 << 34)

    mutating func begin(_ reference: Int32) -> Instant {
        var units = Int64(reference & 0xFF_FFFF)
        if let last {
            let step = Int64(Int32(truncatingIfNeeded: (units &- last) << 8) >> 8)
            units = Self.plausible.contains(last + step) ? last + step : Self.start + units
        } else {
            units += Self.start  // so that it may fall
        }
        last = units
        return Instant(nanoseconds: units * 64_000_000)
    }
}

/// What was sent over the last second, roughly.
struct SentRate: Sendable {
    private var since: Instant?
    private var bytes = 0
    private(set) var bitrate = 0

    mutating func add(_ count: Int, at now: Instant) {
        if let start = since, now - start >= .milliseconds(500) {
            let rate = Int(Double(bytes * 8) / (now - start).seconds)
            bitrate = bitrate == 0 ? rate : (bitrate + rate) / 2
            since = now
            bytes = 0
        } else if since == nil {
            since = now
        }
        bytes += count
    }
}
