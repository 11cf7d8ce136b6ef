import Glibc
import Wire

/// A thread for work that would hold up a reactor.
public enum WorkerThread {
    private final class Work: Sendable {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) { (self.name, self.body) = (name, body) }
    }

    /// Runs `body` on a new thread, which ends with it. `name`: at most 15 characters.
    public static func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        var thread = pthread_t()
        let context = unsafe Unmanaged.passRetained(Work(name: name, body: body)).toOpaque()
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                let work = unsafe Unmanaged<Work>.fromOpaque(context!).takeRetainedValue()
                Reactor.nameThisThread(work.name)
                work.body()
                return nil
            }, context)
        guard code == 0 else {
            unsafe Unmanaged<Work>.fromOpaque(context).release()
            throw SystemError("pthread_create", name, code: code)
        }
        pthread_detach(thread)
    }

    /// Sleeps until then, on the calling thread: for what keeps a pace of its own.
    public static func sleep(until instant: Instant) {
        var time = timespec(tv_sec: Int(instant.nanoseconds / 1_000_000_000), tv_nsec: Int(instant.nanoseconds % 1_000_000_000))
        _ = unsafe clock_nanosleep(CLOCK_MONOTONIC, Int32(TIMER_ABSTIME), &time, nil)
    }
}
