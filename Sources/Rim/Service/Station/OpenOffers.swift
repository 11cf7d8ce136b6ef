import Wire

/// Offers that were answered and whose senders have not connected yet. They hold places, and whoever never comes costs nothing but an offer:
/// so an address has few of them at a time, and the oldest gives way to a new one once it has had its time.
package struct OpenOffers {
    package enum Decision: Sendable, Hashable {
        case take
        /// This one ends first.
        case takeInPlaceOf(Int)
        case refuse(seconds: Int64)
        /// There is no place, and nobody who could give way: all have connected.
        case full
    }

    private struct Offer {
        var number: Int
        var robot: String
        var site: IPAddress
        var since: Instant
    }

    /// Oldest first; as many as the robots' own tables hold.
    private var offers: [Offer] = []
    package static let mostOfAddress = 16
    /// Within this a sender who is really there has connected, or has lost its first checks and sent others.
    package static let patience = Duration.seconds(2)

    package init() {}

    package var count: Int { offers.count }

    /// `isFull`: the robot takes nobody more.
    package func decide(for robot: String, from address: IPAddress, isFull: Bool, at now: Instant) -> Decision {
        let ours = offers.filter { $0.site == address.site }, hasEnough = ours.count >= Self.mostOfAddress
        guard hasEnough || isFull else { return .take }
        let oldest = isFull ? (hasEnough ? ours : []).first { $0.robot == robot } ?? offers.first { $0.robot == robot } : ours.first
        guard let oldest else { return .full }
        let left = Self.patience - (now - oldest.since)
        guard left > .zero else { return .takeInPlaceOf(oldest.number) }
        return .refuse(seconds: (left.nanoseconds + 999_999_999) / 1_000_000_000)
    }

    package mutating func add(_ number: Int, to robot: String, from address: IPAddress, at now: Instant) {
        offers.append(Offer(number: number, robot: robot, site: address.site, since: now))
    }

    /// It has connected, or has ended.
    package mutating func remove(_ number: Int) { offers.removeAll { $0.number == number } }
}
