/// A first-in first-out queue of at most `limit` elements. Reaching the limit is the caller's event: `append` answers `false` and keeps what is there.
public struct Ring<Element> {
    private var storage: [Element?] = []
    private var head = 0
    public private(set) var count = 0
    public let limit: Int

    public init(limit: Int) {
        precondition(limit > 0, "a queue without room cannot hold anything")
        self.limit = limit
    }

    public var isEmpty: Bool { count == 0 }
    public var isFull: Bool { count == limit }

    public mutating func append(_ element: Element) -> Bool {
        guard count < limit else { return false }
        if count == storage.count { grow() }
        storage[(head + count) % storage.count] = element
        count += 1
        return true
    }

    public mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = storage[head].take()
        head = (head + 1) % storage.count
        count -= 1
        return element
    }

    public var first: Element? { count > 0 ? storage[head] : nil }
    public var last: Element? { count > 0 ? self[count - 1] : nil }

    /// The element at `index` from the front, 0..<`count`.
    public subscript(index: Int) -> Element {
        get {
            precondition(index >= 0 && index < count, "index outside the queue")
            return storage[(head + index) % storage.count]!
        }
        set {
            precondition(index >= 0 && index < count, "index outside the queue")
            storage[(head + index) % storage.count] = newValue
        }
    }

    public mutating func removeAll() {
        storage.removeAll()
        head = 0
        count = 0
    }

    private mutating func grow() {
        var bigger: [Element?] = []
        let capacity = min(max(8, storage.count * 2), limit)
        bigger.reserveCapacity(capacity)
        for i in 0..<count { bigger.append(storage[(head + i) % storage.count]) }
        bigger.append(contentsOf: repeatElement(nil, count: capacity - count))
        storage = bigger
        head = 0
    }
}

extension Ring: Sendable where Element: Sendable {}
