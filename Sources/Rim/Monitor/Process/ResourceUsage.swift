internal import CLinux
import Glibc
import Reactor
import Wire

/// What this process uses of the machine (spec teleop-monitor 10: `cpu_usage_pct`, `memory_usage_mb`).
public final class ResourceUsage {
    /// What was used up to one moment.
    public struct Sample: Sendable, Equatable {
        /// Of all threads, user and system, since the process started.
        public var processorTime: Duration
        /// Bytes of memory in use (VmRSS).
        public var residentBytes: Int
    }

    private let descriptor: Int32
    private let pageSize = sysconf(Int32(_SC_PAGESIZE))

    public init() { descriptor = unsafe open("/proc/self/statm", O_RDONLY | O_CLOEXEC) }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Two system calls and no allocation.
    public func sample() -> Sample {
        var time = timespec()
        unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Sample(
            processorTime: Duration(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)),
            residentBytes: residentPages() * Int(pageSize))
    }

    /// Gives back memory that is free, and lets go of the pages of the program's file: what is needed of them comes again from the page cache, and
    /// that is half of what start and rare occasions have left there. Some ten microseconds, and a hundred page faults.
    public static func letGo() {
        giveBackFreedMemory()
        waldo_release_program()
    }

    /// The second number of the line.
    private func residentPages() -> Int {
        unsafe withUnsafeTemporaryAllocation(byteCount: 128, alignment: 1) { buffer in
            let count = unsafe pread(descriptor, buffer.baseAddress!, buffer.count, 0)
            guard count > 0 else { return 0 }
            var words = unsafe WordReader(Span<UInt8>(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[..<count])))
            _ = words.word()
            return Int(clamping: words.word()?.number ?? 0)
        }
    }
}
