import Wire

/// The packets of one SSRC in one direction.
struct RTPStream: Sendable {
    /// Missing for longer than this many packets is lost; sooner it is only late.
    private static let reordering = 8
    /// RFC 3550 appendix A.1: a larger step is a new beginning.
    private static let largestStep = 3000, largestStepBack = -100

    let ssrc: UInt32
    let fromLocal: Bool
    private(set) var lastSeen: Instant
    private let firstSeen: Instant
    private var highest: UInt16
    private var timestamp: UInt32
    /// Bit n: the packet n before the highest has come.
    private var arrived = UInt64.max
    /// How far the next number may be without anything being lost, as the last datagram held several packets.
    private var allowance = 0
    /// Consecutive packets (gaps of at most 3), until 10.
    private var run = 0
    private var recent = InlineArray<10, Instant>(repeating: Instant(nanoseconds: .min / 2))
    private var nextRecent = 0
    /// Bytes, packets and frames (distinct timestamps).
    private var sums = SecondWindow()

    struct Loss: Equatable {
        var expected: UInt32 = 0
        var lost: UInt32 = 0
    }

    /// What a stream carries a second.
    struct Rates {
        var bytes: Int
        var packets: Int
        var frames: Int

        /// Section 8.1: it has more than one packet a timestamp, or 100 kbit/s.
        var isVideo: Bool { frames > 0 && (packets > frames || bytes >= 12_500) }
    }

    /// `joins`: the sender is known to have several packets in a datagram.
    init(_ header: RTPHeader, fromLocal: Bool, wireLength: Int, joins: Bool, at now: Instant) {
        (ssrc, self.fromLocal, lastSeen, firstSeen) = (header.ssrc, fromLocal, now, now)
        (highest, timestamp) = (header.sequence, header.timestamp)
        count(wireLength, joins: joins, isNewFrame: true, at: now)
    }

    mutating func received(_ header: RTPHeader, wireLength: Int, joins: Bool, at now: Instant) -> Loss {
        lastSeen = now
        let step = Int(Int16(bitPattern: header.sequence &- highest))
        if step <= 0, step > Self.largestStepBack {
            sums.add(SIMD4(UInt32(clamping: wireLength), 0, 0, 0), at: now)
            if step > -64 { arrived |= 1 << UInt64(-step) }
            return Loss()
        }
        let isRestart = step < 0 || step > Self.largestStep
        let isFilled = step <= allowance
        let loss = isRestart ? Loss() : settle(step, isFilled: isFilled)
        if isRestart { arrived = .max }
        if isRestart || step > 3 && !isFilled { run = 0 }
        let isNewFrame = header.timestamp != timestamp
        (highest, timestamp) = (header.sequence, header.timestamp)
        count(wireLength, joins: joins, isNewFrame: isNewFrame, at: now)
        return loss
    }

    private mutating func count(_ wireLength: Int, joins: Bool, isNewFrame: Bool, at now: Instant) {
        // Of a datagram that the kernel is yet to cut apart only the first header is seen: it holds at least two. Who sends such datagrams also
        // joins small packets, to one that could be a single one by its length.
        let isSeveral = wireLength > Datagram.largestOnTheWire
        allowance = isSeveral ? wireLength / 200 : joins ? wireLength / 100 : 0
        for _ in 0..<(isSeveral ? 2 : 1) {
            run = min(run + 1, 10)
            recent[nextRecent] = now
            nextRecent = nextRecent == 9 ? 0 : nextRecent + 1
        }
        sums.add(SIMD4(UInt32(clamping: wireLength), isSeveral ? 2 : 1, isNewFrame ? 1 : 0, 0), at: now)
    }

    /// Moves the window on by `step` packets, and says what has left it unseen.
    private mutating func settle(_ step: Int, isFilled: Bool) -> Loss {
        let leaving = min(step, Self.reordering)
        let mask: UInt64 = ((1 << UInt64(leaving)) - 1) << UInt64(Self.reordering - leaving)
        var loss = Loss(expected: UInt32(step), lost: UInt32(leaving - (arrived & mask).nonzeroBitCount))
        if !isFilled { loss.lost += UInt32(max(0, step - Self.reordering)) }
        arrived = step >= 64 ? 0 : arrived << UInt64(step)
        arrived |= isFilled ? (step >= 64 ? .max : (1 << UInt64(step)) - 1) : 1
        return loss
    }

    /// 10 packets with consecutive numbers within 2 s.
    func isConvincing(at now: Instant) -> Bool { run == 10 && now - recent[nextRecent] <= WebRTCFlow.memory }

    /// 3 packets within 2 s.
    func isFlowing(at now: Instant) -> Bool { now - recent[(nextRecent + 7) % 10] <= WebRTCFlow.memory }

    /// nil: it has not been seen for long enough to tell.
    func rates(at now: Instant) -> Rates? {
        guard now - firstSeen >= .milliseconds(1100) else { return nil }
        let sums = sums.sums(at: now)
        return Rates(bytes: Int(sums[0]), packets: Int(sums[1]), frames: Int(sums[2]))
    }
}
