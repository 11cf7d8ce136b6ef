import Glibc

/// Ctrl+C, SIGTERM and the end of the terminal (SIGHUP), waited for in one place.
struct EndSignals {
    private var signals = sigset_t()

    /// To be made before any thread is, so that all inherit the mask and only `wait` gets the signals. `hangup`: SIGHUP is waited for in any
    /// case, as it says something else; else only where it is not ignored, as `nohup` has it.
    init(hangup: Bool = false) {
        unsafe sigemptyset(&signals)
        if hangup || !Self.ignoresHangup() { unsafe sigaddset(&signals, SIGHUP) }
        unsafe sigaddset(&signals, SIGINT)
        unsafe sigaddset(&signals, SIGTERM)
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    private static func ignoresHangup() -> Bool {
        var action = sigaction()
        unsafe sigaction(SIGHUP, nil, &action)
        return unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// Waits for one of them, then for `stop`, at most `patience` seconds, and ends the program. `again`: the status with which a second one
    /// ends it at once. `onHangup`: called at each SIGHUP, which then ends nothing.
    mutating func wait(
        patience: UInt32 = 5, again: Int32? = nil, onHangup: (() -> Void)? = nil, _ stop: @escaping @Sendable () async -> Void
    ) -> Never {
        var received: Int32 = 0
        repeat {
            unsafe sigwait(&signals, &received)
            if received == SIGHUP { onHangup?() }
        } while received == SIGHUP && onHangup != nil
        _ = Task {
            await stop()
            // The other threads still run: OpenSSL's tables must not be taken down under them.
            _exit(0)
        }
        guard let again else {
            sleep(patience)
            _exit(1)
        }
        var time = timespec(tv_sec: Int(patience), tv_nsec: 0)
        _exit(unsafe sigtimedwait(&signals, nil, &time) > 0 ? again : 1)
    }
}
