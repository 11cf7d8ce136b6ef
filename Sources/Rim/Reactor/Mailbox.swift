import Glibc
internal import CLinux

/// The bounded way from another thread to the reactor. Elements are handed over in order, on the reactor's thread.
public final class Mailbox<Element: Sendable>: Sendable {
    private let waiting = Lock<(elements: [Element], refused: Int)>(([], 0))
    private let descriptor: Int32
    private let limit: Int

    public init(limit: Int) throws(SystemError) {
        precondition(limit > 0, "a mailbox without room delivers nothing")
        self.limit = limit
        descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        guard descriptor >= 0 else { throw SystemError("eventfd") }
    }

    deinit { Glibc.close(descriptor) }

    /// From any thread. False: the reader is behind, the element was not taken (and is counted).
    public func put(_ element: Element) -> Bool {
        let outcome = waiting.withLock { box -> (taken: Bool, wasEmpty: Bool) in
            guard box.elements.count < limit else {
                box.refused += 1
                return (false, false)
            }
            box.elements.append(element)
            return (true, box.elements.count == 1)
        }
        if outcome.wasEmpty {
            var one: UInt64 = 1
            _ = unsafe write(descriptor, &one, 8)
        }
        return outcome.taken
    }

    /// Elements not taken since the beginning.
    public var refused: Int { waiting.withLock { $0.refused } }

    /// On the reactor's thread: from now on every element goes to `handle`.
    public func open(on reactor: Reactor, _ handle: @escaping (Element) -> Void) throws(SystemError) {
        try reactor.watch(descriptor) { [self] _, _ in
            var count: UInt64 = 0
            _ = unsafe read(descriptor, &count, 8)
            for element in take() { handle(element) }
        }
    }

    public func close(on reactor: Reactor) { reactor.unwatch(descriptor) }

    private func take() -> [Element] {
        waiting.withLock { box in
            let elements = box.elements
            box.elements.removeAll(keepingCapacity: true)
            return elements
        }
    }
}
