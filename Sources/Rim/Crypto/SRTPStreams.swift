/// What a receiver knows of each SSRC. A linear table: an association has a handful, and the last one asked for is mostly the next.
struct ReceiveStreams {
    static let limit = 64

    private var streams: [(ssrc: UInt32, window: ReplayWindow)] = []
    private var last = 0

    mutating func find(_ ssrc: UInt32) -> Int? {
        if last < streams.count, streams[last].ssrc == ssrc { return last }
        guard let found = streams.firstIndex(where: { $0.ssrc == ssrc }) else { return nil }
        last = found
        return found
    }

    func highest(_ stream: Int) -> UInt64 { streams[stream].window.highest }
    func isFresh(_ index: UInt64, of stream: Int) -> Bool { streams[stream].window.isFresh(index) }

    /// Notes an authentic packet; false: there is no room for another stream.
    mutating func accept(_ index: UInt64, of stream: Int?, ssrc: UInt32) -> Bool {
        if let stream {
            streams[stream].window.accept(index)
            return true
        }
        guard streams.count < Self.limit else { return false }
        streams.append((ssrc, ReplayWindow(first: index)))
        return true
    }
}

/// The highest index sent of each of our own SSRCs.
struct SendStreams {
    /// An association that is renegotiated for days uses up more SSRCs than it has at a time.
    static let limit = 256

    private var streams: [(ssrc: UInt32, highest: UInt64)] = []
    private var last = 0

    /// The index of a packet that is sent now, be it new or a repetition. Nil: a stream beyond the limit, or a sequence number from before
    /// the stream's first packet: encrypting it could use a key stream twice.
    mutating func index(of sequence: UInt16, ssrc: UInt32) -> UInt64? {
        if last >= streams.count || streams[last].ssrc != ssrc {
            guard let found = streams.firstIndex(where: { $0.ssrc == ssrc }) else { return begin(ssrc, sequence) }
            last = found
        }
        guard let index = PacketIndex.estimate(sequence, after: streams[last].highest) else { return nil }
        streams[last].highest = max(index, streams[last].highest)
        return index
    }

    private mutating func begin(_ ssrc: UInt32, _ sequence: UInt16) -> UInt64? {
        guard streams.count < Self.limit else { return nil }
        last = streams.count
        streams.append((ssrc, UInt64(sequence)))
        return UInt64(sequence)
    }
}
