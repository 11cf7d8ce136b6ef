import Glibc
import Usage
import Wire

/// Reads of /proc/<pid>, each bounded. A process that has ended meanwhile, or of which nothing may be read, gives nil.
package enum ProcessFiles {
    /// Of an environment that is longer the rest is not looked at.
    static let longestEnvironment = 65_536
    /// Descriptors of one process that are looked at.
    static let mostDescriptors = 16_384

    /// The program's name, at most 15 bytes; control characters removed.
    static func name(of pid: Int32) -> String? {
        read("/proc/\(pid)/comm", limit: 64) { bytes in
            String(decoding: bytes.array.filter { $0 >= 0x20 && $0 != 0x7F }, as: UTF8.self)
        }
    }

    /// `OPERATOR_ID` and `USER`; nil: not readable.
    static func names(in pid: Int32) -> (operatorID: String?, user: String?)? {
        read("/proc/\(pid)/environ", limit: longestEnvironment) { bytes in
            (value(of: "OPERATOR_ID=", in: bytes), value(of: "USER=", in: bytes))
        }
    }

    /// The first entry of that name, at most 64 characters of it without control characters; nil: none, or nothing in it.
    package static func value(of name: StaticString, in environment: Span<UInt8>) -> String? {
        var start = 0
        while start < environment.count {
            var end = start
            while end < environment.count, environment[end] != 0 { end += 1 }
            if begins(environment.extracting(start..<end), with: name) {
                let value = environment.extracting((start + name.utf8CodeUnitCount)..<end)
                let scalars = String(decoding: value.array.prefix(1024), as: UTF8.self).unicodeScalars
                    .filter { $0.properties.generalCategory != .control }
                return scalars.isEmpty ? nil : String(String(String.UnicodeScalarView(scalars)).prefix(64))
            }
            start = end + 1
        }
        return nil
    }

    private static func begins(_ entry: Span<UInt8>, with name: StaticString) -> Bool {
        guard entry.count >= name.utf8CodeUnitCount else { return false }
        for index in 0..<name.utf8CodeUnitCount where unsafe entry[index] != name.utf8Start[index] { return false }
        return true
    }

    /// When a process started, in clock ticks since the machine did: it tells a pid from the same one used again.
    static func startTicks(of pid: Int32) -> UInt64? {
        // The name in parentheses may hold anything: the last of them counts. Field 22 is the 20th behind it.
        read("/proc/\(pid)/stat", limit: 1024) { bytes in
            guard let end = (0..<bytes.count).last(where: { bytes[$0] == UInt8(ascii: ")") }) else { return nil }
            var words = WordReader(bytes.extracting((end + 1)..<bytes.count))
            for _ in 0..<19 where words.word() == nil { return nil }
            return words.word()?.number
        } ?? nil
    }

    /// Whose rights a process has (its effective user). The owner of /proc/<pid> is the super-user where it may not be looked into.
    static func user(of pid: Int32) -> UInt32? {
        read("/proc/\(pid)/status", limit: 2048) { bytes in
            var words = WordReader(bytes)
            guard words.skip(toLine: "Uid:"), words.word() != nil else { return nil }
            return words.word()?.number.flatMap { UInt32(exactly: $0) }
        } ?? nil
    }

    /// Reads at most so many bytes of a file and hands them on.
    static func read<Value>(_ path: String, limit: Int, _ body: (Span<UInt8>) -> Value) -> Value? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return unsafe withUnsafeTemporaryAllocation(byteCount: limit, alignment: 1) { buffer in
            var filled = 0
            while filled < limit {
                let count = unsafe Glibc.read(descriptor, buffer.baseAddress! + filled, limit - filled)
                guard count >= 0 else { return nil }
                if count == 0 { break }
                filled += count
            }
            return unsafe body(Span<UInt8>(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[..<filled])))
        }
    }

    /// The processes that there are.
    static func all() -> [Int32] {
        guard let directory = unsafe opendir("/proc") else { return [] }
        defer { unsafe closedir(directory) }
        var found: [Int32] = []
        while let entry = unsafe readdir(directory) {
            if let pid = unsafe number(&entry.pointee.d_name) { found.append(Int32(truncatingIfNeeded: pid)) }
        }
        return found
    }

    enum Walk { case done, denied, gone, stopped }

    /// Tells the inode of each socket that a process holds; false from `body` ends the walk.
    static func forEachSocket(of pid: Int32, _ body: (UInt64) -> Bool) -> Walk {
        guard let directory = unsafe opendir("/proc/\(pid)/fd") else { return errno == EACCES || errno == EPERM ? .denied : .gone }
        defer { unsafe closedir(directory) }
        let descriptor = unsafe dirfd(directory)
        for _ in 0..<mostDescriptors {
            guard let entry = unsafe readdir(directory) else { return .done }
            guard let inode = unsafe socketInode(at: descriptor, &entry.pointee) else { continue }
            if !body(inode) { return .stopped }
        }
        return .done
    }

    /// The N of `socket:[N]`.
    private static func socketInode(at directory: Int32, _ entry: inout dirent) -> UInt64? {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            let count = unsafe withUnsafePointer(to: &entry.d_name) { name in
                unsafe name.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe readlinkat(directory, $0, buffer.baseAddress!, 63) }
            }
            let prefix: StaticString = "socket:["
            guard count > prefix.utf8CodeUnitCount, unsafe memcmp(buffer.baseAddress!, prefix.utf8Start, prefix.utf8CodeUnitCount) == 0
            else {
                return nil
            }
            var inode: UInt64 = 0
            for index in prefix.utf8CodeUnitCount..<count {
                guard let digit = unsafe digit(buffer[index]) else { break }
                inode = inode &* 10 &+ digit
            }
            return inode
        }
    }

    /// A name of digits only.
    private static func number<Name>(_ name: inout Name) -> UInt64? {
        unsafe withUnsafeBytes(of: &name) { bytes in
            var (value, index) = (UInt64(0), 0)
            while unsafe index < bytes.count && bytes[index] != 0 {
                guard let digit = unsafe digit(CChar(bitPattern: bytes[index])) else { return nil }
                value = value &* 10 &+ digit
                index += 1
            }
            return index > 0 ? value : nil
        }
    }

    private static func digit(_ character: CChar) -> UInt64? { character >= 0x30 && character <= 0x39 ? UInt64(character - 0x30) : nil }
}
