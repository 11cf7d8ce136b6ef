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
public struct CongestionController: Sendable {
    public let limits: BitrateLimits
    /// What the media of this peer may cost together, bit/s.
    public private(set) var targetBitrate: Int
    /// Smoothed round trip, from receiver reports or feedback; nil before the first.
    public private(set) var roundTrip: Duration?

    public init(limits: BitrateLimits) {
        self.limits = limits
        targetBitrate = limits.start
    }

    /// One RTP packet with this transport-wide sequence number has left, `bytes` long with its tag.
    public mutating func sent(_ sequence: UInt16, bytes: Int, isProbe: Bool, at now: Instant) {}

    public mutating func received(_ feedback: TransportFeedback, at now: Instant) {}

    /// A receiver's own estimate (REMB), bit/s.
    public mutating func receivedREMB(_ bitrate: UInt64, at now: Instant) {
        targetBitrate = min(max(Int(clamping: bitrate), limits.minimum), limits.maximum)
    }

    /// From report blocks: loss in 1/256, and the round trip where it could be told.
    public mutating func receivedReport(fractionLost: UInt8, roundTrip sample: Duration?, at now: Instant) {
        if let sample { roundTrip = sample }
    }

    /// The frame source has nothing more to send than this, bit/s: growth beyond it needs probing (application-limited).
    public mutating func setDemand(_ bitrate: Int, at now: Instant) {}

    /// Bytes of padding that should leave now as a probe; 0: none.
    public mutating func probeBytes(at now: Instant) -> Int { 0 }

    public mutating func advance(to now: Instant) {}
    public var deadline: Instant? { nil }
}
