import Wire

/// What may be sent for all that is lost. Loss that does not grow less when less is sent is the path's own and no reason to send less still.
package struct LossControl: Sendable {
    /// Bit/s; `Int.max` while loss sets no bound.
    package private(set) var bound = Int.max
    /// 0…1 over the last window.
    package private(set) var fraction = 0.0
    /// What the path loses by itself, 0…1.
    package private(set) var baseline = 0.0
    /// How often the path turned out to carry less than half of what was sent.
    package private(set) var floods = 0

    package init() {}

    private var lost = 0
    private var told = 0
    private var windowSince: Instant?
    private var lastCut: Instant?
    private var episode: (loss: Double, bitrate: Int)?

    private static let window = Duration.milliseconds(400)
    private static let minimumPackets = 20
    /// More than this no path that is of any use loses by itself.
    private static let largestBaseline = 0.4

    package mutating func add(
        lost: Int, arrived: Int, target: Int, acknowledged: Int?, hasQueue: Bool, roundTrip: Duration, at now: Instant
    ) {
        self.lost += lost
        told += lost + arrived
        if windowSince == nil { windowSince = now }
        guard let since = windowSince, now - since >= Self.window, told >= Self.minimumPackets || now - since >= Self.window * 5, told > 0
        else {
            return
        }
        judge(
            Double(self.lost) / Double(told), target: target, acknowledged: acknowledged, hasQueue: hasQueue, roundTrip: roundTrip, at: now)
        self.lost = 0
        told = 0
        windowSince = now
    }

    /// A receiver report says the same with less detail.
    package mutating func judge(
        _ loss: Double, target: Int, acknowledged: Int?, hasQueue: Bool, roundTrip: Duration, at now: Instant
    ) {
        fraction = loss
        baseline = hasQueue ? baseline * 0.9 : min(baseline, max(loss, baseline * 0.95))
        let extra = loss - baseline
        if extra > 0.1 {
            cut(loss, target: target, acknowledged: acknowledged, hasQueue: hasQueue, roundTrip: roundTrip, at: now)
        } else if bound != .max {
            // Little is lost: the bound makes way, faster the less there is.
            bound = Int(Double(bound) * (extra < 0.02 ? 1.25 : hasQueue ? 1.02 : 1.1))
            if bound > 2 * target { release() }
        }
        if extra < 0.05 { episode = nil }
    }

    private mutating func cut(
        _ loss: Double, target: Int, acknowledged: Int?, hasQueue: Bool, roundTrip: Duration, at now: Instant
    ) {
        if let lastCut, now - lastCut < roundTrip + .milliseconds(200) { return }
        lastCut = now
        // Most of it is lost and not half of what may be sent arrives: that is a link of another size, and steps would take seconds to get there.
        if loss > 0.5, let acknowledged, acknowledged * 2 < target {
            floods += 1
            episode = (loss, target)
            bound = acknowledged * 85 / 100
            return
        }
        if let episode {
            // A third less was sent and as much is lost. Where it is a narrow link that overflows, what gets through stays the same, and so a
            // larger part of what is sent.
            let less = Double(episode.bitrate) / Double(max(target, 1))
            if !hasQueue, less > 1 / 0.7, loss <= Self.largestBaseline, loss > 0.6 * episode.loss,
                1 - loss < (1 - episode.loss) * (1 + 0.4 * (less - 1))
            {
                baseline = loss
                self.episode = nil
                bound = max(bound == .max ? 0 : bound, episode.bitrate)
                return
            }
        } else {
            episode = (loss, target)
        }
        // Never below what gets through: what is lost beyond it has cost its bandwidth already.
        bound = max(Int(Double(min(target, bound)) * (1 - 0.5 * min(loss, 0.6))), min((acknowledged ?? 0) * 85 / 100, target))
    }

    private mutating func release() { bound = .max }

    mutating func keep(atLeast minimum: Int) { bound = max(bound, minimum) }
}
