import Glibc

/// Ctrl+C and SIGTERM, waited for in one place.
struct EndSignals {
    private var signals = sigset_t()

    /// To be made before any thread is, so that all inherit the mask and only `wait` gets the signals.
    init() {
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGINT)
        unsafe sigaddset(&signals, SIGTERM)
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// Waits for one of them, then for `stop`, at most `patience` seconds, and ends the program.
    mutating func wait(patience: UInt32 = 5, _ stop: @escaping @Sendable () async -> Void) -> Never {
        var received: Int32 = 0
        unsafe sigwait(&signals, &received)
        _ = Task {
            await stop()
            // The other threads still run: OpenSSL's tables must not be taken down under them.
            _exit(0)
        }
        sleep(patience)
        _exit(1)
    }
}
