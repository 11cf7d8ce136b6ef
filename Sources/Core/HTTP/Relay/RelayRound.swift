import Wire

/// What was said in one room since the last time, as frames one behind the other: each member gets it as one piece, less its own words.
///
/// For most members that piece is the whole, which is made once and copied for nobody.
public struct RelayRound: Sendable {
    /// Who was there when it was said.
    public internal(set) var members: [Relay.Member] = []
    private var frames = WebSocketBroadcast()
    private var pieces: [Piece] = []
    private var messages = 0

    /// What one member said without another in between.
    private struct Piece {
        let sender: Relay.Member
        var end: Int
        var messages: Int
    }

    var isEmpty: Bool { messages == 0 }

    /// Answers how many bytes it has become longer.
    mutating func add(_ message: Span<UInt8>, from sender: Relay.Member) -> Int {
        let start = frames.bytes.count
        frames.append(.text, message)
        messages += 1
        let end = frames.bytes.count
        if let last = pieces.indices.last, pieces[last].sender == sender {
            pieces[last].end = end
            pieces[last].messages += 1
        } else {
            pieces.append(Piece(sender: sender, end: end, messages: 1))
        }
        return end - start
    }

    /// What the others said, and how many messages that is; nil: nothing.
    public func share(of member: Relay.Member) -> (frames: WebSocketBroadcast, messages: Int)? {
        var own = 0
        for piece in pieces where piece.sender == member { own += piece.messages }
        guard own > 0 else { return (frames, messages) }
        guard own < messages else { return nil }
        var (others, start) = (WebSocketBroadcast(), 0)
        for piece in pieces {
            if piece.sender != member { others.append(frames.bytes.span.extracting(start..<piece.end)) }
            start = piece.end
        }
        return (others, messages - own)
    }
}
