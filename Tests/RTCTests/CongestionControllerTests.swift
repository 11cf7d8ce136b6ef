import RTC
import Wire
import XCTest

final class CongestionControllerTests: XCTestCase {
    // MARK: Detector

    /// Groups every 20 ms, each `growth` ms later than the last.
    private func usages(_ count: Int, growth: (Int) -> Double, detector: inout OveruseDetector) -> [OveruseDetector.Usage] {
        var arrival = Instant.zero + .seconds(1)
        return (0..<count).map { index in
            let arrived = Duration.milliseconds(20) + .seconds(growth(index) / 1000)
            arrival += arrived
            detector.add(ArrivalGroups.Delta(sent: .milliseconds(20), arrived: arrived, arrival: arrival))
            return detector.usage
        }
    }

    func testRisingDelayIsOveruseAndFallingDelayIsUnderuse() {
        for (name, growth, expected) in [("steady", 0.0, OveruseDetector.Usage.normal), ("rising", 2, .over), ("falling", -2, .under)] {
            var detector = OveruseDetector()
            let seen = usages(60, growth: { _ in growth }, detector: &detector)
            XCTAssertTrue(expected == .normal ? seen.allSatisfy { $0 == .normal } : seen.contains(expected), name)
            XCTAssertTrue(seen[..<19].allSatisfy { $0 == .normal }, "\(name): nothing is said before the window is full")
        }
    }

    func testThresholdFollowsAPathWithItsOwnJitter() {
        var detector = OveruseDetector()
        var random = SeededRandom(seed: 3)
        var last = 0.0
        let seen = usages(
            2000,
            growth: { _ in
                let delay = Double(random.next() % 1000) / 100
                defer { last = delay }
                return delay - last
            }, detector: &detector)
        XCTAssertLessThan(seen[200...].filter { $0 == .over }.count, 20)
        XCTAssertTrue((6...600).contains(detector.threshold))
    }

    // MARK: Groups

    func testPacketsOfABurstAreOneGroup() {
        var groups = ArrivalGroups()
        var deltas: [ArrivalGroups.Delta] = []
        for frame in 0..<3 {
            for packet in 0..<4 {
                let sent = Instant.zero + .milliseconds(33 * frame + packet)
                if let delta = groups.add(sent: sent, arrival: sent + .milliseconds(50 + frame * 2)) { deltas.append(delta) }
            }
        }
        XCTAssertEqual(deltas.map(\.sent), [.milliseconds(33)])
        XCTAssertEqual(deltas.map(\.arrived), [.milliseconds(35)])
    }

    // MARK: Whole controller

    func testRampsUpByProbesOnAFreePath() {
        var path = Path(BitrateLimits(start: 500_000, maximum: 8_000_000))
        path.run(for: .seconds(6), bandwidth: 50_000_000)
        XCTAssertGreaterThan(path.controller.targetBitrate, 7_000_000)
    }

    func testComesDownToTheBottleneckAndNoFurther() {
        for bandwidth in [300_000, 800_000, 2_000_000] {
            var path = Path(BitrateLimits(start: 1_500_000))
            path.run(for: .seconds(6), bandwidth: bandwidth)
            var sum = 0
            for _ in 0..<40 {
                path.run(for: .milliseconds(250), bandwidth: bandwidth)
                sum += path.controller.targetBitrate
            }
            let mean = Double(sum) / 40 / Double(bandwidth)
            XCTAssertTrue((0.7...1.1).contains(mean), "\(bandwidth): \(mean)")
        }
    }

    /// With a short queue there is no rising delay to see, only loss: it is not the path's own.
    func testComesDownToANarrowLinkWithAShortQueueInTwoSeconds() {
        for queue in [40, 60, 100] {
            var path = Path(BitrateLimits(start: 1_500_000))
            path.queue = .milliseconds(queue)
            path.run(for: .seconds(2), bandwidth: 300_000)
            XCTAssertLessThan(path.controller.targetBitrate, 400_000, "\(queue) ms")
            var sum = 0
            for _ in 0..<40 {
                path.run(for: .milliseconds(250), bandwidth: 300_000)
                sum += path.controller.targetBitrate
            }
            let mean = Double(sum) / 40 / 300_000
            XCTAssertTrue((0.5...1.2).contains(mean), "\(queue) ms: \(mean)")
        }
    }

    func testOverflowOfANarrowLinkIsNotTakenForThePathsOwnLoss() {
        for target in [1_500_000, 900_000, 700_000] {
            var loss = LossControl()
            var now = Instant.zero, sending = target
            for _ in 0..<12 {
                now += .milliseconds(500)
                // 300 kbit/s get through whatever is sent.
                loss.judge(
                    1 - min(300_000 / Double(sending), 1), target: sending, acknowledged: min(300_000, sending), hasQueue: false,
                    roundTrip: .milliseconds(50), at: now)
                sending = min(loss.bound, target)
            }
            XCTAssertLessThan(loss.baseline, 0.1, "\(target)")
            XCTAssertLessThan(sending, 450_000, "\(target)")
        }
    }

    func testDoesNotGrowBeyondWhatIsUsed() {
        var path = Path(BitrateLimits(start: 1_000_000))
        path.controller.setDemand(1_000_000, at: .zero)
        path.source = 600_000
        path.run(for: .seconds(20), bandwidth: 50_000_000)
        XCTAssertLessThanOrEqual(path.controller.targetBitrate, 1_500_000)
        XCTAssertGreaterThanOrEqual(path.controller.targetBitrate, 900_000)
    }

    func testAnIdleSenderIsNotWoken() {
        var path = Path(BitrateLimits())
        XCTAssertNil(path.controller.deadline)
        path.run(for: .seconds(3), bandwidth: 5_000_000)
        path.source = 0
        path.run(for: .seconds(1), bandwidth: 5_000_000)
        let before = path.wakes
        path.run(for: .seconds(20), bandwidth: 5_000_000)
        XCTAssertLessThanOrEqual(path.wakes - before, 2)
    }

    func testSilenceLowersTheRateAndItComesBack_RFC8083() {
        var path = Path(BitrateLimits(start: 1_000_000))
        path.run(for: .seconds(5), bandwidth: 3_000_000)
        let before = path.controller.targetBitrate
        path.loss = 1
        path.run(for: .seconds(8), bandwidth: 3_000_000)
        XCTAssertLessThan(path.controller.targetBitrate, before / 2)
        path.loss = 0
        path.run(for: .seconds(4), bandwidth: 3_000_000)
        XCTAssertGreaterThan(path.controller.targetBitrate, before * 7 / 10)
    }

    func testRandomLossIsNotTakenForAFullPath() {
        for (loss, share) in [(0.05, 0.7), (0.2, 0.3)] {
            var path = Path(BitrateLimits(start: 1_500_000))
            path.loss = loss
            path.run(for: .seconds(20), bandwidth: 3_000_000)
            XCTAssertGreaterThan(Double(path.controller.targetBitrate), share * 3_000_000, "loss \(loss)")
        }
    }

    func testREMBIsAnUpperBound() {
        var controller = CongestionController(limits: BitrateLimits(minimum: 100_000, start: 1_000_000, maximum: 5_000_000))
        controller.receivedREMB(400_000, at: .zero)
        XCTAssertEqual(controller.targetBitrate, 400_000)
        controller.receivedREMB(1, at: .zero)
        XCTAssertEqual(controller.targetBitrate, 100_000)
        controller.receivedREMB(.max, at: .zero)
        XCTAssertLessThanOrEqual(controller.targetBitrate, 5_000_000)
    }

    func testReportsAloneHoldTheRate_RFC3550_6_4() {
        var controller = CongestionController(limits: BitrateLimits(start: 1_000_000, maximum: 2_000_000))
        var now = Instant.zero
        func report(_ loss: UInt8, _ roundTrip: Int, times: Int) {
            for _ in 0..<times {
                now += .seconds(1)
                controller.receivedReport(fractionLost: loss, roundTrip: .milliseconds(roundTrip), at: now)
            }
        }
        report(0, 50, times: 5)
        XCTAssertGreaterThan(controller.targetBitrate, 1_200_000, "grows without loss")
        let high = controller.targetBitrate
        report(64, 60, times: 3)
        XCTAssertLessThan(controller.targetBitrate, high * 8 / 10, "a quarter lost")
        report(0, 50, times: 30)
        let again = controller.targetBitrate
        report(0, 400, times: 4)
        XCTAssertLessThan(controller.targetBitrate, again * 8 / 10, "a queue")
        XCTAssertEqual(controller.roundTrip.map { $0 > .milliseconds(100) }, true)
    }

    // MARK: Strange feedback

    func testReferenceTimeWraps_24Bits() {
        // The receiver's clock stands just before 2^24 · 64 ms.
        var path = Path(BitrateLimits(start: 1_000_000), receiverClock: .milliseconds(64 * ((1 << 24) - 40)))
        path.run(for: .seconds(10), bandwidth: 2_000_000)
        XCTAssertGreaterThan(path.controller.targetBitrate, 1_300_000)
    }

    func testLostRepeatedAndReorderedFeedbackIsHarmless() {
        for seed in UInt64(1)...10 {
            var path = Path(BitrateLimits(start: 1_000_000), seed: seed)
            path.feedbackTrouble = true
            path.run(for: .seconds(15), bandwidth: 2_000_000)
            XCTAssertTrue((800_000...2_400_000).contains(path.controller.targetBitrate), "seed \(seed): \(path.controller.targetBitrate)")
        }
    }

    /// The 24-bit reference time may be turned on, forwards or backwards, without an end.
    func testReferenceTimeThatOnlyLeapsIsHarmless() {
        for step in [Int32((1 << 23) - 1), -(1 << 23), -(1 << 22)] {
            var controller = CongestionController(limits: BitrateLimits(start: 1_000_000))
            var now = Instant.zero + .seconds(1), sequence: UInt16 = 0, reference: Int32 = 0
            for round in 0..<40_000 {
                // The leaps go far before anything is acknowledged, and again with every hundredth acknowledged.
                let isAcknowledged = round > 20 && (round < 40 || round % 100 == 0)
                if isAcknowledged {
                    now += .milliseconds(5)
                    controller.sent(sequence, bytes: 1000, isProbe: false, at: now)
                }
                for delta in isAcknowledged ? [Int16(0), 100, -200] : [0] {
                    controller.received(
                        TransportFeedback(
                            sender: SSRC(1), media: SSRC(2), baseSequence: sequence, referenceTime: reference, feedbackCount: 0,
                            deltas: [delta]), at: now)
                    if isAcknowledged {
                        sequence &+= 1
                        controller.sent(sequence, bytes: 1000, isProbe: false, at: now)
                    }
                }
                if round < 5 || round > 25 { reference = (reference &+ step) & 0xFF_FFFF } else { reference += 1 }
            }
            XCTAssertTrue((100_000...20_000_000).contains(controller.targetBitrate), "step \(step)")
        }
    }

    func testHostileFeedbackKeepsTheTargetWithinItsLimits() {
        var random = SeededRandom(seed: 9)
        let limits = BitrateLimits(minimum: 200_000, start: 1_000_000, maximum: 3_000_000)
        var controller = CongestionController(limits: limits)
        var now = Instant.zero, sequence: UInt16 = 65_000
        for _ in 0..<20_000 {
            now += .microseconds(Int(random.next() % 5000))
            controller.sent(sequence, bytes: Int(random.next() % 1500), isProbe: random.next() % 9 == 0, at: now)
            sequence &+= 1
            if random.next() % 4 == 0 {
                let deltas = (0..<Int(random.next() % 40)).map { _ in
                    random.next() % 3 == 0 ? nil : Int16(truncatingIfNeeded: random.next())
                }
                controller.received(
                    TransportFeedback(
                        sender: SSRC(1), media: SSRC(2), baseSequence: sequence &- UInt16(random.next() % 100),
                        referenceTime: Int32(truncatingIfNeeded: random.next()), feedbackCount: 0, deltas: deltas), at: now)
            }
            if random.next() % 50 == 0 { controller.receivedREMB(random.next(), at: now) }
            if random.next() % 50 == 0 {
                controller.receivedReport(
                    fractionLost: UInt8(truncatingIfNeeded: random.next()),
                    roundTrip: Duration(nanoseconds: Int64(bitPattern: random.next()) / 4), at: now)
            }
            _ = controller.probeBytes(at: now)
            controller.advance(to: now)
            XCTAssertTrue((limits.minimum...limits.maximum).contains(controller.targetBitrate))
        }
    }
}

/// A sender and a bottleneck with 200 ms of queue between a controller and its feedback.
private struct Path {
    var controller: CongestionController
    var loss = 0.0
    /// Of the bottleneck.
    var queue = Duration.milliseconds(200)
    /// Bit/s that the source sends; nil: what the controller says.
    var source: Int?
    var feedbackTrouble = false
    var wakes = 0
    private var now = Instant.zero + .seconds(1)
    private var freeAt = Instant.zero
    private var nextFrame = Instant.zero
    private var sequence: UInt16 = 65_400
    private var collector = FeedbackCollector()
    private var flying: [(at: Instant, sequence: UInt16)] = []
    private var returning: [(at: Instant, feedback: TransportFeedback)] = []
    private var random: SeededRandom
    private let clock: Duration
    private static let oneWay = Duration.milliseconds(25)

    init(_ limits: BitrateLimits, seed: UInt64 = 1, receiverClock: Duration = .zero) {
        controller = CongestionController(limits: limits)
        random = SeededRandom(seed: seed)
        clock = receiverClock
        nextFrame = now
    }

    mutating func run(for length: Duration, bandwidth: Int) {
        let end = now + length
        while now < end {
            now += .milliseconds(1)
            while nextFrame <= now {
                nextFrame += .milliseconds(33)
                var bytes = (source ?? controller.payloadBitrate) / 8 / 30
                while bytes > 0 {
                    send(min(bytes, 1100) + 40, isProbe: false, bandwidth)
                    bytes -= 1100
                }
            }
            if let due = controller.deadline, due <= now {
                wakes += 1
                controller.advance(to: now)
                var bytes = controller.probeBytes(at: now)
                while bytes > 0 {
                    send(300, isProbe: true, bandwidth)
                    bytes -= 300
                }
            }
            while let first = flying.first, first.at <= now {
                flying.removeFirst()
                _ = collector.received(first.sequence, at: first.at + clock)
            }
            if let due = collector.deadline, due <= now + clock, let feedback = collector.feedback(sender: SSRC(1), media: SSRC(2)) {
                deliver(feedback)
            }
            for index in returning.indices.reversed() where returning[index].at <= now {
                controller.received(returning.remove(at: index).feedback, at: now)
            }
        }
    }

    private mutating func send(_ bytes: Int, isProbe: Bool, _ bandwidth: Int) {
        controller.sent(sequence, bytes: bytes, isProbe: isProbe, at: now)
        defer { sequence &+= 1 }
        guard Double(random.next() % 10_000) >= loss * 10_000, freeAt - now <= queue else { return }
        freeAt = max(freeAt, now) + .seconds(Double((bytes + 28) * 8) / Double(bandwidth))
        flying.append((freeAt + Self.oneWay, sequence))
    }

    private mutating func deliver(_ feedback: TransportFeedback) {
        guard feedbackTrouble else { return returning.append((now + Self.oneWay, feedback)) }
        let draw = random.next() % 10
        if draw == 0 { return }
        returning.append((now + Self.oneWay + .milliseconds(draw == 1 ? 120 : 0), feedback))
        if draw == 2 { returning.append((now + Self.oneWay + .milliseconds(70), feedback)) }
    }
}
