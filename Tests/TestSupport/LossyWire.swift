import Wire

/// What lies between two sides on a virtual clock: every delay, loss and repetition comes from the seed.
package struct LossyWire {
    package struct Conditions {
        package var loss: Double
        package var duplication: Double
        package var delay: Duration
        /// Up to this much more delay for each datagram, so that they overtake one another.
        package var jitter: Duration

        package init(loss: Double = 0, duplication: Double = 0, delay: Duration = .milliseconds(10), jitter: Duration = .zero) {
            self.loss = loss
            self.duplication = duplication
            self.delay = delay
            self.jitter = jitter
        }
    }

    package var conditions: Conditions
    private var random: SeededRandom
    private var flying: [(at: Instant, order: Int, to: Int, bytes: [UInt8])] = []
    private var order = 0

    package init(_ conditions: Conditions = Conditions(), seed: UInt64 = 1) {
        self.conditions = conditions
        random = SeededRandom(seed: seed)
    }

    package mutating func send(_ bytes: [UInt8], to side: Int, at now: Instant) {
        let copies = Double.random(in: 0..<1, using: &random) < conditions.duplication ? 2 : 1
        for _ in 0..<copies where Double.random(in: 0..<1, using: &random) >= conditions.loss {
            let late = Int64.random(in: 0...conditions.jitter.nanoseconds, using: &random)
            flying.append((now + conditions.delay + Duration(nanoseconds: late), order, side, bytes))
            order += 1
        }
    }

    /// When the next datagram arrives.
    package var nextArrival: Instant? { flying.map(\.at).min() }

    /// Takes off the wire what has arrived, in the order of arrival.
    package mutating func arrivals(by now: Instant) -> [(to: Int, bytes: [UInt8])] {
        let due = flying.filter { $0.at <= now }.sorted { ($0.at, $0.order) < ($1.at, $1.order) }
        flying.removeAll { $0.at <= now }
        return due.map { ($0.to, $0.bytes) }
    }
}
