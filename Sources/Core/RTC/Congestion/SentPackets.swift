import Wire

/// The packets sent last, by transport-wide sequence number: eight bytes each, written in place.
package struct SentPackets: Sendable {
    package struct Packet {
        package var sent: Instant
        /// With IP and UDP headers.
        package var bytes: Int
        /// The probe cluster it belonged to; 0: none.
        package var cluster: UInt8
    }

    private struct Slot {
        /// Microseconds, modulo 2^32.
        var sent: UInt32 = 0
        var bytes: UInt16 = 0
        var cluster: UInt8 = 0
        /// The number's upper five bits, whether it waits for news, and whether it was said to be lost.
        var mark: UInt8 = 0
    }

    package enum News { case first(Packet), late(Packet), known }

    package init() {}

    private static let size = 2048
    private static let waits: UInt8 = 0x80
    private static let lost: UInt8 = 0x40
    private var slots: [Slot] = []
    /// Bytes that nobody has heard of yet.
    package private(set) var bytesInFlight = 0

    package mutating func add(_ sequence: UInt16, bytes: Int, cluster: UInt8, at now: Instant) {
        if slots.isEmpty { slots = Array(repeating: Slot(), count: Self.size) }
        let index = Int(sequence) % Self.size
        forget(index)
        slots[index] = Slot(
            sent: UInt32(truncatingIfNeeded: now.nanoseconds / 1000), bytes: UInt16(clamping: bytes), cluster: cluster,
            mark: UInt8(sequence / UInt16(Self.size)) | Self.waits)
        bytesInFlight += Int(UInt16(clamping: bytes))
    }

    private mutating func forget(_ index: Int) {
        if slots[index].mark & (Self.waits | Self.lost) == Self.waits { bytesInFlight -= Int(slots[index].bytes) }
        slots[index].mark = 0
    }

    /// The packet arrived. Told once: a second time it is `known`; after it was said to be lost it is `late`.
    package mutating func arrived(_ sequence: UInt16, at now: Instant) -> News {
        guard let index = waiting(sequence) else { return .known }
        let packet = packet(index, at: now)
        let wasLost = slots[index].mark & Self.lost != 0
        forget(index)
        return wasLost ? .late(packet) : .first(packet)
    }

    /// The packet is said not to have arrived so far; true the first time.
    package mutating func missed(_ sequence: UInt16) -> Bool {
        guard let index = waiting(sequence), slots[index].mark & Self.lost == 0 else { return false }
        slots[index].mark |= Self.lost
        bytesInFlight -= Int(slots[index].bytes)
        return true
    }

    private func waiting(_ sequence: UInt16) -> Int? {
        guard !slots.isEmpty else { return nil }
        let index = Int(sequence) % Self.size
        let mark = slots[index].mark
        guard mark & Self.waits != 0, mark & 0x1F == UInt8(sequence / UInt16(Self.size)) else { return nil }
        return index
    }

    private func packet(_ index: Int, at now: Instant) -> Packet {
        let slot = slots[index]
        let age = UInt32(truncatingIfNeeded: now.nanoseconds / 1000) &- slot.sent
        return Packet(
            sent: Instant(nanoseconds: now.nanoseconds / 1000 * 1000 - Int64(age) * 1000), bytes: Int(slot.bytes), cluster: slot.cluster)
    }
}
