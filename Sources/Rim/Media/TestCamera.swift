import Reactor
import Synchronization
import Wire

/// A synthetic camera on a thread of its own: the test pattern, drawn while somebody watches.
public final class TestCamera: Sendable {
    public let feed: PictureFeed
    private let isRunning = Atomic<Bool>(true)
    private let bitsPerPicture: Int
    private let showsClock: Bool

    /// As `TestPattern`'s.
    public init(feed: PictureFeed, bitsPerPicture: Int = 50_000, showsClock: Bool = false) throws(SystemError) {
        self.feed = feed
        (self.bitsPerPicture, self.showsClock) = (bitsPerPicture, showsClock)
        try WorkerThread.start("waldo-camera") { [self] in run() }
    }

    public func stop() { isRunning.store(false, ordering: .relaxed) }

    private func run() {
        var pattern = TestPattern(width: feed.width, height: feed.height, bitsPerPicture: bitsPerPicture, showsClock: showsClock)
        let interval = Duration(nanoseconds: 1_000_000_000 / Int64(feed.rate))
        var next = MonotonicClock.now()
        while isRunning.load(ordering: .relaxed) {
            WorkerThread.sleep(until: next)
            next = max(next + interval, MonotonicClock.now())
            guard feed.isWatched else { continue }
            let unix = MonotonicClock.unixNanoseconds(), captured = MonotonicClock.now()
            feed.publish(CapturedPicture(pattern.next(unixMilliseconds: unix / 1_000_000), captured: captured, unixNanoseconds: unix))
        }
    }
}
