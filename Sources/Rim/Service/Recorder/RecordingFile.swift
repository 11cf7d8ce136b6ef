import Glibc
import Reactor

/// The files of one recording, one open at a time: `drive.mcap`, `drive-2.mcap`, …. Only whole chunks stay in them.
struct RecordingFile: ~Copyable {
    let path: String
    private let descriptor: Int32
    private(set) var size = 0

    /// A file that was not there before; answers its descriptor.
    static func create(_ path: String) throws(RecorderError) -> Int32 {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            let code = errno
            throw code == EEXIST
                ? .exists(path) : code == ENOSPC ? .diskFull(path: path) : .cannotOpen(SystemError("open", path, code: code))
        }
        return descriptor
    }

    init(_ path: String, takingOwnershipOf descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// All of it, or the file stays as it was.
    mutating func append(_ bytes: [UInt8]) throws(RecorderError) {
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress! + written, bytes.count - written) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let code = errno
                ftruncate(descriptor, size)
                throw code == ENOSPC || code == EDQUOT || count == 0
                    ? .diskFull(path: path) : .cannotWrite(SystemError("write", path, code: code))
            }
            written += count
        }
        size += bytes.count
    }
}

/// The names of the parts, oldest first, and what may stay of them.
struct RecordingParts {
    let path: String
    private var number = 1
    private(set) var finished: [(path: String, size: Int)] = []

    init(path: String) { self.path = path }

    /// Of the part at hand.
    var current: String {
        guard number > 1 else { return path }
        let suffix = ".mcap"
        return path.hasSuffix(suffix) ? "\(path.dropLast(suffix.utf8.count))-\(number)\(suffix)" : "\(path)-\(number)"
    }

    var bytes: Int { finished.map(\.size).reduce(0, +) }

    mutating func next(after size: Int) {
        finished.append((current, size))
        number += 1
    }

    /// Removes the oldest until `room` more bytes fit under the limit; answers how many went.
    mutating func makeRoom(_ room: Int, under limit: Int) -> Int {
        var removed = 0
        while !finished.isEmpty, bytes + room > limit {
            _ = unsafe unlink(finished.removeFirst().path)
            removed += 1
        }
        return removed
    }
}
