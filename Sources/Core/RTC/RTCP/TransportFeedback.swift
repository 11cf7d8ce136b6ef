import Wire

/// Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 clause 3.1):
/// for a run of transport sequence numbers, whether and when each arrived.
public struct TransportFeedback: Sendable, Hashable {
    public var sender: SSRC
    public var media: SSRC
    public var baseSequence: UInt16
    /// In units of 64 ms, 24 bits, signed.
    public var referenceTime: Int32
    public var feedbackCount: UInt8
    /// One a sequence number from `baseSequence`: arrival in units of 250 µs after the one before (the first: after the reference time), nil when lost.
    public var deltas: [Int16?]

    /// Most packets that one feedback may speak of; more is refused.
    public static let maximumPackets = 8192

    public init(sender: SSRC, media: SSRC, baseSequence: UInt16, referenceTime: Int32, feedbackCount: UInt8, deltas: [Int16?]) {
        self.sender = sender
        self.media = media
        self.baseSequence = baseSequence
        self.referenceTime = referenceTime
        self.feedbackCount = feedbackCount
        self.deltas = deltas
    }

    /// From the body after the common header; nil when it contradicts itself. Takes over the storage of the array given, if it has any.
    init?(_ body: Span<UInt8>, storage: inout [Int16?]) {
        var reader = ByteReader(body)
        guard let sender = reader.u32(), let media = reader.u32(), let base = reader.u16(), let count = reader.u16(),
            let time = reader.u24(), let feedbackCount = reader.u8(), Int(count) <= Self.maximumPackets
        else { return nil }
        // The arrivals stand behind all the chunks: these are gone through twice.
        var chunks = reader
        var covered = 0
        while covered < Int(count) {
            guard let word = reader.u16(), let chunk = StatusChunk(word) else { return nil }
            covered += chunk.count
        }
        var deltas: [Int16?] = []
        swap(&deltas, &storage)
        deltas.removeAll(keepingCapacity: true)
        deltas.reserveCapacity(Int(count))
        while deltas.count < Int(count) {
            guard let word = chunks.u16(), let chunk = StatusChunk(word) else { return nil }
            for index in 0..<min(chunk.count, Int(count) - deltas.count) {
                switch chunk.symbol(index) {
                case 0: deltas.append(nil)
                case 1:
                    guard let delta = reader.u8() else { return nil }
                    deltas.append(Int16(delta))
                case 2:
                    guard let delta = reader.u16() else { return nil }
                    deltas.append(Int16(bitPattern: delta))
                default: return nil
                }
            }
        }
        self.init(
            sender: SSRC(sender), media: SSRC(media), baseSequence: base, referenceTime: Int32(bitPattern: time << 8) >> 8,
            feedbackCount: feedbackCount, deltas: deltas)
    }

    func writeBody(to out: inout [UInt8]) {
        out.append(u16: baseSequence)
        out.append(u16: UInt16(deltas.count))
        out.append(UInt8(truncatingIfNeeded: referenceTime >> 16))
        out.append(u16: UInt16(truncatingIfNeeded: referenceTime))
        out.append(feedbackCount)
        writeChunks(to: &out)
        for case let delta? in deltas {
            if (0...255).contains(delta) { out.append(UInt8(delta)) } else { out.append(u16: UInt16(bitPattern: delta)) }
        }
    }

    private func symbol(_ index: Int) -> UInt16 {
        guard let delta = deltas[index] else { return 0 }
        return (0...255).contains(delta) ? 1 : 2
    }

    /// Runs of seven or more equal symbols as run-length chunks, the rest as two-bit vectors.
    private func writeChunks(to out: inout [UInt8]) {
        var index = 0
        while index < deltas.count {
            let first = symbol(index)
            var run = 1
            while index + run < deltas.count, run < 0x1FFF, symbol(index + run) == first { run += 1 }
            if run >= 7 || index + run == deltas.count {
                out.append(u16: first << 13 | UInt16(run))
                index += run
            } else {
                var chunk: UInt16 = 0xC000
                let count = min(7, deltas.count - index)
                for pair in 0..<count { chunk |= symbol(index + pair) << UInt16(12 - 2 * pair) }
                out.append(u16: chunk)
                index += count
            }
        }
    }
}

/// What arrived of a run of packets (draft-holmer-rmcat-transport-wide-cc-extensions-01 clauses 3.1.3 and 3.1.4).
private struct StatusChunk {
    private let word: UInt16

    /// Nil for a run of nothing.
    init?(_ word: UInt16) {
        guard word & 0x8000 != 0 || word & 0x1FFF != 0 else { return nil }
        self.word = word
    }

    /// How many packets it can speak of; the last may be told of fewer.
    var count: Int { word & 0x8000 == 0 ? Int(word & 0x1FFF) : word & 0x4000 == 0 ? 14 : 7 }

    /// 0: did not arrive; 1, 2: its arrival takes so many bytes.
    func symbol(_ index: Int) -> UInt16 {
        if word & 0x8000 == 0 { return word >> 13 & 3 }
        return word & 0x4000 == 0 ? word >> UInt16(13 - index) & 1 : word >> UInt16(12 - 2 * index) & 3
    }
}
