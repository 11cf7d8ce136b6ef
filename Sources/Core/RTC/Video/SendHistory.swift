import Wire

/// The frames sent in the last second, found again by sequence number. Holds frames, which all viewers share, not packets;
/// only where RTX was not agreed does it keep the packets themselves.
package struct SendHistory {
    private struct Entry {
        var frame: PacketisedFrame
        var firstSequence: Int64
        var sent: Instant
        var packets: [[UInt8]] = []
        /// When each packet was last sent again; empty until one was.
        var resent: [Instant] = []
    }

    package let keepsPackets: Bool
    private var entries = Ring<Entry>(limit: 128)
    private var unwrapper = SequenceUnwrapper()
    private var bytes = 0

    private static let maximumAge = Duration.seconds(1)
    private static let maximumBytes = 2 << 20

    package init(keepsPackets: Bool) { self.keepsPackets = keepsPackets }

    package mutating func begin(_ frame: PacketisedFrame, firstSequence: UInt16, at now: Instant) {
        while !entries.isEmpty,
            entries.isFull || now - entries[0].sent > Self.maximumAge || bytes + frame.payloads.count > Self.maximumBytes
        {
            bytes -= entries[0].frame.payloads.count
            _ = entries.popFirst()
        }
        bytes += frame.payloads.count
        // The last number of the frame, so that numbers inside it unwrap below the highest.
        let last = unwrapper.unwrap(firstSequence &+ UInt16(truncatingIfNeeded: frame.packetCount - 1))
        _ = entries.append(Entry(frame: frame, firstSequence: last - Int64(frame.packetCount - 1), sent: now))
    }

    package mutating func keep(_ packet: [UInt8]) {
        guard entries.count > 0 else { return }
        entries[entries.count - 1].packets.append(packet)
    }

    /// The frame and packet of a sequence number, unless it was sent again less than `notWithin` ago. `isOverdue`: it was sent again before,
    /// or the request itself comes later than `expected` after the frame, as when earlier ones were lost.
    package mutating func find(_ number: UInt16, notWithin: Duration, expected: Duration = .seconds(1), at now: Instant) -> (
        frame: PacketisedFrame, packet: Int, plain: [UInt8]?, isOverdue: Bool
    )? {
        let sequence = unwrapper.peek(number)
        guard let index = index(of: sequence) else { return nil }
        let packet = Int(sequence - entries[index].firstSequence)
        if keepsPackets, packet >= entries[index].packets.count { return nil }
        if entries[index].resent.isEmpty {
            entries[index].resent = Array(repeating: Instant(nanoseconds: .min / 2), count: entries[index].frame.packetCount)
        }
        let last = entries[index].resent[packet]
        guard now - last >= notWithin else { return nil }
        entries[index].resent[packet] = now
        let isOverdue = last >= entries[index].sent || now - entries[index].sent > expected
        return (entries[index].frame, packet, keepsPackets ? entries[index].packets[packet] : nil, isOverdue)
    }

    private func index(of sequence: Int64) -> Int? {
        var low = 0, high = entries.count
        while low < high {
            let middle = (low + high) / 2
            let entry = entries[middle]
            if sequence < entry.firstSequence {
                high = middle
            } else if sequence >= entry.firstSequence + Int64(entry.frame.packetCount) {
                low = middle + 1
            } else {
                return middle
            }
        }
        return nil
    }
}
