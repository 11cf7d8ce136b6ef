/// Frames that wait for the peer to take those before them. Whatever is done costs the same however many wait.
struct WebSocketQueue: Sendable {
    private struct Waiting {
        /// Empty: dropped.
        var frame: [UInt8]
        var isDroppable: Bool
    }

    private var frames: [Waiting] = []
    /// Those before it have gone.
    private var first = 0
    /// None before it can be dropped.
    private var candidate = 0
    /// Dropped ones that still have their place.
    private var empty = 0
    private(set) var bytes = 0
    private var droppableBytes = 0

    private static let fewest = 32

    var count: Int { frames.count - first - empty }
    var isEmpty: Bool { frames.count - first == empty }

    mutating func append(_ frame: [UInt8], isDroppable: Bool) {
        frames.append(Waiting(frame: frame, isDroppable: isDroppable))
        bytes += frame.count
        if isDroppable { droppableBytes += frame.count }
    }

    /// Drops the oldest that may be dropped until `count` bytes are gone; answers how many frames it was, nil when there are not enough.
    mutating func drop(_ count: Int) -> Int? {
        guard droppableBytes >= count else { return nil }
        var (left, dropped) = (count, 0)
        candidate = max(candidate, first)
        while left > 0, candidate < frames.count {
            defer { candidate += 1 }
            guard frames[candidate].isDroppable, !frames[candidate].frame.isEmpty else { continue }
            let size = frames[candidate].frame.count
            frames[candidate].frame = []
            bytes -= size
            droppableBytes -= size
            left -= size
            dropped += 1
            empty += 1
        }
        compact()
        return dropped
    }

    mutating func popFirst() -> [UInt8]? {
        while first < frames.count {
            var frame: [UInt8] = []
            swap(&frame, &frames[first].frame)
            let isDroppable = frames[first].isDroppable
            first += 1
            guard !frame.isEmpty else {
                empty -= 1
                continue
            }
            bytes -= frame.count
            if isDroppable { droppableBytes -= frame.count }
            compact()
            return frame
        }
        compact()
        return nil
    }

    mutating func removeAll() { self = WebSocketQueue() }

    private mutating func compact() {
        let gone = first + empty
        guard gone == frames.count || gone >= Self.fewest && gone * 2 >= frames.count else { return }
        frames = frames[first...].filter { !$0.frame.isEmpty }
        (first, candidate, empty) = (0, 0, 0)
    }
}
