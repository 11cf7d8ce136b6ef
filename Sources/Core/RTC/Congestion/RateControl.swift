import Wire

/// The delay-based estimate: up by a factor while the capacity is unknown or far, by a step when it is near, down below what was delivered
/// on over-use (draft-ietf-rmcat-gcc-02 clause 5.5).
struct RateControl: Sendable {
    private(set) var bitrate: Int
    private let limits: BitrateLimits
    /// Mean and relative variance of what was delivered at over-use: where the capacity lies.
    private var capacity: (mean: Double, variance: Double)?
    private var lastChange: Instant?
    private(set) var lastDecrease: Instant?

    private static let decrease = 0.85
    /// A second, while the capacity is not known.
    private static let growth = 1.15
    /// Above this part of the known capacity steps are small: about half an average packet (bits) a response time, or this part of the rate a second.
    private static let near = 0.92
    private static let step = 4000.0
    private static let nearGrowth = 0.025
    private static let above = 1.03, hasteAbove = 0.4

    init(limits: BitrateLimits) {
        self.limits = limits
        bitrate = min(max(limits.start, limits.minimum), limits.maximum)
    }

    mutating func overused(acknowledged: Int?, queue: Duration, roundTrip: Duration, at now: Instant) {
        defer { lastChange = now }
        // One answer a round trip: before it shows, another cut would be for the same cause.
        if let lastDecrease, now - lastDecrease < roundTrip + .milliseconds(150) {
            guard let acknowledged, acknowledged * 2 < bitrate else { return }
        }
        // The more stands in the queue, the deeper the cut that drains it.
        let factor = Self.decrease - min(max((queue.seconds - 0.03) * 2, 0), 0.25)
        let delivered = Double(acknowledged ?? bitrate)
        var next = delivered * factor
        if next > Double(bitrate) { next = min(Double(bitrate) * 0.95, Double(capacity?.mean ?? .infinity) * Self.decrease) }
        next = min(next, Double(bitrate))
        if acknowledged != nil { learn(delivered) }
        set(Int(next))
        lastDecrease = now
    }

    private mutating func learn(_ delivered: Double) {
        guard let known = capacity, delivered > 0.7 * known.mean, delivered < 1.5 * known.mean else {
            capacity = (delivered, 0.0025)
            return
        }
        let mean = 0.8 * known.mean + 0.2 * delivered
        let off = (delivered - mean) / mean
        capacity = (mean, min(max(0.8 * known.variance + 0.2 * off * off, 0.0009), 0.0064))
    }

    /// Grows; by how much depends on the time since the last change. `ceiling`: no growth beyond it.
    mutating func normal(acknowledged: Int?, roundTrip: Duration, ceiling: Int, at now: Instant) {
        defer { lastChange = now }
        guard let lastChange else { return }
        let elapsed = min(max((now - lastChange).seconds, 0), 1)
        if let known = capacity, Double(acknowledged ?? 0) > known.mean * (1 + 3 * known.variance.squareRoot()) { capacity = nil }
        let next: Double
        if let known = capacity, Double(bitrate) > Self.near * known.mean {
            // Above it only as fast as a long path can still tell in time.
            let haste = Double(bitrate) > Self.above * known.mean ? Self.hasteAbove : 1
            next = Double(bitrate) + haste * max(Self.step / (roundTrip.seconds + 0.1), Self.nearGrowth * Double(bitrate)) * elapsed
        } else {
            next = Double(bitrate) * (1 + (Self.growth - 1) * elapsed)
        }
        guard Int(next) > bitrate, bitrate < ceiling else { return }
        set(min(Int(next), ceiling))
    }

    /// The target stands still while a queue drains.
    mutating func hold(at now: Instant) { lastChange = now }

    /// A probe has shown this much.
    mutating func raise(to shown: Int, at now: Instant) {
        guard shown > bitrate else { return }
        if let known = capacity, Double(shown) > 1.1 * known.mean { capacity = nil }
        set(shown)
        lastChange = now
    }

    mutating func lower(to bound: Int, at now: Instant) {
        guard bound < bitrate else { return }
        set(bound)
        lastChange = now
    }

    /// The capacity known from over-use, bit/s.
    var knownCapacity: Int? { capacity.map { Int($0.mean) } }

    private mutating func set(_ value: Int) { bitrate = min(max(value, limits.minimum), limits.maximum) }
}
