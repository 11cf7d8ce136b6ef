import Glibc
import Reactor
import Synchronization
import Usage
import Wire

/// The monitor's side of `SessionSegment`: looks for programs that tell of their sessions, and reads what is new.
///
/// Nothing is mapped: whoever made an object could make it shorter, and a mapping would end this process then. What is read is copied by the
/// kernel, twice eight bytes a second while nothing changes.
public final class SessionReader {
    /// What a program tells, as long as it lives.
    public struct Program: Sendable, Equatable {
        /// The process that tells.
        public var pid: Int32
        /// What it told last.
        public var list: SessionList

        public init(pid: Int32, list: SessionList) { (self.pid, self.list) = (pid, list) }
    }

    private struct Attached {
        var descriptor: Int32
        var sequence: UInt64?
        var list: SessionList?
    }

    private let namespace: String
    private let log: RareLogger
    private var attached: [Int32: Attached] = [:]
    /// Objects that are none: not looked at again while their process lives.
    private var refused: Set<Int32> = []

    private static let mostPrograms = 32
    private static let mostEntries = 4096

    public init(namespace: String = "teleoperation", log: Logger) {
        self.namespace = namespace
        self.log = RareLogger(log)
    }

    deinit { for entry in attached.values { close(entry.descriptor) } }

    /// To be called once a second. Nil: nothing has changed since the last call; else all programs and their sessions, by pid.
    public func poll() -> [Program]? {
        var changed = lookAround()
        for pid in attached.keys where readIfNew(pid) { changed = true }
        guard changed else { return nil }
        return attached.sorted { $0.key < $1.key }.compactMap { pid, entry in entry.list.map { Program(pid: pid, list: $0) } }
    }

    // MARK: Who is there

    /// True: a program has gone.
    private func lookAround() -> Bool {
        let pids = Self.pids(namespace)
        var changed = false
        for (pid, entry) in attached where !pids.contains(pid) || Self.isDead(pid) || Self.isUnlinked(entry.descriptor) {
            close(entry.descriptor)
            attached[pid] = nil
            changed = changed || entry.list != nil
        }
        refused.formIntersection(pids)
        for pid in pids where attached[pid] == nil && !refused.contains(pid) && attached.count < Self.mostPrograms && !Self.isDead(pid) {
            if let descriptor = attach(pid) { attached[pid] = Attached(descriptor: descriptor) } else { refused.insert(pid) }
        }
        return changed
    }

    private static func isDead(_ pid: Int32) -> Bool { kill(pid, 0) != 0 && errno == ESRCH }

    /// Its name is gone, or is another object's: a program may tell anew within a second, and of two programs with one pid, too.
    private static func isUnlinked(_ descriptor: Int32) -> Bool {
        var status = stat()
        return unsafe fstat(descriptor, &status) != 0 || status.st_nlink == 0
    }

    /// The pids in the names of objects that are there.
    static func pids(_ namespace: String) -> Set<Int32> {
        guard let directory = unsafe opendir(SharedOwner.folder) else { return [] }
        defer { unsafe closedir(directory) }
        var found: Set<Int32> = []
        let prefix = SessionSegment.prefix(namespace)
        for _ in 0..<mostEntries {
            guard let entry = unsafe readdir(directory) else { break }
            let name: String? = unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
                unsafe name.withMemoryRebound(to: CChar.self, capacity: 256) { name in
                    unsafe strncmp(name, prefix, prefix.utf8.count) == 0 ? String(cString: name) : nil
                }
            }
            guard let name, let pid = Int32(name.dropFirst(prefix.count)), pid > 0 else { continue }
            found.insert(pid)
        }
        return found
    }

    /// Opens the object of a living process; nil, with a line in the log: it is none.
    private func attach(_ pid: Int32) -> Int32? {
        let name = SessionSegment.name(namespace, pid)
        let descriptor = unsafe open(SharedOwner.folder + name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        if let fault = Self.fault(descriptor, pid) {
            close(descriptor)
            log.warning("a sessions object is left aside", ["name": .text(name), "reason": .text(fault)])
            return nil
        }
        return descriptor
    }

    private static func fault(_ descriptor: Int32, _ pid: Int32) -> String? {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return "no file" }
        guard status.st_size == SessionsLayout.size else { return "expected \(SessionsLayout.size) bytes, got \(status.st_size)" }
        var head = [UInt8](repeating: 0, count: SessionsLayout.bodyOffset)
        guard unsafe pread(descriptor, &head, head.count, 0) == head.count else { return "cannot be read" }
        var reader = ByteReader(head.span)
        guard reader.u32() == SessionsLayout.magic, reader.u32() == SessionsLayout.version else { return "wrong magic or version" }
        guard let created = reader.u64(), reader.u64() == UInt64(pid) else { return "another pid" }
        guard SharedOwner.mayBeOf(pid, status) else { return "made by another user" }
        guard SharedOwner.isOwner(pid, created: created, inode: UInt64(status.st_ino)) else { return "its process is gone" }
        return nil
    }

    // MARK: What they tell

    /// True: something else than before.
    private func readIfNew(_ pid: Int32) -> Bool {
        guard let entry = attached[pid], let sequence = Self.sequence(entry.descriptor), sequence % 2 == 0, sequence != entry.sequence
        else {
            return false
        }
        guard let body = Self.body(entry.descriptor, sequence) else { return false }
        attached[pid]?.sequence = sequence
        do {
            let list = try SessionsLayout.sessions(of: body.span)
            attached[pid]?.list = list
            return list != entry.list
        } catch {
            log.warning("what a program tells of its sessions cannot be read", ["pid": .integer(Int64(pid)), "reason": LogValue(error)])
            attached[pid]?.list = nil
            return entry.list != nil
        }
    }

    private static func sequence(_ descriptor: Int32) -> UInt64? {
        var word: UInt64 = 0
        return unsafe pread(descriptor, &word, 8, off_t(SessionsLayout.sequenceOffset)) == 8 ? UInt64(bigEndian: word) : nil
    }

    /// Nil: written meanwhile, and read at the next call.
    private static func body(_ descriptor: Int32, _ sequence: UInt64) -> [UInt8]? {
        let size = SessionsLayout.size - SessionsLayout.bodyOffset
        var isWhole = false
        atomicMemoryFence(ordering: .acquiring)
        let body = unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            count = unsafe max(0, pread(descriptor, buffer.baseAddress!, size, off_t(SessionsLayout.bodyOffset)))
            atomicMemoryFence(ordering: .acquiring)
            isWhole = count == size && Self.sequence(descriptor) == sequence
        }
        return isWhole ? body : nil
    }
}
