internal import CLinux
import Glibc
import Reactor
import Wire

/// A program that this one has started and speaks with in lines (spec teleop-monitor, section 15): its output comes here, what is sent here is
/// its input, its errors go to the log. It has a process group of its own, no right to capture packets unless it is to keep this process's, and
/// ends with this one.
///
/// Lives on the reactor. To let go of it ends it at once; `stop()` leaves it time.
public final class PluginProcess {
    /// Its name in the configuration.
    public let name: String
    /// Its process, and its process group.
    public let pid: Int32

    private let reactor: Reactor
    private let log: Logger
    private let onErrorLine: ((borrowing LineSplitter.Line) -> Void)?
    private let onEnd: (Int32) -> Void
    private var output: LineReader?
    private var errors: LineReader?
    private var input: LineWriter?
    private let pidDescriptor: Int32
    private var isEnded = false
    private var patience: ReactorTimer?
    private var isTold = false
    /// Lines of its errors in this second.
    private var said: (second: Int64, count: Int) = (0, 0)

    /// Time that it has to end by itself, and then after SIGTERM.
    private static let untilTerm = Duration.seconds(2), untilKill = Duration.seconds(1)
    private static let mostErrorLines = 100

    /// Starts the program (looked for in PATH) with this process' environment and what `environment` adds. Throws when it cannot be run.
    ///
    /// `onLine`, `onErrorLine` (of its errors, in place of the log) and `onEnd` are called on the reactor's thread; `onEnd` once, behind the last
    /// line, with the exit status (128 + the number of the signal that ended it).
    public init(
        name: String, exec arguments: [String], environment: [String: String] = [:], keepsRights: Bool = false, reactor: Reactor,
        log: Logger,
        onLine: @escaping (borrowing LineSplitter.Line) -> Void, onErrorLine: ((borrowing LineSplitter.Line) -> Void)? = nil,
        onEnd: @escaping (_ status: Int32) -> Void
    ) throws(SystemError) {
        let pipes = try Pipes()
        let pid = try Self.spawn(arguments, environment, keepsRights, pipes)
        let pidDescriptor = waldo_pidfd(pid)
        guard pidDescriptor >= 0 else {
            let error = SystemError("pidfd_open", name)
            pipes.closeAll()
            Self.end(pid)
            throw error
        }
        pipes.closeTheChilds()
        (self.name, self.pid, self.reactor, self.onErrorLine, self.onEnd) = (name, pid, reactor, onErrorLine, onEnd)
        self.pidDescriptor = pidDescriptor
        self.log = log.with("plugin", .text(name))
        input = try LineWriter(takingOwnershipOf: pipes.input.write, reactor: reactor)
        output = try LineReader(takingOwnershipOf: pipes.output.read, reactor: reactor, onLine: onLine)
        errors = try LineReader(takingOwnershipOf: pipes.errors.read, reactor: reactor) { [unowned self] line in say(line) }
        try reactor.watch(pidDescriptor) { [unowned self] _, _ in ended() }
        patience = reactor.makeTimer { [unowned self] now in outOfPatience(at: now) }
    }

    deinit {
        reactor.unwatch(pidDescriptor)
        close(pidDescriptor)
        if !isEnded { Self.end(pid) }
    }

    // MARK: Speaking

    /// A line without its end. False: 64 KiB wait to be read, or it reads no more; nothing was taken.
    @discardableResult
    public func send(_ line: Span<UInt8>) -> Bool { input?.write(line) ?? false }

    /// It has two seconds to end by itself, then one after SIGTERM, then SIGKILL ends it. `onEnd` tells.
    public func stop() {
        guard !isEnded, patience?.deadline == nil else { return }
        patience?.deadline = MonotonicClock.now() + Self.untilTerm
    }

    /// Asks it to end (SIGTERM); a second later SIGKILL ends it. `onEnd` tells.
    public func terminate() {
        guard !isEnded, !isTold else { return }
        outOfPatience(at: MonotonicClock.now())
    }

    /// Ends it without waiting (section 15: no hello, too many lines).
    public func kill() { if !isEnded { Glibc.kill(-pid, SIGKILL) } }

    private func outOfPatience(at now: Instant) {
        guard !isEnded else { return }
        Glibc.kill(-pid, isTold ? SIGKILL : SIGTERM)
        if !isTold { patience?.deadline = now + Self.untilKill }
        isTold = true
    }

    private func say(_ line: borrowing LineSplitter.Line) {
        let second = reactor.now.nanoseconds / 1_000_000_000
        said = said.second == second ? (second, said.count + 1) : (second, 1)
        guard said.count <= Self.mostErrorLines else {
            if said.count == Self.mostErrorLines + 1 { log.warning("more than \(Self.mostErrorLines) lines a second are left out") }
            return
        }
        if let onErrorLine { return onErrorLine(line) }
        switch line {
        case .text(let bytes): log.info("it says", ["line": .text(String(decoding: bytes.array, as: UTF8.self))])
        case .tooLong: log.warning("a line over \(LineSplitter.longestLine) bytes is left out")
        }
    }

    // MARK: The end

    private func ended() {
        // Its children end with it: while it is not taken up, its group cannot be another's.
        Glibc.kill(-pid, SIGKILL)
        var status: Int32 = 0
        guard unsafe waldo_reap(pid, &status) != 1 else { return }
        isEnded = true
        reactor.unwatch(pidDescriptor)
        patience?.deadline = nil
        output?.drain()
        errors?.drain()
        input?.close()
        onEnd(status)
    }

    /// Nobody waits for it: at most 50 ms, which a process that was killed does not need.
    private static func end(_ pid: Int32) {
        Glibc.kill(-pid, SIGKILL)
        var status: Int32 = 0
        for _ in 0..<50 {
            if unsafe waldo_reap(pid, &status) != 1 { return }
            usleep(1000)
        }
    }

    // MARK: The start

    private struct Pipes {
        var input: (read: Int32, write: Int32)
        var output: (read: Int32, write: Int32)
        var errors: (read: Int32, write: Int32)

        init() throws(SystemError) {
            input = try Self.make()
            output = try Self.make()
            errors = try Self.make()
        }

        private static func make() throws(SystemError) -> (read: Int32, write: Int32) {
            var ends: [Int32] = [-1, -1]
            guard unsafe pipe(&ends) == 0 else { throw SystemError("pipe") }
            // Between the two calls no other thread of the monitor starts a program; one would only have descriptors too many.
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            return (ends[0], ends[1])
        }

        func closeTheChilds() { for end in [input.read, output.write, errors.write] { close(end) } }
        func closeAll() { for end in [input.read, input.write, output.read, output.write, errors.read, errors.write] { close(end) } }
    }

    private static func spawn(
        _ arguments: [String], _ extra: [String: String], _ keepsRights: Bool, _ pipes: Pipes
    ) throws(SystemError) -> Int32 {
        var own: [String] = []
        var entry = unsafe environ
        while let text = unsafe entry.pointee {
            own.append(unsafe String(cString: text))
            unsafe entry += 1
        }
        let kept = own.filter { text in !extra.keys.contains { text.hasPrefix($0 + "=") } }
        let result = unsafe withStrings(arguments) { arguments in
            unsafe withStrings(kept + extra.map { "\($0)=\($1)" }) { environment in
                unsafe waldo_spawn(arguments, environment, pipes.input.read, pipes.output.write, pipes.errors.write, keepsRights ? 1 : 0)
            }
        }
        guard result > 0 else {
            pipes.closeAll()
            throw SystemError("exec", arguments.first ?? "", code: -result)
        }
        return result
    }

    private static func withStrings<Result>(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        var pointers = unsafe strings.map { unsafe strdup($0) } + [nil]
        defer { unsafe pointers.forEach { unsafe free($0) } }
        return unsafe body(&pointers)
    }
}
