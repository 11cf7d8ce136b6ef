import Teleop
import Wire
import XCTest

/// How an operator finds a robot (specs: teleop-client clauses 5 and 7).
final class OperatorPairingTests: XCTestCase {
    private var operatorSide = OperatorPairing(id: "ada", seed: 1)
    private var now = Instant(nanoseconds: 1_000_000_000)

    private func outputs() -> [OperatorPairing.Output] {
        var all: [OperatorPairing.Output] = []
        while let output = operatorSide.nextOutput() { all.append(output) }
        return all
    }

    private func offers(_ outputs: [OperatorPairing.Output]) -> [SignalMessage] {
        outputs.compactMap { output in
            guard case .send(let message) = output, case .offer = message.body else { return nil }
            return message
        }
    }

    /// On the server, with an offer that has gone out.
    @discardableResult
    private func offering(_ peer: OperatorPairing = OperatorPairing(id: "ada", seed: 1)) throws -> (pair: PairID, offer: SignalMessage) {
        operatorSide = peer
        operatorSide.start()
        guard case .begin(let pair)? = outputs().first else { throw Unexpected() }
        operatorSide.joinedServer(at: now)
        operatorSide.offered(pair, sdp: "offer \(pair.rawValue)", at: now)
        guard let offer = offers(outputs()).first else { throw Unexpected() }
        return (pair, offer)
    }

    private struct Unexpected: Error {}

    private func answer(_ offer: SignalMessage, from: String? = "robot", sdp: String = "a=ice-ufrag:r\na=fingerprint:f\n") -> SignalMessage
    {
        SignalMessage(.answer(sdp: sdp, drives: nil), from: from, to: from == nil ? nil : "ada", session: from == nil ? nil : offer.session)
    }

    private func receive(_ message: SignalMessage) -> [OperatorPairing.Output] {
        operatorSide.receive(message, at: now)
        return outputs()
    }

    func testSaysReadyAndThenOffersWithANewSession() throws {
        operatorSide.start()
        guard case .begin(let pair)? = outputs().first else { return XCTFail() }
        operatorSide.joinedServer(at: now)
        XCTAssertEqual(outputs(), [.send(SignalMessage(.ready(.operator), from: "ada"))])
        operatorSide.offered(pair, sdp: "o", at: now)
        let all = outputs()
        let offer = try XCTUnwrap(offers(all).first)
        XCTAssertEqual(offer.session?.count, 16)
        XCTAssertEqual(all.last, .offerSent(isFirst: true))
    }

    func testOffersTheSameAgainEveryThreeSecondsAndWhenARobotIsReady() throws {
        let (_, offer) = try offering()
        XCTAssertEqual(operatorSide.deadline, now + .seconds(3))
        now += .seconds(3)
        operatorSide.advance(to: now)
        XCTAssertEqual(outputs(), [.send(offer), .offerSent(isFirst: false)])
        now += .seconds(1)
        XCTAssertEqual(receive(SignalMessage(.ready(.robot), from: "robot")), [.send(offer), .offerSent(isFirst: false)])
        now += .milliseconds(10)
        XCTAssertEqual(receive(SignalMessage(.ready(.robot), from: "robot")), [], "not as often as somebody says ready")
    }

    func testNothingIsOfferedWhileTheServerIsAway() throws {
        let (_, offer) = try offering()
        operatorSide.lostServer()
        now += .seconds(10)
        operatorSide.advance(to: now)
        XCTAssertEqual(outputs(), [])
        XCTAssertNil(operatorSide.deadline)
        operatorSide.joinedServer(at: now)
        XCTAssertEqual(offers(outputs()), [offer])
    }

    func testTheFirstAnswerWinsAndOthersGetAGoodbye() throws {
        let (pair, offer) = try offering()
        XCTAssertEqual(
            receive(answer(offer, from: "r1")), [.accept(pair, answer: "a=ice-ufrag:r\na=fingerprint:f\n", drives: nil, isOurs: true)])
        XCTAssertEqual(receive(answer(offer, from: "r1")), [], "said again")
        XCTAssertEqual(
            receive(answer(offer, from: "r2")), [.send(SignalMessage(.bye, from: "ada", to: "r2", session: offer.session))])
        XCTAssertEqual(receive(answer(offer, from: nil)), [])
    }

    func testAnAnswerToAnotherNegotiationIsIgnored() throws {
        try offering()
        XCTAssertEqual(receive(SignalMessage(.answer(sdp: "x", drives: nil), from: "robot", session: "another")), [])
        XCTAssertEqual(receive(SignalMessage(.answer(sdp: "x", drives: nil), from: "robot", to: "bob")), [])
    }

    func testOnlyTheWantedRobotCounts() throws {
        let (pair, offer) = try offering(OperatorPairing(id: "ada", wanted: "r2", seed: 1))
        XCTAssertEqual(offer.to, "r2")
        XCTAssertEqual(receive(answer(offer, from: "r1")), [])
        XCTAssertEqual(receive(answer(offer, from: nil)), [])
        XCTAssertEqual(receive(answer(offer, from: "r2")).count, 1)
        operatorSide.connected(pair, at: now)
        XCTAssertTrue(operatorSide.isConnected)
    }

    func testPausesGrowUntilSomethingConnects() throws {
        var (pair, offer) = try offering()
        for seconds in [1, 2, 4, 8, 15, 15] {
            _ = receive(answer(offer))
            now += .seconds(15)
            operatorSide.advance(to: now)
            XCTAssertEqual(outputs(), [.end(pair)])
            let pause = try XCTUnwrap(operatorSide.deadline) - now
            XCTAssertTrue((0.79...1.21).contains(pause.seconds / Double(seconds)), "\(pause.seconds) s for \(seconds)")
            now += pause
            operatorSide.advance(to: now)
            guard case .begin(let next)? = outputs().first else { return XCTFail() }
            operatorSide.offered(next, sdp: "again", at: now)
            let before = offer.session
            (pair, offer) = (next, try XCTUnwrap(offers(outputs()).first))
            XCTAssertNotEqual(offer.session, before)
        }
        _ = receive(answer(offer))
        operatorSide.connected(pair, at: now)
        operatorSide.ended(pair, at: now)
        XCTAssertLessThan(try XCTUnwrap(operatorSide.deadline) - now, .milliseconds(1300))
    }

    func testBusyIsToldOnceAndOffersGoOn() throws {
        let (_, offer) = try offering()
        let busy = SignalMessage(.busy, from: "robot", to: "ada", session: offer.session)
        XCTAssertEqual(receive(busy), [.busy])
        XCTAssertEqual(receive(busy), [])
        XCTAssertEqual(receive(SignalMessage(.busy, from: "robot", session: "another")), [])
        now += .seconds(3)
        operatorSide.advance(to: now)
        XCTAssertEqual(offers(outputs()), [offer])
    }

    func testAnAnswerThatCannotBeUsedIsAsIfItHadNotCome() throws {
        let (pair, offer) = try offering()
        _ = receive(answer(offer, from: "nonsense"))
        operatorSide.refused(pair, at: now)
        XCTAssertEqual(receive(answer(offer, from: "robot")).count, 1)
    }

    func testCandidatesBeforeAndAfterTheAnswer() throws {
        let (pair, offer) = try offering()
        func candidate(_ text: String, fragment: String? = nil, from: String? = nil, session: String? = nil) -> [OperatorPairing.Output] {
            receive(SignalMessage(.candidate(SignalCandidate(text, fragment: fragment)), from: from, session: session))
        }
        XCTAssertEqual(candidate("early", fragment: "r"), [])
        XCTAssertEqual(candidate("another's", fragment: "x"), [])
        XCTAssertEqual(candidate("unnamed"), [])
        XCTAssertEqual(
            Array(receive(answer(offer, from: nil)).dropFirst()), [.candidate(pair, "early"), .candidate(pair, "unnamed")])
        XCTAssertEqual(candidate("late", fragment: "r"), [.candidate(pair, "late")])
        XCTAssertEqual(candidate("plain"), [.candidate(pair, "plain")])
        XCTAssertEqual(candidate("strange", fragment: "x"), [])
        XCTAssertEqual(candidate("forged", from: "other", session: offer.session), [])
    }

    func testAForgedGoodbyeEndsNoPair() throws {
        let (pair, offer) = try offering()
        _ = receive(answer(offer))
        operatorSide.connected(pair, at: now)
        XCTAssertEqual(receive(SignalMessage(.bye, from: "robot", session: offer.session)), [])
        XCTAssertTrue(operatorSide.isConnected)
    }

    func testACandidateOfOursIsSaidOnceTheOfferIsOut() throws {
        operatorSide.start()
        guard case .begin(let pair)? = outputs().first else { return XCTFail() }
        operatorSide.gathered(SignalCandidate("c"), for: pair)
        XCTAssertEqual(outputs(), [], "it goes with the offer")
        operatorSide.joinedServer(at: now)
        operatorSide.offered(pair, sdp: "o", at: now)
        _ = outputs()
        operatorSide.gathered(SignalCandidate("c"), for: pair)
        guard case .send(let message)? = outputs().first else { return XCTFail() }
        XCTAssertEqual(message.body, .candidate(SignalCandidate("c")))
    }
}
