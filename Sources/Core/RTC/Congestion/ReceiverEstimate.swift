import Wire

/// What the path to us carries, as a receiver sees it: the trend of the delay between send times and arrivals, and what came
/// (draft-alvestrand-rmcat-remb-03, draft-ietf-rmcat-gcc-02 clause 5).
package struct ReceiverEstimate: Sendable {
    private var groups = ArrivalGroups()
    private var detector = OveruseDetector()
    private var arrived = AcknowledgedBitrate()
    private var rate: RateControl?
    private var lastSendTime: UInt32?
    /// The sender's clock, unwrapped, from an arbitrary beginning.
    private var sendClock = Instant.zero + .seconds(60)
    private var reported: Int?
    private var hasNews = false
    /// When `report` is due; nil while nothing comes.
    package private(set) var deadline: Instant?

    private static let interval = Duration.seconds(1)
    /// Before the first report.
    private static let patience = Duration.milliseconds(500)
    /// A receiver cannot tell more of the path than half as much again as came.
    private static let headroom = 1.5
    private static let limits = BitrateLimits(minimum: 50_000, start: 300_000)

    package init() {}

    /// `sendTime`: the abs-send-time extension, 24-bit 6.18 fixed point seconds; without it only what comes is measured.
    package mutating func received(bytes: Int, sendTime: UInt32?, at now: Instant) {
        hasNews = true
        arrived.add(bytes, arrival: now)
        if deadline == nil { deadline = now + Self.patience }
        guard let bitrate = arrived.bitrate else { return }
        if rate == nil {
            var limits = Self.limits
            limits.start = max(limits.start, bitrate)
            rate = RateControl(limits: limits)
        }
        guard let sendTime, let delta = groups.add(sent: unwrapped(sendTime), arrival: now) else { return }
        detector.add(delta)
        switch detector.usage {
        case .over:
            rate?.overused(acknowledged: bitrate, queue: .zero, roundTrip: .milliseconds(100), at: now)
            // A lower bound is urgent news.
            if let reported, let rate, rate.bitrate * 100 < reported * 97 { deadline = now }
        case .under: rate?.hold(at: now)
        case .normal:
            rate?.normal(acknowledged: bitrate, roundTrip: .milliseconds(100), ceiling: Int(Double(bitrate) * Self.headroom), at: now)
        }
    }

    private mutating func unwrapped(_ sendTime: UInt32) -> Instant {
        if let lastSendTime {
            // The difference of two 24-bit numbers, with its sign.
            let difference = Int64(Int32(bitPattern: (sendTime &- lastSendTime) << 8) >> 8)
            sendClock += Duration(nanoseconds: difference * 1_000_000_000 / (1 << 18))
        }
        lastSendTime = sendTime
        return sendClock
    }

    /// Bit/s to be told to the sender now; nil: nothing came since the last report.
    package mutating func report(at now: Instant) -> Int? {
        deadline = nil
        guard hasNews else { return nil }
        hasNews = false
        deadline = now + Self.interval
        guard let rate, let bitrate = arrived.bitrate else { return nil }
        reported = max(min(rate.bitrate, max(Int(Double(bitrate) * Self.headroom), Self.limits.start)), Self.limits.minimum)
        return reported
    }
}
