import Wire

/// When each message is due: as far from the first as it was taken, but never long after the one before.
package struct ReplayPace {
    private var last: (recorded: UInt64, due: Instant)?
    /// A pause of the recording is not waited for, and who was held up goes on from there and does not hurry after.
    private static let longest = Duration.seconds(1)
    private static let late = Duration.milliseconds(200)

    package init() {}

    package mutating func moment(of recorded: UInt64, now: Instant) -> Instant {
        guard let last else {
            self.last = (recorded, now)
            return now
        }
        guard recorded > last.recorded else {
            // Recorded when it was done, under the time at which it was taken: what stands before it may be a little younger. Much younger: the
            // clock was set back.
            guard last.recorded - recorded > UInt64(Self.longest.nanoseconds) else { return last.due }
            let due = last.due + .milliseconds(1)
            self.last = (recorded, due)
            return due
        }
        let gap = Duration(nanoseconds: Int64(clamping: recorded - last.recorded))
        // What cannot be shown is not waited for either, however much of it there is.
        let due = min(max(last.due + min(gap, Self.longest), now - Self.late), now + Self.longest * 2)
        self.last = (recorded, due)
        return due
    }
}
