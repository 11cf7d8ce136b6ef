import Teleop
import Wire
import XCTest

/// Which operator gets the robot (specs: teleop-client clause 5).
final class RobotPairingTests: XCTestCase {
    private var robot = RobotPairing(id: "robot")
    private var now = Instant(nanoseconds: 1_000_000_000)

    private func offer(_ number: Int, from: String? = nil, session: String? = nil, to: String? = nil) -> SignalMessage {
        SignalMessage(.offer(sdp: sdp(number), interval: nil), from: from, to: to, session: session)
    }

    private func sdp(_ number: Int) -> String { "v=0\r\na=ice-ufrag:u\(number)\r\na=fingerprint:sha-256 \(number)\r\n" }

    private func outputs() -> [RobotPairing.Output] {
        var all: [RobotPairing.Output] = []
        while let output = robot.nextOutput() { all.append(output) }
        return all
    }

    private func receive(_ message: SignalMessage) -> [RobotPairing.Output] {
        robot.receive(message, at: now)
        return outputs()
    }

    /// Begins, answers and connects; the pair.
    private func pair(_ offer: SignalMessage) throws -> PairID {
        guard case .begin(let pair, _, _, _)? = receive(offer).first else { throw Unexpected() }
        robot.answered(pair, sdp: "answer", drives: nil)
        robot.connected(pair, at: now)
        _ = outputs()
        return pair
    }

    private struct Unexpected: Error {}

    private func begins(_ outputs: [RobotPairing.Output]) -> [String] {
        outputs.compactMap { if case .begin(_, let sdp, _, _) = $0 { sdp } else { nil } }
    }

    private func said(_ outputs: [RobotPairing.Output]) -> [SignalMessage] {
        outputs.compactMap { if case .send(let message) = $0 { message } else { nil } }
    }

    func testSaysReadyWhenItJoinsAndIsFreeAndWhenItBecomesFree() throws {
        robot.joinedServer()
        XCTAssertEqual(said(outputs()), [SignalMessage(.ready(.robot), from: "robot")])
        let pair = try pair(offer(1))
        robot.joinedServer()
        XCTAssertEqual(said(outputs()), [], "it is taken")
        robot.ended(pair, at: now)
        XCTAssertEqual(said(outputs()), [SignalMessage(.ready(.robot), from: "robot")])
    }

    func testAnswersAnOperatorWhoAsksWhetherItIsThere() {
        let answer = SignalMessage(.ready(.robot), from: "robot", to: "ada")
        XCTAssertEqual(said(receive(SignalMessage(.ready(.operator), from: "ada"))), [answer])
        XCTAssertEqual(said(receive(SignalMessage(.ready(.robot), from: "other"))), [])
    }

    func testARepeatedOfferGetsTheSameAnswerAgain() throws {
        for (first, again) in [
            (offer(1, from: "ada", session: "s"), offer(1, from: "ada", session: "s")), (offer(1), offer(1)),
        ] {
            robot = RobotPairing(id: "robot")
            guard case .begin(let pair, _, _, let isOurs)? = receive(first).first else { return XCTFail() }
            XCTAssertEqual(isOurs, first.from != nil)
            XCTAssertEqual(said(receive(again)), [], "there is no answer yet")
            robot.answered(pair, sdp: "answer", drives: "Rover")
            let answer = SignalMessage(.answer(sdp: "answer", drives: "Rover"), from: "robot", to: first.from, session: first.session)
            XCTAssertEqual(said(outputs()), [answer])
            XCTAssertEqual(receive(again), [.send(answer)])
            robot.connected(pair, at: now)
            XCTAssertEqual(receive(again), [.send(answer)], "also of a pair")
        }
    }

    func testAnotherOperatorIsTurnedAwayAndNextWhenThePairDies() throws {
        let pair = try pair(offer(1, from: "ada", session: "s1"))
        let busy = SignalMessage(.busy, from: "robot", to: "bob", session: "s2")
        XCTAssertEqual(receive(offer(2, from: "bob", session: "s2")), [.send(busy), .turnedAway])
        XCTAssertEqual(said(receive(offer(3))), [], "a plain peer knows no busy, and is the newest that waits")
        robot.ended(pair, at: now)
        XCTAssertEqual(begins(outputs()), [sdp(3)])
    }

    func testAnOfferWaitsForHalfAMinute() throws {
        let pair = try pair(offer(1))
        _ = receive(offer(2))
        now += .seconds(31)
        robot.ended(pair, at: now)
        XCTAssertEqual(begins(outputs()), [])
    }

    func testTheSameOperatorsNextOfferTakesTheOldOnesPlaceOnceItHasConnected() throws {
        let old = try pair(offer(1, from: "ada", session: "s1"))
        guard case .begin(let next, _, _, _)? = receive(offer(2, from: "ada", session: "s2")).first else { return XCTFail() }
        XCTAssertEqual(robot.connected, [old], "anybody can say that name")
        robot.answered(next, sdp: "answer", drives: nil)
        robot.connected(next, at: now)
        XCTAssertTrue(outputs().contains(.end(old)))
        XCTAssertEqual(robot.connected, [next])
    }

    func testWhoOnlySaysThatNameChangesNothing() throws {
        let pair = try pair(offer(1, from: "ada", session: "s1"))
        guard case .begin(let forged, _, _, _)? = receive(offer(2, from: "ada", session: "s2")).first else { return XCTFail() }
        robot.answered(forged, sdp: "answer", drives: nil)
        _ = outputs()
        now += .seconds(16)
        robot.advance(to: now)
        XCTAssertEqual(outputs(), [.end(forged)])
        XCTAssertEqual(robot.connected, [pair])
    }

    func testWhereMoreIsAtStakeOnlyTheSameCertificateTakesThePlace() throws {
        robot = RobotPairing(id: "robot", needsProof: true)
        let pair = try pair(offer(1, from: "ada", session: "s1"))
        XCTAssertEqual(begins(receive(offer(2, from: "ada", session: "s2"))), [], "another certificate")
        let renewed = SignalMessage(
            .offer(sdp: "v=0\r\na=ice-ufrag:u3\r\na=fingerprint:sha-256 1\r\n", interval: nil), from: "ada", session: "s3")
        XCTAssertEqual(begins(receive(renewed)).count, 1)
        // A section's certificate counts, whatever the session says before it (RFC 8122 clause 5).
        for more in ["m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=fingerprint:sha-256 4\r\n", "a=fingerprint:sha-256 4\r\n"] {
            let forged = SignalMessage(.offer(sdp: sdp(1) + more, interval: nil), from: "ada", session: "s4")
            XCTAssertEqual(begins(receive(forged)), [], "a certificate beside the same one")
        }
        XCTAssertEqual(robot.connected, [pair])
        robot.ended(pair, at: now)
        XCTAssertEqual(robot.connected, [])
    }

    func testAnOfferOfNoUseIsNoReasonToAskForTheNext() throws {
        guard case .begin(let pair, _, _, _)? = receive(offer(1, from: "ada", session: "s1")).first else { return XCTFail() }
        robot.refused(pair, at: now)
        XCTAssertEqual(outputs(), [], "she would offer the same at once")
        guard case .begin(let next, _, _, _)? = receive(offer(2, from: "bob", session: "s2")).first else { return XCTFail() }
        _ = receive(offer(3, from: "eve", session: "s3"))
        robot.refused(next, at: now)
        XCTAssertEqual(begins(outputs()), [sdp(3)], "who waited is next")
    }

    func testAGivenUpNegotiationGivesWayAtOnce() throws {
        guard case .begin(let old, _, _, _)? = receive(offer(1, from: "ada", session: "s1")).first else { return XCTFail() }
        let next = receive(offer(2, from: "ada", session: "s2"))
        XCTAssertEqual(next.first, .end(old))
        XCTAssertEqual(begins(next), [sdp(2)])
    }

    func testWithoutAConnectionInFifteenSecondsTheRobotIsFreeAgain() throws {
        guard case .begin(let pair, _, _, _)? = receive(offer(1)).first else { return XCTFail() }
        _ = outputs()
        XCTAssertEqual(robot.deadline, now + .seconds(15))
        now += .seconds(15)
        robot.advance(to: now)
        XCTAssertEqual(outputs(), [.end(pair), .send(SignalMessage(.ready(.robot), from: "robot"))])
    }

    func testCandidatesGoWhereTheyBelong() throws {
        guard case .begin(let pair, _, _, _)? = receive(offer(1, from: "ada", session: "s1")).first else { return XCTFail() }
        func candidate(_ text: String, fragment: String? = nil, session: String? = nil, from: String? = nil, to: String? = nil) -> [String]
        {
            receive(SignalMessage(.candidate(SignalCandidate(text, fragment: fragment)), from: from, to: to, session: session)).compactMap {
                if case .candidate(pair, let text) = $0 { text } else { nil }
            }
        }
        XCTAssertEqual(candidate("a", session: "s1", from: "ada"), ["a"])
        XCTAssertEqual(candidate("b", session: "s9", from: "ada"), [])
        XCTAssertEqual(candidate("c", fragment: "u1"), ["c"])
        XCTAssertEqual(candidate("d", fragment: "u9"), [])
        XCTAssertEqual(candidate("e"), ["e"], "the only open negotiation")
        XCTAssertEqual(candidate("f", from: "bob"), [], "somebody else's")
        XCTAssertEqual(candidate("g", session: "s1", to: "bob"), [])
        robot.connected(pair, at: now)
        XCTAssertEqual(candidate("h"), [], "a pair needs no candidates that nobody names")
        XCTAssertEqual(candidate("i", session: "s1"), ["i"])
    }

    func testCandidatesMayComeBeforeTheirOffer() {
        for number in 0..<70 {
            _ = receive(SignalMessage(.candidate(SignalCandidate("c\(number)", fragment: "u1")), from: nil))
        }
        _ = receive(SignalMessage(.candidate(SignalCandidate("other", fragment: "u2"))))
        let candidates = receive(offer(1)).compactMap { if case .candidate(_, let text) = $0 { text } else { nil } }
        XCTAssertEqual(candidates, (7..<70).map { "c\($0)" }, "the newest 64 are kept, and this one's taken")
    }

    func testEarlyCandidatesAreKeptForFifteenSeconds() {
        _ = receive(SignalMessage(.candidate(SignalCandidate("c", fragment: "u1"))))
        now += .seconds(16)
        XCTAssertEqual(receive(offer(1)).count, 1)
    }

    func testAForgedGoodbyeEndsNoPair() throws {
        guard case .begin(let pair, _, _, _)? = receive(offer(1, from: "ada", session: "s1")).first else { return XCTFail() }
        let bye = SignalMessage(.bye, from: "ada", session: "s1")
        robot.connected(pair, at: now)
        XCTAssertEqual(receive(bye), [])
        XCTAssertEqual(robot.connected, [pair])
    }

    func testAGoodbyeEndsANegotiationAndAWaitingOffer() throws {
        guard case .begin(let pair, _, _, _)? = receive(offer(1, from: "ada", session: "s1")).first else { return XCTFail() }
        _ = receive(offer(2, from: "bob", session: "s2"))
        XCTAssertEqual(receive(SignalMessage(.bye, from: "bob", session: "s2")), [])
        XCTAssertEqual(receive(SignalMessage(.bye, from: "ada", session: "s1")).first, .end(pair))
        XCTAssertEqual(begins(outputs()), [], "who said goodbye waits no more")
    }

    func testWhatIsForSomebodyElseIsIgnored() {
        XCTAssertEqual(receive(offer(1, from: "ada", session: "s1", to: "other robot")), [])
        XCTAssertEqual(receive(offer(1, from: "robot", session: "s1")), [], "its own words, repeated")
        XCTAssertEqual(receive(SignalMessage(.answer(sdp: sdp(1), drives: nil))), [])
    }

    func testViewersAreTakenBesideTheDriver() throws {
        robot = RobotPairing(id: "robot", operators: 2)
        let first = try pair(offer(1))
        let second = try pair(offer(2))
        XCTAssertEqual(robot.connected, [first, second])
        XCTAssertEqual(receive(offer(3)), [.turnedAway])
        robot.ended(first, at: now)
        XCTAssertEqual(begins(outputs()), [sdp(3)])
        XCTAssertEqual(robot.connected, [second])
    }

    func testWhoDrivesGoesOnDrivingWithANewConnectionWhileOthersWatch() throws {
        robot = RobotPairing(id: "robot", operators: 2)
        let driver = try pair(offer(1, from: "ada", session: "s1")), viewer = try pair(offer(2, from: "bob", session: "s2"))
        XCTAssertEqual(robot.connected, [driver, viewer])
        let again = try pair(offer(3, from: "ada", session: "s3"))
        XCTAssertEqual(robot.connected, [again, viewer])
    }

    func testEverybodyIsToldGoodbye() throws {
        robot = RobotPairing(id: "robot", operators: 2)
        let plain = try pair(offer(1)), ours = try pair(offer(2, from: "ada", session: "s"))
        robot.shutDown()
        XCTAssertEqual(
            outputs(), [.send(SignalMessage(.bye, from: "robot", to: "ada", session: "s")), .end(plain), .end(ours)])
    }
}
