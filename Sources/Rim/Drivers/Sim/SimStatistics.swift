import Synchronization
import Wire

/// What the simulator has done since it began.
public struct SimStatistics: Sendable, Hashable {
    public var steps = 0
    /// Spent in them, the slowest, and how late after its due time a step was begun at worst.
    public var stepTime = Duration.zero
    public var slowestStep = Duration.zero
    public var latestStep = Duration.zero
    /// Steps that were left out as the machine was away too long to catch up, and for how long the world stood still by them.
    public var skippedSteps = 0
    public var lost = Duration.zero
    /// How far the world's time is behind the clock's now, besides what is lost.
    public var drift = Duration.zero
    /// How long the world has run by the clock.
    public var wallTime = Duration.zero
    /// Pictures drawn, and what drawing and converting them took; the slowest.
    public var pictures = 0
    /// Those that could not be drawn or turned into planes.
    public var failedPictures = 0
    public var renderTime = Duration.zero
    public var slowestRender = Duration.zero
    /// Of it, turning colours into planes.
    public var convertTime = Duration.zero
    /// How long the physics were kept from their state at worst.
    public var longestWait = Duration.zero
    public var barks = 0
    /// How often the world became impossible and was begun anew.
    public var resets = 0

    /// The world's time over the clock's: 1 when it keeps up.
    public var realTimeFactor: Double {
        wallTime.nanoseconds == 0 ? 1 : 1 - (lost + max(drift, .zero)).seconds / wallTime.seconds
    }
}

/// The same while it is counted, each by one thread.
final class SimCounters: Sendable {
    let steps = Atomic<Int>(0)
    let stepTime = Atomic<Int64>(0)
    let slowestStep = Atomic<Int64>(0)
    let latestStep = Atomic<Int64>(0)
    let skippedSteps = Atomic<Int>(0)
    let lost = Atomic<Int64>(0)
    let drift = Atomic<Int64>(0)
    let wallTime = Atomic<Int64>(0)
    let pictures = Atomic<Int>(0)
    let failedPictures = Atomic<Int>(0)
    let renderTime = Atomic<Int64>(0)
    let slowestRender = Atomic<Int64>(0)
    let convertTime = Atomic<Int64>(0)
    let longestWait = Atomic<Int64>(0)
    let barks = Atomic<Int>(0)
    let resets = Atomic<Int>(0)
    /// 0…1: what the speaker was last asked to say, and until when that is news.
    let speakerLevel = Atomic<Double>(0)
    let speakerUntil = Atomic<Int64>(0)
    let microphoneLevel = Atomic<Double>(0)

    static func keepLargest(_ cell: borrowing Atomic<Int64>, _ duration: Duration) {
        if duration.nanoseconds > cell.load(ordering: .relaxed) { cell.store(duration.nanoseconds, ordering: .relaxed) }
    }

    static func add(_ cell: borrowing Atomic<Int64>, _ duration: Duration) { cell.wrappingAdd(duration.nanoseconds, ordering: .relaxed) }

    var statistics: SimStatistics {
        func duration(_ cell: borrowing Atomic<Int64>) -> Duration { Duration(nanoseconds: cell.load(ordering: .relaxed)) }
        var all = SimStatistics()
        all.steps = steps.load(ordering: .relaxed)
        all.stepTime = duration(stepTime)
        all.slowestStep = duration(slowestStep)
        all.latestStep = duration(latestStep)
        all.skippedSteps = skippedSteps.load(ordering: .relaxed)
        all.lost = duration(lost)
        all.drift = duration(drift)
        all.wallTime = duration(wallTime)
        all.pictures = pictures.load(ordering: .relaxed)
        all.failedPictures = failedPictures.load(ordering: .relaxed)
        all.renderTime = duration(renderTime)
        all.slowestRender = duration(slowestRender)
        all.convertTime = duration(convertTime)
        all.longestWait = duration(longestWait)
        all.barks = barks.load(ordering: .relaxed)
        all.resets = resets.load(ordering: .relaxed)
        return all
    }
}
