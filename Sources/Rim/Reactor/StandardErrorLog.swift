import Glibc
public import Wire

/// Lines on standard error, or on another descriptor, that never wait: when whoever reads is behind, lines are dropped and counted, and the
/// count is said by the first line for which there is room again.
public final class StandardErrorLog: LogSink {
    private let format: LogFormat
    private let descriptor: Int32
    private let state: Lock<State>

    private struct State: Sendable {
        /// Opened for the first line.
        var door: LineDoor?
        /// The rest of a line of which the beginning went out.
        var rest: [UInt8] = []
        var dropped = 0
        /// In a row, for the line that says it.
        var unsaid = 0
    }

    /// `descriptor` stays its owner's.
    public init(_ format: LogFormat = LogFormat(), descriptor: Int32 = 2) {
        (self.format, self.descriptor) = (format, descriptor)
        state = Lock(State())
    }

    deinit { state.withLock { $0.door?.close() } }

    /// Lines that were dropped since the beginning.
    public var dropped: Int { state.withLock { $0.dropped } }

    public func log(_ record: LogRecord) {
        var line: [UInt8] = []
        line.reserveCapacity(256)
        format.write(record, to: &line)
        state.withLock { state in
            if state.door == nil { state.door = LineDoor(descriptor) }
            if !state.rest.isEmpty { state.rest.removeFirst(state.door?.write(state.rest.span) ?? 0) }
            if state.rest.isEmpty, state.unsaid > 0 { put(apology(state.unsaid, record.time), &state) { $0.unsaid = 0 } }
            guard state.rest.isEmpty, state.unsaid == 0, put(line, &state) else {
                state.dropped += 1
                state.unsaid += 1
                return
            }
        }
    }

    /// False: not even its beginning went out.
    @discardableResult
    private func put(_ line: [UInt8], _ state: inout State, then: (inout State) -> Void = { _ in }) -> Bool {
        let written = state.door?.write(line.span) ?? 0
        guard written > 0 else { return false }
        if written < line.count { state.rest = Array(line[written...]) }
        then(&state)
        return true
    }

    private func apology(_ count: Int, _ time: Int64) -> [UInt8] {
        var line: [UInt8] = []
        let fields: LogFields = ["lines": LogValue(count)]
        format.write(LogRecord(time: time, level: .warning, subject: "log", message: "lines were dropped here", fields: fields), to: &line)
        return line
    }
}

/// A descriptor written to without waiting, although it itself may wait: the flag that says so belongs to all who share the open file,
/// the shell and other programs too, and is not ours to set.
private struct LineDoor: Sendable {
    private enum Kind {
        /// Plain files do not keep a writer waiting for a reader.
        case file
        case socket
        /// Opened again for ourselves, without waiting.
        case own(Int32)
        /// A pipe or terminal that could not be opened again: a pipe that is writable at all takes 4096 bytes.
        case shared
    }

    private let descriptor: Int32
    private var kind: Kind
    private static let most = 4096

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        var information = stat()
        guard unsafe fstat(descriptor, &information) == 0 else {
            kind = .shared
            return
        }
        switch information.st_mode & S_IFMT {
        case S_IFREG: kind = .file
        case S_IFSOCK: kind = .socket
        default:
            let opened = unsafe open("/proc/self/fd/\(descriptor)", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
            kind = opened >= 0 ? .own(opened) : .shared
        }
    }

    func close() { if case .own(let opened) = kind { Glibc.close(opened) } }

    /// How many bytes were taken. What can never be written is taken as written, so that nothing is kept for it.
    func write(_ bytes: Span<UInt8>) -> Int {
        unsafe bytes.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return 0 }
            let count =
                switch kind {
                case .file: unsafe Glibc.write(descriptor, start, bytes.count)
                case .socket: unsafe send(descriptor, start, bytes.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
                case .own(let opened): unsafe Glibc.write(opened, start, bytes.count)
                case .shared: isWritable ? unsafe Glibc.write(descriptor, start, min(bytes.count, Self.most)) : 0
                }
            guard count < 0 else { return count }
            return errno == EAGAIN || errno == EINTR ? 0 : bytes.count
        }
    }

    private var isWritable: Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return unsafe poll(&entry, 1, 0) > 0
    }
}
