import Glibc
import HTTP
import Reactor

/// An open file, of which a part is sent; closed with the last reference.
public final class FileBody: Sendable {
    private let descriptor: Int32
    /// Bytes of the whole file when it was opened.
    public let size: Int
    /// Seconds since 1970.
    public let modified: Int64
    /// The rest of that second: two versions of one second are told apart by it.
    let nanoseconds: Int
    /// What is to be sent.
    public let range: Range<Int>

    private init(descriptor: Int32, size: Int, modified: Int64, nanoseconds: Int, range: Range<Int>) {
        (self.descriptor, self.size, self.modified, self.nanoseconds, self.range) = (descriptor, size, modified, nanoseconds, range)
    }

    /// Opens a plain file; nil when there is none, or something else.
    public convenience init?(path: String) {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        var information = stat()
        guard unsafe fstat(descriptor, &information) == 0, information.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            return nil
        }
        let size = Int(information.st_size)
        let modified = information.st_mtim
        self.init(descriptor: descriptor, size: size, modified: Int64(modified.tv_sec), nanoseconds: modified.tv_nsec, range: 0..<size)
    }

    /// The same file, another part.
    public func part(_ range: Range<Int>) -> FileBody? {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { return nil }
        return FileBody(descriptor: copy, size: size, modified: modified, nanoseconds: nanoseconds, range: range)
    }

    deinit { close(descriptor) }

    /// Bytes of the file from `offset` on, at most `count`; empty at its end, or when it cannot be read.
    func read(at offset: Int, count: Int) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = max(0, unsafe pread(descriptor, buffer.baseAddress, count, offset))
        }
    }
}
