import Wire

/// Counts the messages of one direction of somebody else's ZMTP connection, from segments of which only the begin was captured (section 8.2).
///
/// Bodies are passed over by their lengths. Where the head of a frame is not to be seen - it lies beyond what was captured, or in a segment
/// that was missed - the place is lost for good, and the caller counts segments instead.
struct ZMTPFollower: Sendable {
    struct Progress: Sendable, Equatable {
        /// Messages that ended in the segment.
        var ended = 0
        /// A message began in what was captured.
        var hasBegin = false
    }

    private enum Place: Sendable, Equatable {
        case greeting(left: Int)
        case head
        case body(ZMTPFrame, left: Int)
    }

    private var place = Place.greeting(left: ZMTPGreeting.size)
    private var isFirstPart = true
    /// A frame's head that was cut by the end of a segment.
    private var head: [UInt8] = []
    /// `PUB`, `REQ`, …, as the sender's READY said it; nil: not seen.
    private(set) var socketType: String?

    /// Passes over bytes of which nothing was captured. False: more than a body.
    mutating func skip(_ count: Int) -> Bool {
        guard count > 0 else { return true }
        guard case .body(let frame, let left) = place, count < left else { return false }
        place = .body(frame, left: left - count)
        return true
    }

    /// Takes a segment of `length` bytes, of which `captured` are here. Nil: the place is lost.
    mutating func take(_ captured: Span<UInt8>, length: Int) -> Progress? {
        var progress = Progress(), at = 0
        while at < length {
            switch place {
            case .greeting(let left):
                if left == ZMTPGreeting.size, captured.count >= 11, ZMTPGreeting.objection(captured.extracting(0..<11)) != nil {
                    return nil
                }
                let count = min(left, length - at)
                at += count
                place = left == count ? .head : .greeting(left: left - count)
            case .head:
                guard at < captured.count else { return nil }
                do throws(ZMTPError) {
                    if let frame = try parseHead(captured, &at) {
                        if !frame.isCommand, isFirstPart { progress.hasBegin = true }
                        if frame.isCommand { readCommand(captured, at, frame.length) }
                        place = .body(frame, left: frame.length)
                        if frame.length == 0 { end(frame, &progress) }
                    } else if at < length {
                        return nil
                    }
                } catch { return nil }
            case .body(let frame, let left):
                let count = min(left, length - at)
                at += count
                place = .body(frame, left: left - count)
                if left == count { end(frame, &progress) }
            }
        }
        return progress
    }

    private mutating func parseHead(_ captured: Span<UInt8>, _ at: inout Int) throws(ZMTPError) -> ZMTPFrame? {
        while at < captured.count {
            head.append(captured[at])
            at += 1
            if let frame = try ZMTPFrame.parse(head.span) {
                head.removeAll(keepingCapacity: true)
                return frame
            }
        }
        return nil
    }

    private mutating func end(_ frame: ZMTPFrame, _ progress: inout Progress) {
        place = .head
        guard !frame.isCommand else { return }
        isFirstPart = !frame.hasMore
        if !frame.hasMore { progress.ended += 1 }
    }

    private mutating func readCommand(_ captured: Span<UInt8>, _ start: Int, _ length: Int) {
        guard socketType == nil, start + length <= captured.count else { return }
        let body = captured.extracting(start..<(start + length))
        guard let (name, data) = ZMTPCommand.parse(body), name == "READY" else { return }
        socketType = try? ZMTPCommand.socketType(body.extracting(data..<body.count))
    }
}
