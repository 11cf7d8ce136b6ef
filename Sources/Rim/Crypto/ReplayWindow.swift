/// The packets lately seen of one stream (RFC 3711 clause 3.3.2): the highest index and the 128 up to it.
struct ReplayWindow {
    static let size: UInt64 = 128

    private(set) var highest: UInt64
    /// Bit `d` of the 128 says whether `highest - d` was seen.
    private var recent: UInt64 = 1
    private var older: UInt64 = 0

    /// Starts with the first authenticated packet.
    init(first index: UInt64) { highest = index }

    func isFresh(_ index: UInt64) -> Bool {
        if index > highest { return true }
        let behind = highest - index
        guard behind < Self.size else { return false }
        return behind < 64 ? recent >> behind & 1 == 0 : older >> (behind - 64) & 1 == 0
    }

    /// Only after the packet proved authentic.
    mutating func accept(_ index: UInt64) {
        if index > highest {
            slide(by: index - highest)
            highest = index
            recent |= 1
        } else {
            let behind = highest - index
            if behind < 64 { recent |= 1 << behind } else if behind < Self.size { older |= 1 << (behind - 64) }
        }
    }

    private mutating func slide(by distance: UInt64) {
        // Shifts by more than the width give zero in Swift.
        older = older << distance | (distance < 64 ? recent >> (64 - distance) : recent << (distance - 64))
        recent = recent << distance
    }
}

/// RFC 3711 clause 3.3.1: the 48-bit index that a 16-bit sequence number most likely stands for, next to the highest index so far.
enum PacketIndex {
    static let wrap: UInt64 = 1 << 16

    /// Nil: it would lie before the first roll-over period.
    static func estimate(_ sequence: UInt16, after highest: UInt64) -> UInt64? {
        let last = UInt16(truncatingIfNeeded: highest)
        let sameEpoch = highest & ~(wrap - 1) | UInt64(sequence)
        if last < 0x8000 {
            guard Int(sequence) - Int(last) > 0x8000 else { return sameEpoch }
            return sameEpoch >= wrap ? sameEpoch - wrap : nil
        }
        return Int(last) - 0x8000 > Int(sequence) ? sameEpoch + wrap : sameEpoch
    }
}
