internal import CLinux
import Glibc
import Reactor
import Usage
import Wire

/// Makes and removes shared memory objects, and finds out whether the one that is there belongs to a living process.
enum SharedOwner {
    /// Where the C library's `shm_open` has them.
    static let folder = "/dev/shm/"

    /// An object with `header` at its start, zeros behind, readable by all. It appears whole, with its header. One that a dead process left is
    /// replaced.
    static func create(_ name: String, namespace: String, size: Int, header: [UInt8]) throws(SharedMemoryError) -> (
        SharedObject, inode: UInt64
    ) {
        let descriptor = unsafe waldo_unnamed_file(folder, 0o644)
        guard descriptor >= 0 else { throw .system(SystemError("open", folder)) }
        defer { close(descriptor) }
        var status = stat()
        // The process' umask does not count.
        guard fchmod(descriptor, 0o644) == 0, unsafe fstat(descriptor, &status) == 0 else { throw .system(SystemError("fchmod", name)) }
        // All of its pages now: one that the folder has no room for when it is first written to ends the process (SIGBUS).
        let code = posix_fallocate(descriptor, 0, size)
        guard code == 0 else { throw .system(SystemError("posix_fallocate", name, code: code)) }
        let object = try map(descriptor, name, size, writes: true)
        object.store(header.span, at: 0)
        for _ in 0..<16 {
            if unsafe linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", AT_FDCWD, folder + name, AT_SYMLINK_FOLLOW) == 0 {
                return (object, UInt64(status.st_ino))
            }
            guard errno == EEXIST else { throw .system(SystemError("linkat", name)) }
            try removeDead(name, namespace: namespace)
        }
        throw .system(SystemError("linkat", name, code: EEXIST))
    }

    private static func map(_ descriptor: Int32, _ name: String, _ size: Int, writes: Bool) throws(SharedMemoryError) -> SharedObject {
        do throws(SystemError) {
            return try SharedObject(mapping: descriptor, name: name, size: size, writes: writes)
        } catch { throw .system(error) }
    }

    /// Removes the object unless a living process owns it.
    static func removeDead(_ name: String, namespace: String) throws(SharedMemoryError) {
        let descriptor = unsafe open(folder + name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else {
            if errno == ENOENT { return }
            throw .system(SystemError("open", folder + name))
        }
        defer { close(descriptor) }
        // Of two that find it dead, the second must not remove what the first then makes. Anybody who may read could hold this lock: no waiting.
        for _ in 0..<20 where flock(descriptor, LOCK_EX | LOCK_NB) != 0 { usleep(1000) }
        var opened = stat(), there = stat()
        guard unsafe fstat(descriptor, &opened) == 0, unsafe lstat(folder + name, &there) == 0, opened.st_ino == there.st_ino else {
            return
        }
        if let pid = livingOwner(descriptor, opened) { throw .inUse(namespace: namespace, pid: pid) }
        guard unsafe unlink(folder + name) == 0 || errno == ENOENT else { throw .system(SystemError("unlink", folder + name)) }
    }

    /// Removes the object if it is still this one.
    static func remove(_ name: String, inode: UInt64) {
        var there = stat()
        guard unsafe lstat(folder + name, &there) == 0, UInt64(there.st_ino) == inode else { return }
        _ = unsafe unlink(folder + name)
    }

    // MARK: Whose it is

    /// The pid at offset 16, if its process lives and is the one that wrote it. Both objects of the monitor that carry none belong to nobody.
    private static func livingOwner(_ descriptor: Int32, _ status: stat) -> Int32? {
        var head = [UInt8](repeating: 0, count: 24)
        guard unsafe pread(descriptor, &head, 24, 0) == 24 else { return nil }
        guard [MainLayout.magic, SessionsLayout.magic].contains(head.span.u32(at: 0)) else { return nil }
        let creation = UInt64(head.span.u32(at: 8)) << 32 | UInt64(head.span.u32(at: 12))
        let pid = UInt64(head.span.u32(at: 16)) << 32 | UInt64(head.span.u32(at: 20))
        guard let pid = Int32(exactly: pid), mayBeOf(pid, status), isOwner(pid, created: creation, inode: UInt64(status.st_ino)) else {
            return nil
        }
        return pid
    }

    /// Only a process itself may speak for it, and the super-user: else any user could keep the monitor from starting in another's name. A process
    /// whose user may not be asked for gets the benefit of the doubt.
    static func mayBeOf(_ pid: Int32, _ status: stat) -> Bool {
        status.st_uid == 0 || ProcessFiles.user(of: pid).map { status.st_uid == $0 } ?? true
    }

    /// Whether a process lives that may have made an object then, in whole seconds since 1970.
    static func isOwner(_ pid: Int32, created: UInt64, inode: UInt64) -> Bool {
        guard pid > 0, kill(pid, 0) == 0 || errno == EPERM else { return false }
        guard let start = startTime(of: pid), start > created &+ 2 else { return true }
        // Begun later, by the clock: the pid was used again, or the clock was set forward meanwhile, as on computers that know no time when
        // they start. Whether it has the object mapped decides then.
        return hasMapped(pid, inode: inode)
    }

    /// Whole seconds since 1970, by what the clock says now.
    private static func startTime(of pid: Int32) -> UInt64? {
        guard let ticks = ProcessFiles.startTicks(of: pid) else { return nil }
        let frequency = max(1, sysconf(Int32(_SC_CLK_TCK)))
        var sinceBoot = timespec()
        unsafe clock_gettime(CLOCK_BOOTTIME, &sinceBoot)
        let age = Int64(sinceBoot.tv_sec) - Int64(clamping: ticks) / Int64(frequency)
        return UInt64(clamping: MonotonicClock.unixSeconds() - max(0, age))
    }

    private static func hasMapped(_ pid: Int32, inode: UInt64) -> Bool {
        guard let file = unsafe fopen("/proc/\(pid)/maps", "re") else { return false }
        defer { unsafe fclose(file) }
        let wanted = " \(inode) "
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { line in
            for _ in 0..<65_536 {
                guard unsafe fgets(line.baseAddress!, 1024, file) != nil else { return false }
                if unsafe strstr(line.baseAddress!, wanted) != nil, unsafe strstr(line.baseAddress!, folder) != nil { return true }
            }
            return false
        }
    }

    // MARK: Attaching

    /// Maps an object read-only. `size` nil: any that holds a telemetry ring.
    static func attach(_ name: String, size: Int?) throws(SharedMemoryError) -> (SharedObject, status: stat) {
        let descriptor = unsafe open(folder + name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { throw errno == ENOENT ? .absent(name: name) : .system(SystemError("open", folder + name)) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw .system(SystemError("fstat", name)) }
        let length = Int(status.st_size)
        guard status.st_mode & S_IFMT == S_IFREG, length == size ?? length, (TelemetryRing.headerSize + 1...1 << 21).contains(length) else {
            throw .foreign(name: name, expected: "\(size.map(String.init) ?? "some") bytes", got: "\(length)")
        }
        return (try map(descriptor, name, length, writes: false), status)
    }

    /// Checks what an attached object is.
    static func check(_ object: SharedObject, magic: UInt32, version: UInt32) throws(SharedMemoryError) {
        let (foundMagic, foundVersion) = (object.word(at: 0), object.word(at: 4))
        guard foundMagic == magic else {
            throw .foreign(name: object.name, expected: "magic " + String(magic, radix: 16), got: String(foundMagic, radix: 16))
        }
        guard foundVersion == version else { throw .foreign(name: object.name, expected: "version \(version)", got: "\(foundVersion)") }
    }
}
