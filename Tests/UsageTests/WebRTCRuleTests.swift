import Usage
import Wire
import XCTest

/// The table of section 8.1, row by row.
final class WebRTCRuleTests: XCTestCase {
    func testTenConsecutivePacketsMakeAConnectionWithTheTenth() {
        var scene = Scene()
        for n in 0..<9 {
            scene.receive(Bytes.rtp(n))
            XCTAssertFalse(scene.isActive, "packet \(n + 1)")
        }
        scene.receive(Bytes.rtp(9))
        XCTAssertTrue(scene.detector.hasNews)
        let evidence = scene.detector.evidence(at: scene.now)
        XCTAssertEqual(evidence.score, 90)
        XCTAssertEqual(evidence.reason, "WebRTC: 1 connections")
        XCTAssertEqual(evidence.connections, 1)
        XCTAssertFalse(scene.detector.hasNews)
    }

    func testWhichRunsOfPacketsConvince() {
        let cases: [(String, [Int], Bool)] = [
            ("every third", (0..<10).map { 65_520 + $0 * 3 }, true), ("every fourth", (0..<30).map { $0 * 4 }, false),
            ("the same number", Array(repeating: 5, count: 40), false), ("backwards", (0..<40).map { 1000 - $0 }, false),
            ("two that changed places", [0, 1, 2, 4, 3, 5, 6, 7, 8, 9, 10], true), ("byte order of a PC", (0..<40).map { $0 * 256 }, false),
            ("a hole, and ten after it", [0, 1, 2, 3, 4] + Array(20...29), true),
            ("a hole, and nine", Array(0...5) + Array(20...28), false),
        ]
        for (name, numbers, expected) in cases {
            var scene = Scene()
            for number in numbers { scene.receive(Bytes.rtp(number)) }
            XCTAssertEqual(scene.isActive, expected, name)
        }
        var slow = Scene()
        for n in 0..<40 { slow.receive(Bytes.rtp(n), after: .milliseconds(230)) }
        XCTAssertFalse(slow.isActive, "ten take longer than 2 s")
        var changing = Scene()
        for n in 0..<400 { changing.receive(Bytes.rtp(n, ssrc: UInt32(n))) }
        XCTAssertFalse(changing.isActive, "a new SSRC each time")
        var small = Scene()
        for n in 0..<40 { small.receive(Bytes.rtp(n, type: 200)) }
        XCTAssertFalse(small.isActive, "RTCP")
    }

    func testABindingAndThreePacketsMakeAConnection() {
        var scene = Scene()
        scene.bind()
        XCTAssertFalse(scene.isActive)
        scene.receive(Bytes.rtp(0))
        scene.receive(Bytes.rtp(100))
        XCTAssertFalse(scene.isActive)
        scene.receive(Bytes.rtp(200))
        XCTAssertTrue(scene.isActive)
    }

    func testTheBindingMayBeWhatCompletesTheRule() {
        var scene = Scene()
        for n in 0..<5 { scene.receive(Bytes.rtp(n)) }
        XCTAssertFalse(scene.isActive)
        scene.bind()
        XCTAssertTrue(scene.isActive)
    }

    func testDataRecordsInOneDirectionMakeAConnection() {
        var scene = Scene()
        scene.send(Bytes.handshakeRecord)
        scene.receive(Bytes.handshakeRecord)
        scene.send(Bytes.dataRecord)
        scene.send(Bytes.dataRecord)
        scene.receive(Bytes.dataRecord)
        scene.receive(Bytes.dataRecord)
        XCTAssertFalse(scene.isActive, "two each way")
        scene.send(Bytes.dataRecord)
        XCTAssertTrue(scene.isActive)
        var together = Scene()
        together.send(Bytes.dataRecord + Bytes.dataRecord + Bytes.dataRecord)
        XCTAssertTrue(together.isActive, "three in one datagram")
        var plain = Scene()
        for _ in 0..<10 { plain.send(Bytes.dtls(23, epoch: 0, [1, 2, 3])) }
        XCTAssertFalse(plain.isActive, "not encrypted")
    }

    func testDTLS13CountsOnlyAfterAHandshake() {
        let record: [UInt8] = [0x2E, 0, 1, 0, 40] + [UInt8](repeating: 9, count: 40)
        var scene = Scene()
        for _ in 0..<20 { scene.send(record) }
        XCTAssertFalse(scene.isActive)
        scene.send(Bytes.handshakeRecord)
        scene.receive(Bytes.dtls(22, epoch: 0, [2] + [UInt8](repeating: 0, count: 60)))
        for _ in 0..<3 { scene.send(record) }
        XCTAssertTrue(scene.isActive)
    }

    func testQuestionsToAServerAreNoConnection() {
        for port in [3478, 19_302] as [UInt16] {
            var scene = Scene()
            scene.remote.port = port
            for n in 0..<20 { scene.bind(id: UInt64(n)) }
            scene.wait(.seconds(1))
            XCTAssertFalse(scene.isActive)
            XCTAssertTrue(scene.changes().isEmpty)
        }
        var unanswered = Scene()
        unanswered.send(Bytes.stun(0x0001, id: 1))
        unanswered.receive(Bytes.stun(0x0101, id: 2))
        for n in 0..<5 { unanswered.receive(Bytes.rtp(n)) }
        XCTAssertFalse(unanswered.isActive, "an answer to another question validates nothing")
        unanswered.receive(Bytes.stun(0x0111, id: 1))
        XCTAssertFalse(unanswered.isActive, "nor does a refusal")
        unanswered.send(Bytes.stun(0x0001, id: 3))
        unanswered.send(Bytes.stun(0x0101, id: 3))
        XCTAssertFalse(unanswered.isActive, "nor one from the same side")
    }

    func testItIsOverTwoSecondsAfterTheLastMedia() {
        var scene = Scene()
        for n in 0..<20 { scene.receive(Bytes.rtp(n)) }
        XCTAssertTrue(scene.isActive)
        scene.wait(.milliseconds(1990))
        XCTAssertFalse(scene.detector.hasNews)
        XCTAssertTrue(scene.isActive)
        scene.wait(.milliseconds(20))
        XCTAssertTrue(scene.detector.hasNews)
        XCTAssertEqual(scene.detector.evidence(at: scene.now), .none)
        XCTAssertEqual(scene.changes().map(\.isEstablished), [true, false])
        for n in 20..<23 { scene.receive(Bytes.rtp(n)) }
        XCTAssertTrue(scene.isActive, "it was validated, so three are enough")
    }

    func testConsentChecksAndReportsKeepNothingActive() {
        var scene = Scene()
        for n in 0..<20 { scene.receive(Bytes.rtp(n)) }
        for n in 0..<30 {
            scene.wait(.milliseconds(80))
            scene.bind(id: UInt64(n))
            scene.receive([0x80, 201, 0, 1, 0, 0, 0, 9])
        }
        XCTAssertFalse(scene.isActive)
    }

    func testOnePacketInEachTwoSecondsKeepsItUp() {
        var scene = Scene()
        for n in 0..<20 { scene.receive(Bytes.rtp(n)) }
        for n in 20..<30 {
            scene.wait(.milliseconds(1800))
            scene.receive(Bytes.rtp(n))
            XCTAssertTrue(scene.isActive)
        }
    }

    func testAnEncryptedAlertIsTheEnd() {
        var scene = Scene()
        for _ in 0..<5 { scene.send(Bytes.dataRecord) }
        XCTAssertTrue(scene.isActive)
        scene.send(Bytes.encryptedAlert)
        // What the other side sent before it knew.
        for _ in 0..<20 { scene.receive(Bytes.dataRecord) }
        scene.wait(.milliseconds(200))
        XCTAssertFalse(scene.isActive)
        for _ in 0..<20 { scene.receive(Bytes.dataRecord) }
        XCTAssertFalse(scene.isActive, "still what was on its way")
        scene.wait(.seconds(4))
        for _ in 0..<20 { scene.receive(Bytes.dataRecord) }
        XCTAssertFalse(scene.isActive, "it has not noticed")
        scene.receive(Bytes.stun(0x0001, id: 1))
        scene.send(Bytes.stun(0x0101, id: 1))
        for _ in 0..<3 { scene.receive(Bytes.dataRecord) }
        XCTAssertTrue(scene.isActive, "who sent the alert still consents")
    }

    func testDataFromTheAlertsSenderShowsThatItWasNotTheEnd() {
        var scene = Scene()
        for n in 0..<20 { scene.receive(Bytes.rtp(n)) }
        scene.receive(Bytes.encryptedAlert)
        for n in 20..<80 { scene.receive(Bytes.rtp(n)) }
        XCTAssertTrue(scene.isActive)
        XCTAssertEqual(scene.changes().count, 1)
    }

    func testANewHandshakeAfterTheEndBeginsAnew() {
        var scene = Scene()
        for _ in 0..<5 { scene.send(Bytes.dataRecord) }
        scene.send(Bytes.encryptedAlert)
        scene.wait(.milliseconds(300))
        XCTAssertFalse(scene.isActive)
        scene.receive(Bytes.handshakeRecord)
        for _ in 0..<3 { scene.receive(Bytes.dataRecord) }
        XCTAssertTrue(scene.isActive)
    }

    func testAFlowIsForgottenAfterThirtySeconds() {
        var scene = Scene()
        scene.bind()
        scene.wait(.seconds(29))
        XCTAssertNotNil(scene.detector.deadline)
        scene.wait(.seconds(2))
        XCTAssertNil(scene.detector.deadline)
        for n in 0..<5 { scene.receive(Bytes.rtp(n)) }
        XCTAssertFalse(scene.isActive, "its binding is forgotten")
    }

    func testOnlyPortsOfTheConfigurationAreExamined() {
        let cases: [(UInt16, UInt16, Bool)] = [
            (9999, 9998, false), (10_000, 80, true), (80, 59_999, true), (60_000, 80, false), (3478, 80, true), (80, 5349, true),
            (5555, 40_000, false), (40_000, 5559, false),
        ]
        for (local, remote, expected) in cases {
            var scene = Scene(excluding: [5555, 5559])
            (scene.local.port, scene.remote.port) = (local, remote)
            for n in 0..<20 { scene.receive(Bytes.rtp(n)) }
            XCTAssertEqual(scene.isActive, expected, "\(local) \(remote)")
        }
    }

    func testAPacketThatIsSeenOnTwoInterfacesCountsOnce() {
        var scene = Scene()
        for n in 0..<50 {
            scene.interface = 2
            scene.receive(Bytes.rtp(n))
            scene.interface = 3
            scene.receive(Bytes.rtp(n), after: .zero)
        }
        XCTAssertEqual(scene.detector.evidence(at: scene.now).connections, 1)
        XCTAssertEqual(scene.detector.figures(at: scene.now).megabitsPerSecond, 50 * 200 * 8 / 1e6, accuracy: 0.02)
        scene.wait(.seconds(3))
        for n in 50..<60 { scene.receive(Bytes.rtp(n)) }
        XCTAssertTrue(scene.isActive, "the route has changed")
    }
}
