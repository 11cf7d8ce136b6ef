/// A first-in first-out queue of at most `limit` elements. Reaching the limit is the caller's event: `append` answers `false` and keeps what is there.
public struct Ring<Element> {
    // Inlinable throughout: made elsewhere for its element, or every access would ask the runtime what an element is.
    @usableFromInline var storage: [Element?] = []
    @usableFromInline var head = 0
    @usableFromInline var filled = 0
    public let limit: Int

    @inlinable public init(limit: Int) {
        precondition(limit > 0, "a queue without room cannot hold anything")
        self.limit = limit
    }

    @inlinable public var count: Int { filled }
    @inlinable public var isEmpty: Bool { count == 0 }
    @inlinable public var isFull: Bool { count == limit }

    @inlinable public mutating func append(_ element: consuming Element) -> Bool {
        guard count < limit else { return false }
        if filled == storage.count { grow() }
        storage[place(of: filled)] = element
        filled += 1
        return true
    }

    @inlinable public mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = storage[head].take()
        head = place(of: 1)
        filled -= 1
        return element
    }

    @inlinable public var first: Element? { count > 0 ? storage[head] : nil }
    @inlinable public var last: Element? { count > 0 ? self[count - 1] : nil }

    /// The element at `index` from the front, 0..<`count`.
    @inlinable public subscript(index: Int) -> Element {
        get {
            precondition(index >= 0 && index < count, "index outside the queue")
            return storage[place(of: index)]!
        }
        _modify {
            precondition(index >= 0 && index < count, "index outside the queue")
            yield &storage[place(of: index)]!
        }
    }

    @inlinable public mutating func removeAll() {
        storage.removeAll()
        head = 0
        filled = 0
    }

    /// Where the element at `index` from the front lies, 0...`storage.count`.
    @inlinable func place(of index: Int) -> Int {
        let place = head + index
        return place < storage.count ? place : place - storage.count
    }

    @usableFromInline mutating func grow() {
        var bigger: [Element?] = []
        let capacity = min(max(8, storage.count * 2), limit)
        bigger.reserveCapacity(capacity)
        for i in 0..<count { bigger.append(storage[place(of: i)]) }
        bigger.append(contentsOf: repeatElement(nil, count: capacity - count))
        storage = bigger
        head = 0
    }
}

extension Ring: Sendable where Element: Sendable {}
