public import Wire

/// For what may go wrong many times a second: says it at once, and then at most once a minute, with how often it happened since. From any
/// thread.
public final class RareLogger: Sendable {
    private let log: Logger
    private let interval: Duration
    private let state = Lock<(next: Instant, unsaid: Int)>((.zero, 0))

    public init(_ log: Logger, every interval: Duration = .seconds(60)) { (self.log, self.interval) = (log, interval) }

    public func warning(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> LogFields = [:]) {
        guard let times = times() else { return }
        log.with("times", times).warning(message(), fields())
    }

    public func error(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> LogFields = [:]) {
        guard let times = times() else { return }
        log.with("times", times).error(message(), fields())
    }

    /// Nil: not now.
    private func times() -> LogValue? {
        let now = MonotonicClock.now()
        return state.withLock { state in
            state.unsaid += 1
            guard now >= state.next else { return nil }
            defer { state = (now + interval, 0) }
            return .integer(Int64(state.unsaid))
        }
    }
}
