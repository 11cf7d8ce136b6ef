import RTC
import Wire

/// One side's way to the internet.
public struct SessionAccess: Sendable {
    public var nat: NATKind?
    /// From the host to the internet: the conditions of the path in this direction.
    public var up = LinkConditions(delay: .milliseconds(10))
    public var mode = IceMode.full

    public init(nat: NATKind? = nil, up: LinkConditions = LinkConditions(delay: .milliseconds(10)), mode: IceMode = .full) {
        self.nat = nat
        self.up = up
        self.mode = mode
    }
}

/// What happens to a session while it runs.
public enum SessionIncident: Sendable {
    /// Nothing gets through either way for a while, then ICE restarts.
    case blackOut(Duration)
    /// The NATs of both sides forget their mappings: what comes next has other addresses. Then ICE restarts.
    case newAddresses
    /// The sender's uplink has another bandwidth, bit/s.
    case bandwidth(Int)
    case restart
}

/// How a session of two peers goes: the robot sends video, both send data.
public struct SessionScenario: Sendable {
    public var seed: UInt64
    /// Who sends the video.
    public var robot = SessionAccess()
    public var viewer = SessionAccess()
    /// The viewer offers to receive, or the robot offers to send.
    public var robotOffers = true
    public var hasTURN = false
    public var relayOnly = false
    /// From one peer to the other.
    public var signallingDelay = Duration.milliseconds(30)
    public var codec = CodecKind.h264
    public var frameRate = 30
    /// What the source costs at most, bit/s.
    public var demand = 2_500_000
    public var limits = BitrateLimits()
    public var sendsVideo = true
    public var sendsData = true
    /// Keep the robot's trace in the report.
    public var traces = false
    public var incidents: [(after: Duration, incident: SessionIncident)] = []
    /// After the first connection.
    public var length = Duration.seconds(10)

    public init(seed: UInt64) { self.seed = seed }

    /// What makes this session one of its own, in a line.
    public var summary: String {
        func words(_ access: SessionAccess) -> String {
            let link = access.up
            return
                "\(access.mode) \(access.nat.map { "\($0)" } ?? "no NAT") delay \(link.delay.milliseconds) jitter \(link.jitter.milliseconds)"
                + " loss \(link.loss) burst \(link.burstStart) \(link.bandwidth.map { $0 / 1000 } ?? 0) kbit/s"
        }
        return "\(robotOffers ? "robot" : "viewer") offers, \(codec) \(frameRate)/s, TURN \(hasTURN)\(relayOnly ? " only" : ""),"
            + " robot [\(words(robot))], viewer [\(words(viewer))], \(incidents.map { "\($0.after.milliseconds): \($0.incident)" })"
    }

    /// Two full agents behind these NATs find a direct path (symmetric mapping is beaten by filters that look at addresses only).
    public var connectsDirectly: Bool {
        func isHard(_ a: NATKind?, _ b: NATKind?) -> Bool { a == .symmetric && (b == .symmetric || b == .portRestricted) }
        return !isHard(robot.nat, viewer.nat) && !isHard(viewer.nat, robot.nat)
    }
}

extension SessionScenario {
    /// Any session that the seed says: NATs, delay, jitter, loss, bandwidth, incidents.
    public static func random(seed: UInt64) -> SessionScenario {
        var random = SeededRandom(seed: seed &* 0x9E37_79B9 &+ 17)
        var scenario = SessionScenario(seed: seed)
        scenario.robotOffers = random.chance(0.5)
        scenario.codec = random.chance(0.5) ? .h264 : .vp8
        scenario.signallingDelay = .milliseconds(random.within(5...200))
        let bandwidth = Int(300_000 * pow66(random.fraction()))
        let delay = Duration.milliseconds(random.within(1...150))
        scenario.robot = access(&random, delay: delay, bandwidth: bandwidth)
        scenario.viewer = access(&random, delay: delay, bandwidth: max(bandwidth / 4, 200_000))
        if random.chance(0.15) {
            scenario.robot.mode = .lite
            scenario.robot.nat = nil
        } else if random.chance(0.1) {
            scenario.viewer.mode = .lite
            scenario.viewer.nat = nil
        }
        scenario.hasTURN = !scenario.connectsDirectly || random.chance(0.3)
        let hasFull = scenario.robot.mode == .full && scenario.viewer.mode == .full
        scenario.relayOnly = scenario.hasTURN && hasFull && random.chance(0.1)
        scenario.demand = random.within(300_000...2_500_000)
        scenario.frameRate = [15, 30, 30, 60][random.within(0...3)]
        scenario.incidents = incidents(&random, bandwidth: bandwidth)
        for (_, incident) in scenario.incidents { if case .blackOut(let length) = incident { scenario.length += length } }
        return scenario
    }

    private static func access(_ random: inout SeededRandom, delay: Duration, bandwidth: Int) -> SessionAccess {
        var link = LinkConditions(delay: delay)
        if random.chance(0.4) { link.jitter = .milliseconds(random.within(1...(random.chance(0.2) ? 300 : 30))) }
        if random.chance(0.4) {
            link.loss = random.fraction() * (random.chance(0.2) ? 0.2 : 0.05)
        } else if random.chance(0.3) {
            link.burstStart = random.fraction() * 0.02
            link.burstEnd = 0.1 + random.fraction() * 0.4
        }
        if random.chance(0.3) {
            link.reordering = random.fraction() * 0.05
            link.reorderingDelay = .milliseconds(random.within(1...30))
        }
        if random.chance(0.2) { link.duplication = random.fraction() * 0.05 }
        link.bandwidth = bandwidth
        link.queueDelay = .milliseconds(random.within(50...400))
        let kind: NATKind? = random.chance(0.2) ? nil : NATKind.allCases[random.within(0...3)]
        return SessionAccess(nat: kind, up: link)
    }

    private static func incidents(_ random: inout SeededRandom, bandwidth: Int) -> [(after: Duration, incident: SessionIncident)] {
        let after = Duration.milliseconds(random.within(2000...5000))
        switch random.within(0...9) {
        case 0: return [(after, .blackOut(.milliseconds(random.within(200...10_000))))]
        case 1: return [(after, .newAddresses)]
        case 2: return [(after, .restart)]
        case 3: return [(after, .bandwidth(max(bandwidth / 2, 300_000)))]
        case 4: return [(after, .bandwidth(bandwidth * 3))]
        default: return []
        }
    }

    /// 1…66 with equal weight for every factor: 0.3…20 Mbit/s.
    private static func pow66(_ exponent: Double) -> Double {
        var low = 1.0, high = 66.0, rest = exponent
        for _ in 0..<20 {
            let middle = (low * high).squareRoot()
            if rest >= 0.5 { low = middle } else { high = middle }
            rest = (rest * 2).truncatingRemainder(dividingBy: 1)
        }
        return low
    }
}

extension SeededRandom {
    public mutating func chance(_ probability: Double) -> Bool { fraction() < probability }
    public mutating func within(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next() % UInt64(range.upperBound - range.lowerBound + 1))
    }
}
