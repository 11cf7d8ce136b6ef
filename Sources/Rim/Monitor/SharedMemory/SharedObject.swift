import Glibc
import Reactor
import Synchronization
import Usage
import Wire

/// Why a shared object cannot be used.
public enum SharedMemoryError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Not as `MonitorConfiguration.namespaceRule` says.
    case namespace(String)
    /// A living process has it.
    case inUse(namespace: String, pid: Int32)
    /// Nobody made it.
    case absent(name: String)
    /// Something else lies there: what was expected, what came.
    case foreign(name: String, expected: String, got: String)
    /// Every try to read met the writer.
    case unavailable(name: String)
    case closed
    case system(SystemError)

    public var description: String {
        switch self {
        case .namespace(let name): "shared memory namespace: expected \(MonitorConfiguration.namespaceRule), got \(name.prefix(80))"
        case .inUse(let namespace, let pid): "Shared memory namespace \(namespace) is in use by pid \(pid)"
        case .absent(let name): "there is no shared memory object \(name): is the monitor running, and with shared memory?"
        case .foreign(let name, let expected, let got):
            "the shared memory object \(name) is none of the monitor's: expected \(expected), got \(got)"
        case .unavailable(let name): "the shared memory object \(name) was being written at every try"
        case .closed: "the shared memory is closed"
        case .system(let error): "\(error)"
        }
    }
}

/// A POSIX shared memory object in this process' memory. Every access to its bytes is atomic, as other processes have them, too.
@safe public final class SharedObject: SharedBytes {
    /// Its name without a slash.
    public let name: String
    /// Bytes.
    public let size: Int

    private let base: UnsafeMutableRawPointer

    /// Maps what the descriptor is open for; the descriptor stays the caller's.
    init(mapping descriptor: Int32, name: String, size: Int, writes: Bool) throws(SystemError) {
        let protection = writes ? PROT_READ | PROT_WRITE : PROT_READ
        let mapped = unsafe mmap(nil, size, protection, MAP_SHARED, descriptor, 0)
        guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else { throw SystemError("mmap", name) }
        unsafe base = mapped
        (self.name, self.size) = (name, size)
    }

    deinit { unsafe munmap(base, size) }

    // MARK: Access

    /// A byte, 0..<`size`; a place outside traps, as only this module asks.
    public func byte(at offset: Int) -> UInt8 { unsafe atomic(offset, UInt8.self).pointee.load(ordering: .relaxed) }
    /// The same, stored; of an object attached read-only the process would end.
    public func setByte(_ value: UInt8, at offset: Int) { unsafe atomic(offset, UInt8.self).pointee.store(value, ordering: .relaxed) }
    func word(at offset: Int) -> UInt32 { unsafe UInt32(bigEndian: atomic(offset, UInt32.self).pointee.load(ordering: .acquiring)) }
    /// Big-endian, behind all that was stored before; `offset` is a multiple of 4.
    public func setWord(_ value: UInt32, at offset: Int) {
        unsafe atomic(offset, UInt32.self).pointee.store(value.bigEndian, ordering: .releasing)
    }
    func long(at offset: Int) -> UInt64 { unsafe UInt64(bigEndian: atomic(offset, UInt64.self).pointee.load(ordering: .acquiring)) }
    func setLong(_ value: UInt64, at offset: Int) {
        unsafe atomic(offset, UInt64.self).pointee.store(value.bigEndian, ordering: .releasing)
    }
    /// Orders what was stored or loaded before against what comes behind.
    public func fence() { atomicMemoryFence(ordering: .acquiringAndReleasing) }

    private func atomic<Value>(_ offset: Int, _ type: Value.Type) -> UnsafeMutablePointer<Atomic<Value>> {
        precondition(offset >= 0 && offset + MemoryLayout<Value>.size <= size, "outside the object")
        return unsafe (base + offset).assumingMemoryBound(to: Atomic<Value>.self)
    }

    /// Stores bytes, eight at a time where they lie so.
    func store(_ bytes: Span<UInt8>, at offset: Int) {
        var index = 0
        while index < bytes.count {
            if (offset + index) % 8 == 0, bytes.count - index >= 8 {
                let value = UInt64(bytes.u32(at: index)) << 32 | UInt64(bytes.u32(at: index + 4))
                unsafe atomic(offset + index, UInt64.self).pointee.store(value.bigEndian, ordering: .relaxed)
                index += 8
            } else {
                setByte(bytes[index], at: offset + index)
                index += 1
            }
        }
    }

    /// Copies bytes out.
    func load(_ range: Range<Int>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        var offset = range.lowerBound
        while offset < range.upperBound {
            if offset % 8 == 0, range.upperBound - offset >= 8 {
                let value = unsafe UInt64(bigEndian: atomic(offset, UInt64.self).pointee.load(ordering: .relaxed))
                bytes.append(u32: UInt32(truncatingIfNeeded: value >> 32))
                bytes.append(u32: UInt32(truncatingIfNeeded: value))
                offset += 8
            } else {
                bytes.append(byte(at: offset))
                offset += 1
            }
        }
        return bytes
    }

    // MARK: The sequence rule of section 12

    /// Makes the sequence odd, writes, makes it even. One writer.
    func write(sequenceAt place: Int, at offset: Int, _ body: Span<UInt8>) {
        let before = long(at: place)
        let during = before % 2 == 0 ? before &+ 1 : before &+ 2
        setLong(during, at: place)
        atomicMemoryFence(ordering: .releasing)
        store(body, at: offset)
        setLong(during &+ 1, at: place)
    }

    /// How often a reader tries.
    static let tries = 1000

    /// A copy of `range` that no write cut through, and the sequence then; nil: the writer was in the way at every try.
    func read(sequenceAt place: Int, _ range: Range<Int>) -> (bytes: [UInt8], sequence: UInt64)? {
        for _ in 0..<Self.tries {
            let before = long(at: place)
            guard before % 2 == 0 else {
                sched_yield()
                continue
            }
            let bytes = load(range)
            atomicMemoryFence(ordering: .acquiring)
            if long(at: place) == before { return (bytes, before) }
        }
        return nil
    }
}
