import Teleop
import Wire
import XCTest

/// Robots, operators and somebody who talks nonsense on one server, from seeds: messages are lost and late, connections fail and die. Nobody
/// is paired with two, nobody outside ends a pair, and once things are quiet everybody who can be paired is.
final class PairingWorldTests: XCTestCase {
    func testEverybodyFindsSomebodyWhateverHappened() {
        for seed in 0..<400 { World(seed: UInt64(seed)).run() }
    }
}

/// What connects is what both ends think is connected: a pair of peers that were made for one offer and its answer.
private final class World {
    private var random: SeededRandom
    private let seed: UInt64
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var robots: [RobotPairing]
    private var operators: [OperatorPairing]
    private let limit: Int
    private var mail: [(at: Instant, message: SignalMessage, sender: Int)] = []
    private var heard: [SignalMessage] = []
    private var chaos = true
    /// By session: the peers that were made for it.
    private var robotPeers: [String: (robot: Int, pair: PairID)] = [:]
    private var operatorPeers: [String: (operator: Int, pair: PairID)] = [:]
    private var current: [Int: (pair: PairID, session: String?)] = [:]
    /// Connected sessions.
    private var connections: Set<String> = []
    private var accepted: Set<String> = []

    init(seed: UInt64) {
        self.seed = seed
        random = SeededRandom(seed: seed)
        let robotCount = Int.random(in: 1...3, using: &random), operatorCount = Int.random(in: 1...4, using: &random)
        let limit = Int.random(in: 1...2, using: &random)
        self.limit = limit
        robots = (0..<robotCount).map { RobotPairing(id: "r\($0)", operators: limit) }
        operators = []
        for index in 0..<operatorCount { operators.append(OperatorPairing(id: "o\(index)", seed: random.next())) }
    }

    func run() {
        for index in robots.indices {
            robots[index].joinedServer()
            drain()
        }
        for index in operators.indices {
            operators[index].joinedServer(at: now)
            operators[index].start()
            drain()
        }
        for step in 0..<900 {
            chaos = step < 300
            now += .milliseconds(100)
            deliver()
            advance()
            if chaos { disturb() }
            check()
        }
        let places = robots.count * limit
        let paired = operators.count { $0.isConnected }
        XCTAssertEqual(paired, min(places, operators.count), "seed \(seed)")
        XCTAssertEqual(robots.map(\.connected.count).reduce(0, +), paired, "seed \(seed)")
    }

    private func check() {
        for robot in robots { XCTAssertLessThanOrEqual(robot.connected.count, limit, "seed \(seed)") }
    }

    // MARK: The server

    private func post(_ message: SignalMessage, from sender: Int) {
        heard.append(message)
        if heard.count > 50 { heard.removeFirst() }
        if chaos, Int.random(in: 0..<10, using: &random) == 0 { return }
        mail.append((now + .milliseconds(Int.random(in: 0...(chaos ? 900 : 50), using: &random)), message, sender))
    }

    private func deliver() {
        let due = mail.filter { $0.at <= now }
        mail.removeAll { $0.at <= now }
        for (_, message, sender) in due {
            for index in robots.indices where index != sender {
                robots[index].receive(message, at: now)
                drain()
            }
            for index in operators.indices where index + robots.count != sender {
                operators[index].receive(message, at: now)
                drain()
            }
        }
    }

    private func advance() {
        for index in robots.indices {
            robots[index].advance(to: now)
            drain()
        }
        for index in operators.indices {
            operators[index].advance(to: now)
            drain()
        }
    }

    /// Somebody replays what was said, forges names, and connections die.
    private func disturb() {
        if Int.random(in: 0..<4, using: &random) == 0, var message = heard.randomElement(using: &random) {
            switch Int.random(in: 0..<4, using: &random) {
            case 0: message.body = .bye
            case 1: message.session = "forged \(random.next() % 8)"
            case 2: message.from = heard.randomElement(using: &random)?.from
            default: break
            }
            mail.append((now, message, -1))
        }
        if Int.random(in: 0..<60, using: &random) == 0, let session = connections.sorted().randomElement(using: &random) { die(session) }
    }

    private func die(_ session: String) {
        guard connections.remove(session) != nil else { return }
        if let (robot, pair) = robotPeers.removeValue(forKey: session) {
            robots[robot].ended(pair, at: now)
            drain()
        }
        if let (index, pair) = operatorPeers.removeValue(forKey: session) {
            operators[index].ended(pair, at: now)
            drain()
        }
    }

    // MARK: The ends

    private func drain() {
        for index in robots.indices {
            while let output = robots[index].nextOutput() { carryOut(output, of: index) }
        }
        for index in operators.indices {
            while let output = operators[index].nextOutput() { carryOut(output, of: index) }
        }
    }

    private func carryOut(_ output: RobotPairing.Output, of robot: Int) {
        switch output {
        case .send(let message): post(message, from: robot)
        case .begin(let pair, let offer, _, _):
            guard offer.hasPrefix("offer ") else { return robots[robot].refused(pair, at: now) }
            robots[robot].answered(pair, sdp: "answer \(robot) \(pair.rawValue) to \(offer)", drives: nil)
            robotPeers["\(robot) \(pair.rawValue)"] = (robot, pair)
        case .end(let pair):
            // Nobody can connect to it any more, and whoever is connected sees it close.
            let session = "\(robot) \(pair.rawValue)"
            robotPeers[session] = nil
            connections.remove(session)
            if let (index, other) = operatorPeers.removeValue(forKey: session) { operators[index].ended(other, at: now) }
        case .candidate, .turnedAway: break
        }
    }

    private func carryOut(_ output: OperatorPairing.Output, of index: Int) {
        switch output {
        case .send(let message): post(message, from: robots.count + index)
        case .begin(let pair):
            current[index] = (pair, nil)
            operators[index].offered(pair, sdp: "offer \(index) \(pair.rawValue)\na=ice-ufrag:o\(index).\(pair.rawValue)", at: now)
        case .accept(let pair, let answer, _, _):
            let words = answer.split(separator: " ")
            let mine = "offer \(index) \(pair.rawValue)\n"
            guard words.count > 4, let robot = Int(words[1]), let number = Int(words[2]), answer.contains(mine) else {
                return operators[index].refused(pair, at: now)
            }
            connect(index, pair, robot, PairID(number))
        case .end(let pair):
            if let session = connections.first(where: { operatorPeers[$0]?.operator == index && operatorPeers[$0]?.pair == pair }) {
                connections.remove(session)
                operatorPeers[session] = nil
                if let (robot, other) = robotPeers.removeValue(forKey: session) { robots[robot].ended(other, at: now) }
            }
        case .candidate, .offerSent, .busy: break
        }
    }

    private func connect(_ index: Int, _ pair: PairID, _ robot: Int, _ other: PairID) {
        // In chaos some connections are never made.
        if chaos, Int.random(in: 0..<5, using: &random) == 0 { return }
        let session = "\(robot) \(other.rawValue)"
        guard robotPeers[session] != nil, !connections.contains(session) else { return }
        connections.insert(session)
        operatorPeers[session] = (index, pair)
        robots[robot].connected(other, at: now)
        operators[index].connected(pair, at: now)
    }
}
