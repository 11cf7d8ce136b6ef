import DataLink
import RTC
import TestSupport
import Wire
import XCTest

final class SCTPTests: XCTestCase {
    private func connected(_ conditions: LossyWire.Conditions = .init(), seed: UInt64 = 1) -> SCTPLink {
        let link = SCTPLink(conditions, seed: seed)
        link.connect()
        XCTAssertTrue(link.sides[0].isConnected && link.sides[1].isConnected, "seed \(seed): \(link.sides[0].failure ?? "-")")
        return link
    }

    private func bytes(_ count: Int, _ seed: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8 &+ seed) }
    }

    func testBothSidesBeginAndOneAssociationComesOfItRFC9260Clause5_2_1() {
        let link = connected()
        XCTAssertLessThanOrEqual(link.now, Instant(nanoseconds: 1_060_000_000))
        XCTAssertTrue(link.send([1], from: 0, stream: 3, protocolID: 51))
        XCTAssertTrue(link.send([2, 3], from: 1, stream: 255, protocolID: 53))
        link.run { $0.sides[0].messages.count + $0.sides[1].messages.count == 2 }
        XCTAssertFalse(link.send([1], from: 0, stream: SCTPStack.streams), "no such stream")
        XCTAssertEqual(link.sides[1].messages, [.init(stream: 3, protocolID: 51, bytes: [1])])
        XCTAssertEqual(link.sides[0].messages, [.init(stream: 255, protocolID: 53, bytes: [2, 3])])
    }

    func testConnectsThroughLossAndReordering() {
        for seed in 1...20 as ClosedRange<UInt64> {
            _ = connected(.init(loss: 0.2, duplication: 0.1, delay: .milliseconds(20), jitter: .milliseconds(30)), seed: seed)
        }
    }

    func testOrderedMessagesArriveAllAndInOrderThroughLoss() {
        for seed in 1...10 as ClosedRange<UInt64> {
            let link = connected(.init(loss: 0.1, duplication: 0.05, delay: .milliseconds(20), jitter: .milliseconds(20)), seed: seed)
            let messages = (0..<200).map { SCTPLink.Message(stream: 5, protocolID: 53, bytes: bytes(1 + $0 * 13, $0)) }
            for message in messages { XCTAssertTrue(link.send(message.bytes, from: 0, stream: 5)) }
            link.run { $0.sides[1].messages.count == 200 }
            XCTAssertEqual(link.sides[1].messages, messages, "seed \(seed)")
        }
    }

    func testUnorderedMessagesArriveAllAndOvertake() {
        let link = connected(.init(loss: 0.2, delay: .milliseconds(20)))
        for i in 0..<300 { XCTAssertTrue(link.send([UInt8(i & 255), UInt8(i >> 8)] + bytes(600, i), from: 0, isOrdered: false)) }
        link.run { $0.sides[1].messages.count == 300 }
        let order = link.sides[1].messages.map { Int($0.bytes[0]) | Int($0.bytes[1]) << 8 }
        XCTAssertEqual(order.sorted(), Array(0..<300))
        XCTAssertNotEqual(order, Array(0..<300))
    }

    func testLargestMessagesArriveWholeOrderedAndUnordered() {
        let link = connected(.init(loss: 0.02, delay: .milliseconds(5)))
        for i in 0..<3 {
            let large = bytes(262_144, i)
            XCTAssertTrue(link.send(large, from: 0, stream: 1))
            XCTAssertTrue(link.send(large, from: 0, stream: 2, isOrdered: false))
            link.run { $0.sides[1].messages.count == 2 * i + 2 }
            XCTAssertEqual(link.sides[1].messages.count, 2 * i + 2)
            for message in link.sides[1].messages.suffix(2) { XCTAssertEqual(message.bytes, large) }
        }
        XCTAssertFalse(link.send(bytes(262_145, 0), from: 0), "larger than the peer takes")
    }

    func testSeveralLargeMessagesAtOnceOnSeveralStreams() {
        let link = connected(.init(loss: 0.02, delay: .milliseconds(5)))
        for stream in 0..<3 as Range<UInt16> { XCTAssertTrue(link.send(bytes(250_000, Int(stream)), from: 0, stream: stream)) }
        link.run { $0.sides[1].messages.count == 3 }
        for message in link.sides[1].messages { XCTAssertEqual(message.bytes, bytes(250_000, Int(message.stream))) }
        XCTAssertEqual(link.sides[1].messages.count, 3)
    }

    func testFullSendBufferRefusesAndDrains() {
        let link = connected()
        var taken = 0
        while link.send(bytes(60_000, taken), from: 0), taken < 100 { taken += 1 }
        XCTAssertTrue((10...17).contains(taken), "\(taken)")
        XCTAssertGreaterThan(link.sides[0].association.bufferedBytes, 900_000)
        link.run { $0.sides[0].association.bufferedBytes < 500_000 }
        XCTAssertTrue(link.send(bytes(60_000, taken), from: 0))
        link.run { $0.sides[0].association.bufferedBytes == 0 }
        XCTAssertEqual(link.sides[0].association.bufferedBytes, 0)
        XCTAssertEqual(link.sides[1].messages.count, taken + 1)
        for (i, message) in link.sides[1].messages.enumerated() { XCTAssertEqual(message.bytes, bytes(60_000, i)) }
    }

    func testAcknowledgedBytesLeaveTheBuffer() {
        let link = connected()
        link.send(bytes(700, 1), from: 0)
        XCTAssertEqual(link.sides[0].association.bufferedBytes, 700)
        let sent = link.now
        link.run { $0.sides[0].association.bufferedBytes == 0 }
        XCTAssertEqual(link.now - sent, .milliseconds(20), "a lone message asks for its acknowledgement at once (RFC 7053)")
    }

    func testNoRetransmissionsMeansLossRFC7496() {
        let link = connected()
        link.wire.conditions = .init(loss: 0.3, delay: .milliseconds(10))
        for i in 0..<200 {
            link.send([UInt8(i)], from: 0, isOrdered: false, reliability: .maxRetransmits(0))
            link.run(limit: .milliseconds(20))
        }
        link.run(limit: .milliseconds(5000))
        XCTAssertTrue((100...180).contains(link.sides[1].messages.count), "\(link.sides[1].messages.count)")
        XCTAssertEqual(Set(link.sides[1].messages.map(\.bytes)).count, link.sides[1].messages.count)
        XCTAssertNil(link.sides[0].failure)
        link.wire.conditions = .init()
        let before = link.sides[1].messages.count
        link.send([1], from: 0)
        link.run { $0.sides[1].messages.count == before + 1 }
        XCTAssertEqual(link.sides[1].messages.count, before + 1, "reliable messages still come through")
        link.run(limit: .milliseconds(1000)) { $0.sides[0].association.bufferedBytes == 0 }
        XCTAssertEqual(link.sides[0].association.bufferedBytes, 0)
    }

    func testMessagesOlderThanTheirLifetimeAreGivenUpRFC3758() {
        let link = connected()
        link.wire.conditions.loss = 1
        for i in 0..<10 { link.send([UInt8(i)], from: 0, reliability: .maxLifetime(milliseconds: 300)) }
        link.run(limit: .milliseconds(3000))
        link.wire.conditions.loss = 0
        link.send([99], from: 0)
        link.run(limit: .milliseconds(15_000)) { !$0.sides[1].messages.isEmpty }
        XCTAssertEqual(link.sides[1].messages.map(\.bytes), [[99]])
        link.run(limit: .milliseconds(1000)) { $0.sides[0].association.bufferedBytes == 0 }
        XCTAssertEqual(link.sides[0].association.bufferedBytes, 0)
    }

    func testMessageLargerThanOfferedEndsTheAssociation() {
        let link = SCTPLink(.init(delay: .milliseconds(5)), maximumMessage: 700_000)
        link.connect()
        XCTAssertTrue(link.send(bytes(700_000, 1), from: 0))
        link.run { $0.sides[0].isClosed && $0.sides[1].failure != nil }
        XCTAssertEqual(link.sides[1].failure?.contains("at most 262144"), true, link.sides[1].failure ?? "-")
        XCTAssertTrue(link.sides[0].isClosed)
        XCTAssertEqual(link.sides[1].messages, [])
    }

    func testStreamsAreResetBothWaysRFC6525() {
        for loss in [0, 0.2] {
            let link = connected(.init(loss: loss, delay: .milliseconds(20)), seed: 4)
            for stream in [2, 4, 6] as [UInt16] { link.send([7], from: 0, stream: stream) }
            link.sides[0].association.reset([StreamID(2), StreamID(4)], at: link.now)
            link.sides[0].association.reset([StreamID(6)], at: link.now)
            link.drain()
            link.run { $0.sides[1].incomingResets.count >= 3 && $0.sides[0].outgoingResets.count >= 3 }
            XCTAssertEqual(link.sides[1].incomingResets.sorted(), [2, 4, 6], "loss \(loss)")
            XCTAssertEqual(link.sides[0].outgoingResets.sorted(), [2, 4, 6], "loss \(loss)")
            XCTAssertEqual(link.sides[1].messages.count, 3, "what was sent before is delivered first")
            link.sides[1].association.reset([StreamID(4)], at: link.now)
            link.drain()
            link.run { $0.sides[0].incomingResets == [4] && $0.sides[1].outgoingResets == [4] }
            XCTAssertEqual(link.sides[0].incomingResets, [4])
            // The stream may be used again.
            link.send([8], from: 0, stream: 4)
            link.run { $0.sides[1].messages.count == 4 }
            XCTAssertEqual(link.sides[1].messages.last?.bytes, [8])
        }
    }

    func testCloseAbortsAndThePeerHearsIt() {
        let link = connected()
        link.sides[0].association.close(at: link.now)
        link.drain()
        XCTAssertNil(link.sides[0].association.deadline)
        link.run(limit: .milliseconds(1000)) { $0.sides[1].isClosed }
        XCTAssertTrue(link.sides[1].isClosed, link.sides[1].failure ?? "-")
        XCTAssertNil(link.sides[1].association.deadline)
        XCTAssertFalse(link.send([1], from: 0))
        XCTAssertFalse(link.send([1], from: 1))
    }

    func testPeerThatNeverAnswersFails() {
        let link = SCTPLink(.init(loss: 1))
        for side in link.sides { side.association.start(at: link.now) }
        link.drain()
        link.run(limit: .milliseconds(200_000)) { $0.sides[0].failure != nil }
        XCTAssertNotNil(link.sides[0].failure)
        XCTAssertNil(link.sides[0].association.deadline)
    }

    func testTenSecondsWithoutNetworkAreSurvived() {
        let link = connected()
        link.wire.conditions.loss = 1
        link.send([1], from: 0)
        link.run(limit: .milliseconds(10_000))
        link.wire.conditions.loss = 0
        link.run(limit: .milliseconds(12_000)) { $0.sides[1].messages.count == 1 }
        XCTAssertEqual(link.sides[1].messages.map(\.bytes), [[1]])
    }

    /// A burst of datagrams bears the time at which it came; the echoes between them bear a later one. Told as time that goes by again and
    /// again, this made all timers run out at once.
    func testTimesThatComeOutOfOrderDoNotMakeTimersRunOut() {
        let link = SCTPLink()
        link.connect()
        let before = link.sides[0].packets
        for index in 0..<200 {
            let sender = link.sides[0].association
            sender.advance(to: link.now)
            let message = SCTPMessage(
                stream: StreamID(0), protocolID: 53, bytes: [UInt8(index)], isOrdered: true, reliability: .reliable)
            XCTAssertTrue(sender.send(message, at: link.now + .milliseconds(15)))
        }
        link.now = link.now + .milliseconds(15)
        link.drain()
        link.run(limit: .milliseconds(500)) { $0.sides[1].messages.count == 200 }
        XCTAssertEqual(link.sides[1].messages.count, 200)
        XCTAssertLessThan(link.sides[0].packets - before, 220, "nothing was repeated")
    }

    func testIdleAssociationsWakeRarely() {
        let link = connected()
        link.run(limit: .milliseconds(500))
        let wakes = link.run(limit: .milliseconds(10_000))
        XCTAssertLessThanOrEqual(wakes, 120)
    }

    func testNoiseAndDamagedPacketsAreDropped() {
        var random = SeededRandom(seed: 11)
        let link = connected()
        for _ in 0..<2000 {
            let noise = (0..<Int.random(in: 0...200, using: &random)).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            link.sides[1].association.receive(noise.span, at: link.now)
            link.drain()
        }
        link.send([5], from: 0)
        link.run { $0.sides[1].messages.count == 1 }
        XCTAssertEqual(link.sides[1].messages.map(\.bytes), [[5]])
        XCTAssertNil(link.sides[1].failure)
    }

    func testManyAssociationsComeAndGo() {
        for seed in 1...30 as ClosedRange<UInt64> {
            let link = connected(seed: seed)
            link.send([UInt8(seed)], from: 0)
            link.run { $0.sides[1].messages.count == 1 }
            XCTAssertEqual(link.sides[1].messages.count, 1)
        }
    }
}
