import Wire

/// What a receiver must report of one stream (RFC 3550 appendices A.3 and A.8).
struct ReceptionStatistics: Sendable {
    private let clockRate: UInt32
    private var first: Int64?
    private(set) var highest: Int64 = 0
    private(set) var packetsReceived = 0
    private(set) var bytesReceived = 0
    private var jitter = 0.0
    private var lastTransit: Double?
    private var lastReport: (expected: Int64, received: Int) = (0, 0)
    private var senderReport: (middle: UInt32, at: Instant)?

    init(clockRate: UInt32) { self.clockRate = clockRate }

    mutating func received(_ sequence: Int64, timestamp: UInt32, bytes: Int, at now: Instant) {
        if first == nil {
            first = sequence
            highest = sequence
        }
        highest = max(highest, sequence)
        packetsReceived += 1
        bytesReceived += bytes
        let units = Double(now.nanoseconds) / 1e9 * Double(clockRate) - Double(timestamp)
        if let lastTransit {
            let difference = abs(units - lastTransit)
            if difference < Double(clockRate) * 10 { jitter += (difference - jitter) / 16 }
        }
        lastTransit = units
    }

    mutating func received(_ report: SenderInformation, at now: Instant) {
        senderReport = (UInt32(truncatingIfNeeded: report.ntp >> 16), now)
    }

    /// Seconds.
    var jitterSeconds: Double { jitter / Double(clockRate) }
    var packetsLost: Int { first.map { max(0, Int(highest - $0 + 1) - packetsReceived) } ?? 0 }

    /// The block for the next report; nil while nothing has come.
    mutating func report(for ssrc: SSRC, at now: Instant) -> ReportBlock? {
        guard let first else { return nil }
        let expected = highest - first + 1
        let expectedNow = expected - lastReport.expected
        let lostNow = expectedNow - Int64(packetsReceived - lastReport.received)
        lastReport = (expected, packetsReceived)
        let fraction = expectedNow > 0 && lostNow > 0 ? min(lostNow * 256 / expectedNow, 255) : 0
        let delay = senderReport.map { UInt32(clamping: (now - $0.at).ticks(of: 65_536)) } ?? 0
        return ReportBlock(
            ssrc: ssrc, fractionLost: UInt8(fraction), cumulativeLost: Int32(clamping: expected - Int64(packetsReceived)),
            highestSequence: UInt32(truncatingIfNeeded: highest), jitter: UInt32(clamping: Int64(jitter)),
            lastSenderReport: senderReport?.middle ?? 0, delaySinceLastSenderReport: delay)
    }
}
