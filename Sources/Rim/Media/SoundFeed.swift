import Reactor
import Wire

/// 20 ms of what a microphone heard: 960 samples, mono, 48 kHz.
public struct CapturedSound: Sendable {
    public var samples: [Int16]
    /// When the first sample was taken, on the monotonic clock.
    public var captured: Instant

    public init(_ samples: [Int16], captured: Instant) { (self.samples, self.captured) = (samples, captured) }
}

/// What one microphone hears, for whoever wants it. From any thread.
public final class SoundFeed: Sendable {
    private let state = Lock<State>(State())

    private struct State: Sendable {
        var next = 0
        var takers: [Int: @Sendable (CapturedSound) -> Void] = [:]
    }

    public init() {}

    public var isHeard: Bool { state.withLock { !$0.takers.isEmpty } }

    /// The microphone's own call, on its thread.
    public func publish(_ sound: CapturedSound) {
        for take in state.withLock({ Array($0.takers.values) }) { take(sound) }
    }

    /// From now on every 20 ms are given to `take`, on the microphone's thread: it must only hand them over. The number ends it.
    public func subscribe(_ take: @escaping @Sendable (CapturedSound) -> Void) -> Int {
        state.withLock { state in
            state.next += 1
            state.takers[state.next] = take
            return state.next
        }
    }

    public func unsubscribe(_ number: Int) { state.withLock { $0.takers[number] = nil } }
}
