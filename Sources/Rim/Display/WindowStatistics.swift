import Wire

public struct WindowStatistics: Sendable, Hashable {
    /// Pictures since the beginning.
    public var shown = 0
    /// Because a newer one came first.
    public var leftOut = 0
    /// When the newest was taken, and when it was handed to the display, on the monotonic clock.
    public var newestCaptured: Instant?
    public var newestShown: Instant?

    public init() {}

    public var newestLatency: Duration? {
        guard let newestCaptured, let newestShown else { return nil }
        return newestShown - newestCaptured
    }
}
