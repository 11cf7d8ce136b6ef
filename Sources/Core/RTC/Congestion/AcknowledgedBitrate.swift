import Wire

/// What the path really delivered over the last half second, by the receiver's clock.
package struct AcknowledgedBitrate: Sendable {
    private static let binNanoseconds: Int64 = 25_000_000
    private static let bins = 20
    private var bytes = InlineArray<20, Int32>(repeating: 0)
    private var newest: Int64?
    private var oldest: Int64 = 0

    package init() {}

    package mutating func add(_ count: Int, arrival: Instant) {
        guard arrival >= .zero else { return }
        let bin = arrival.nanoseconds / Self.binNanoseconds
        guard let last = newest else {
            newest = bin
            oldest = bin
            put(count, bin)
            return
        }
        if bin > last {
            if bin - last >= Int64(Self.bins) {
                // A pause: what came before it says nothing about now.
                for i in 0..<Self.bins { bytes[i] = 0 }
                oldest = bin
            } else {
                for next in (last + 1)...bin { bytes[Int(next % Int64(Self.bins))] = 0 }
            }
            newest = bin
        } else if last - bin >= Int64(Self.bins) {
            return
        }
        oldest = min(oldest, bin)
        put(count, bin)
    }

    private mutating func put(_ count: Int, _ bin: Int64) {
        let slot = Int(bin % Int64(Self.bins))
        bytes[slot] = bytes[slot] &+ Int32(clamping: count)
    }

    /// Bit/s; nil before a fifth of a second was seen.
    package var bitrate: Int? {
        guard let newest else { return nil }
        // The newest bin is still being filled.
        let first = max(oldest, newest - Int64(Self.bins) + 1)
        guard newest - first >= 8, first >= 0 else { return nil }
        var sum = 0
        for bin in first..<newest { sum += Int(bytes[Int(bin % Int64(Self.bins))]) }
        return sum * 8 * 1_000_000_000 / Int((newest - first) * Self.binNanoseconds)
    }
}
