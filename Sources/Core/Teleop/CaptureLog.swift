import Wire

/// When each of the newest pictures was taken, by the number that travels with it: what tells how old the picture is that somebody acts on
/// (specs: safety clause 2b).
public struct CaptureLog: Sendable {
    /// At 30 pictures a second and one camera some half a minute: older than every limit on view age, also where eight cameras share it.
    private var entries = Ring<Entry>(limit: 1024)

    private struct Entry: Sendable {
        var ticks: UInt32
        var captured: Instant
    }

    public init() {}

    /// `ticks`: the RTP timestamp of the picture before a sender's own offset is added, 90 kHz.
    public mutating func add(ticks: UInt32, captured: Instant) {
        if entries.last?.ticks == ticks { return }
        if entries.isFull { _ = entries.popFirst() }
        _ = entries.append(Entry(ticks: ticks, captured: captured))
    }

    /// Nil: no such picture, or it was long ago.
    public func captured(ticks: UInt32) -> Instant? {
        for index in stride(from: entries.count - 1, through: 0, by: -1) where entries[index].ticks == ticks {
            return entries[index].captured
        }
        return nil
    }
}
