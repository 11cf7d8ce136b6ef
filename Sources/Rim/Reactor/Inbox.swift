import Glibc
import Wire

/// The bounded way from any thread to a thread that waits for work: an encoder, a recorder. `Mailbox` is the way back to the reactor.
public final class Inbox<Element: Sendable>: Sendable {
    /// What is left out, and counted, when the reader is behind.
    public enum Overflow: Sendable {
        /// What came first: the newest counts.
        case oldest
        /// What comes: what has been taken is kept.
        case newest
    }

    public enum Next {
        case element(Element)
        case nothing
        /// Closed, and all that was taken before has been read.
        case closed
    }

    private struct State: Sendable {
        var elements: [Element] = []
        var leftOut = 0
        var isClosed = false
    }

    private let state = Lock(State())
    private let bell: Bell
    private let limit: Int
    private let overflow: Overflow

    public init(limit: Int, leavesOut overflow: Overflow) throws(SystemError) {
        precondition(limit > 0, "an inbox without room delivers nothing")
        (self.limit, self.overflow) = (limit, overflow)
        bell = try Bell()
    }

    /// False: something was left out. A closed inbox takes nothing, and counts nothing.
    @discardableResult
    public func put(_ element: Element) -> Bool {
        let outcome = state.withLock { state -> (isWhole: Bool, rings: Bool) in
            guard !state.isClosed else { return (false, false) }
            var isWhole = true
            if state.elements.count >= limit {
                state.leftOut += 1
                guard overflow == .oldest else { return (false, false) }
                state.elements.removeFirst()
                isWhole = false
            }
            state.elements.append(element)
            return (isWhole, state.elements.count == 1)
        }
        if outcome.rings { bell.ring() }
        return outcome.isWhole
    }

    /// Elements left out since the beginning.
    public var leftOut: Int { state.withLock { $0.leftOut } }
    public var count: Int { state.withLock { $0.elements.count } }

    /// What has been taken may still be read.
    public func close() {
        state.withLock { $0.isClosed = true }
        bell.ring()
    }

    /// Waits on the reading thread for an element, at most until `deadline` (nil: for ever).
    public func next(until deadline: Instant? = nil) -> Next {
        while true {
            let found = state.withLock { state -> Next? in
                if !state.elements.isEmpty { return .element(state.elements.removeFirst()) }
                return state.isClosed ? .closed : nil
            }
            if let found { return found }
            if let deadline, MonotonicClock.now() >= deadline { return .nothing }
            wait(until: deadline)
        }
    }

    private func wait(until deadline: Instant?) {
        var request = pollfd(fd: bell.descriptor, events: Int16(POLLIN), revents: 0)
        let left = deadline.map { max(0, ($0 - MonotonicClock.now()).nanoseconds + 999_999) / 1_000_000 } ?? -1
        _ = unsafe poll(&request, 1, Int32(clamping: left))
        bell.silence()
    }
}
