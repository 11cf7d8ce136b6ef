import Glibc
import Reactor
import Recording

/// Reads recordings from the disk.
public enum RecordingReplay {
    /// A file that was looked through.
    public struct File: Sendable {
        public var path: String
        public var bytes: Int
        /// It has its footer: nobody killed its writer.
        public var isComplete: Bool
    }

    public enum Failure: Error, Sendable, CustomStringConvertible {
        case cannotRead(SystemError)
        case notARecording(path: String, MCAPError)

        public var description: String {
            switch self {
            case .cannotRead(let error): "cannot read the recording: \(error)"
            case .notARecording(let path, let error): "\(path) is no recording: \(error)"
            }
        }
    }

    /// What the files show, read one after the other as parts of one recording.
    public static func summarise(_ paths: [String]) throws(Failure) -> (summary: ReplaySummary, files: [File]) {
        var summary = ReplaySummary()
        var files: [File] = []
        for path in paths {
            let file = try read(path) { reader, record in
                switch record {
                case .message(let message): if let channel = reader.channels[message.channel] { summary.add(message, on: channel) }
                case .damaged(let error, let offset): summary.add(error, offset: offset)
                default: break
                }
                return true
            }
            files.append(file)
        }
        return (summary, files)
    }

    /// Hands over every record, until `take` answers false.
    static func read(_ path: String, _ take: (borrowing MCAPReader, MCAPRecord) -> Bool) throws(Failure) -> File {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .cannotRead(SystemError("open", path)) }
        defer { close(descriptor) }
        var reader = MCAPReader()
        var piece = [UInt8](repeating: 0, count: 1 << 20)
        var file = File(path: path, bytes: 0, isComplete: false)
        while true {
            let count = unsafe Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .cannotRead(SystemError("read", path)) }
            guard count > 0 else { break }
            file.bytes += count
            reader.feed(piece.span.extracting(0..<count))
            do throws(MCAPError) {
                while let record = try reader.next() {
                    guard take(reader, record) else { return file }
                }
            } catch { throw .notARecording(path: path, error) }
        }
        file.isComplete = reader.isComplete
        // A file that is shorter than its first eight bytes has not been told from others yet.
        if file.bytes < 8 { throw .notARecording(path: path, .notMCAP) }
        return file
    }
}
