import Reactor
import Wire

/// A picture with the moment at which it was taken.
public struct CapturedPicture: Sendable {
    public var picture: Picture
    /// On the monotonic clock.
    public var captured: Instant
    /// The same moment on the wall clock.
    public var unixNanoseconds: Int64

    public init(_ picture: Picture, captured: Instant, unixNanoseconds: Int64) {
        (self.picture, self.captured, self.unixNanoseconds) = (picture, captured, unixNanoseconds)
    }
}

/// The pictures of one camera, made once for whoever wants them: encoders, JPEGs, the recorder. From any thread.
///
/// A camera asks `isWatched` before each picture and makes one a second when nobody watches, so that there is always a young one.
public final class PictureFeed: Sendable {
    public let name: String
    /// Pixels, and pictures a second.
    public let width: Int
    public let height: Int
    public let rate: Int
    private let state = Lock<State>(State())

    private struct State: Sendable {
        var newest: CapturedPicture?
        var count = 0
        var next = 0
        var takers: [Int: @Sendable (CapturedPicture) -> Void] = [:]
    }

    public init(name: String, width: Int, height: Int, rate: Int) {
        (self.name, self.width, self.height, self.rate) = (name, width, height, rate)
    }

    public var newest: CapturedPicture? { state.withLock { $0.newest } }
    /// Pictures since the beginning.
    public var count: Int { state.withLock { $0.count } }
    public var isWatched: Bool { state.withLock { !$0.takers.isEmpty } }

    /// The camera's own call, on its thread.
    public func publish(_ picture: CapturedPicture) {
        let takers = state.withLock { state in
            state.newest = picture
            state.count += 1
            return Array(state.takers.values)
        }
        for take in takers { take(picture) }
    }

    /// From now on every picture is given to `take`, on the camera's thread: it must only hand it over. The number ends it.
    public func subscribe(_ take: @escaping @Sendable (CapturedPicture) -> Void) -> Int {
        state.withLock { state in
            state.next += 1
            state.takers[state.next] = take
            return state.next
        }
    }

    /// A picture under way may still come after this.
    public func unsubscribe(_ number: Int) { state.withLock { $0.takers[number] = nil } }
}
