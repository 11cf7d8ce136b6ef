import Usage
import Wire
import XCTest

/// Spec section 8.2, the subscriptions, in virtual time.
final class ZMQDetectorTests: XCTestCase {
    private func rig(publishing flows: ZMQDetector.FlowName..., captures: Bool = true) -> ZMQRig {
        var rig = ZMQRig(captures: captures)
        rig.isOpen = Set(flows)
        rig.go(to: 0)
        return rig
    }

    func testSubscribesToEveryPortButVideoWhileCapturing() {
        for (captures, expected) in [(true, 4), (false, 5)] {
            var detector = ZMQDetector(ports: .init(), captures: captures), ports: [UInt16] = []
            detector.advance(to: .zero)
            while case .connect(_, let endpoint)? = detector.nextAction() { ports.append(endpoint.port) }
            XCTAssertEqual(ports.count, expected)
            XCTAssertEqual(ports.contains(5557), !captures)
        }
        var ports = MonitorConfiguration.ZMQPorts()
        ports.controlCommands = nil
        ports.stateFeedback = .init(host: "192.0.2.7", port: 7000)
        var rig = ZMQRig(ports: ports)
        rig.go(to: 0)
        XCTAssertTrue(rig.actions.contains(.connect(.stateFeedback, .init(host: "192.0.2.7", port: 7000))))
        XCTAssertFalse(rig.actions.contains { if case .connect(.controlCommands, _) = $0 { true } else { false } })
    }

    func testVideoIsSubscribedToOnlyWhileNothingIsCaptured() {
        var rig = rig(publishing: .videoStream)
        rig.go(to: 1000)
        rig.actions = []
        rig.detector.setCaptures(false)
        rig.go(to: 1001)
        XCTAssertTrue(rig.actions.contains(.connect(.videoStream, .init(port: 5557))))
        rig.publish(.videoStream, "frame")
        XCTAssertEqual(rig.evidence.connections, 1)
        rig.detector.setCaptures(true)
        rig.actions = []
        rig.go(to: 9000)
        XCTAssertTrue(rig.actions.contains(.close(.videoStream)))
        XCTAssertFalse(rig.actions.contains(.connect(.videoStream, .init(port: 5557))))
        XCTAssertEqual(rig.evidence, .none)
    }

    func testRetriesEvery10msOnControlPortsOfThisMachineAnd500msOnOthers() {
        var rig = rig()
        rig.actions = []
        rig.go(to: 10_000)
        func tries(_ flow: ZMQDetector.FlowName) -> Int { rig.actions.count { if case .connect(flow, _) = $0 { true } else { false } } }
        XCTAssertEqual(tries(.controlCommands), 1000)
        XCTAssertEqual(tries(.joystick), 1000)
        XCTAssertEqual(tries(.telemetry), 20)
    }

    /// Where the rim knows that nobody listens, it waits itself, and the detector has nothing to do meanwhile.
    func testAnAwaitedPublisherIsNotAskedForAgain() {
        var detector = ZMQDetector(ports: .init(), captures: true)
        detector.advance(to: .zero)
        while let action = detector.nextAction() { if case .connect(let flow, _) = action { detector.awaited(flow) } }
        XCTAssertNil(detector.deadline)
        let later = Instant.zero + .seconds(3600)
        detector.advance(to: later)
        XCTAssertNil(detector.nextAction())
        detector.connected(.controlCommands, at: later)
        var machine = ZMTPSubscriber()
        XCTAssertEqual(detector.nextAction(), .send(.controlCommands, machine.start()))
        detector.disconnected(.controlCommands, at: later)
        detector.advance(to: later + .milliseconds(10))
        XCTAssertEqual(detector.nextAction(), .connect(.controlCommands, .init(port: 5555)))
    }

    func testARefusedSocketTypeIsLookedAtAgainAfter30s() {
        var rig = rig()
        rig.go(to: 49)
        rig.actions = []
        rig.isOpen = []
        rig.detector.advance(to: ZMQRig.at(50))
        rig.now = ZMQRig.at(50)
        rig.detector.connected(.controlCommands, at: rig.now)
        rig.receive(.controlCommands, ZMTPRecordings.greeting + ZMTPRecordings.ready("PULL"))
        rig.settle()
        XCTAssertTrue(rig.actions.contains(.close(.controlCommands)))
        XCTAssertTrue(rig.actions.contains(.log(.controlCommands, "port 5555 is only watched: its socket is a PULL")))
        rig.detector.disconnected(.controlCommands, at: rig.now)
        rig.actions = []
        rig.go(to: 30_049)
        XCTAssertFalse(rig.actions.contains { if case .connect(.controlCommands, _) = $0 { true } else { false } })
        rig.go(to: 30_050)
        XCTAssertTrue(rig.actions.contains { if case .connect(.controlCommands, _) = $0 { true } else { false } })
    }

    func testAPortThatEndsEveryConnectionIsLeftAloneForAWhile() {
        var detector = ZMQDetector(ports: .init(), captures: true), now = Instant.zero, tries = 0
        for step in 0..<600 {
            now = ZMQRig.at(Double(step) * 50)
            detector.advance(to: now)
            while let action = detector.nextAction() {
                guard case .connect(.controlCommands, _) = action else { continue }
                tries += 1
                detector.connected(.controlCommands, at: now)
                detector.disconnected(.controlCommands, at: now)
            }
        }
        XCTAssertEqual(tries, 3, "in 30 s")
    }

    /// The third message of 50 Hz completes the rule, with one piece of news for it (sections 8.2 and 17).
    func testTheThirdMessageGivesTheScore() {
        var rig = rig(publishing: .controlCommands)
        rig.go(to: 1000)
        rig.publish(.controlCommands)
        XCTAssertEqual(rig.evidence, Evidence(score: nil, reason: "", operators: [], connections: 1))
        rig.go(to: 1020)
        rig.publish(.controlCommands)
        XCTAssertFalse(rig.detector.hasNews)
        rig.go(to: 1040)
        rig.publish(.controlCommands)
        XCTAssertTrue(rig.detector.hasNews)
        XCTAssertEqual(rig.evidence, Evidence(score: 85, reason: "ZMQ: 50.0 Hz", operators: ["unknown"], connections: 1))
        XCTAssertEqual(rig.detector.figures(at: rig.now).commandRateHz, 50, accuracy: 1e-9)
        rig.news = 0
        for message in 3..<1000 {
            rig.go(to: 1000 + Double(message) * 20)
            rig.publish(.controlCommands)
        }
        XCTAssertEqual(rig.news, 0, "a rate that goes on is no news")
        XCTAssertEqual(rig.evidence.reason, "ZMQ: 50.0 Hz")
        XCTAssertEqual(rig.changes().map(\.isEstablished), [true])
    }

    func testItEndsOneSecondAfterTheLastMessage() {
        var rig = rig(publishing: .joystick)
        for message in 0..<50 {
            rig.go(to: 1000 + Double(message) * 20)
            rig.publish(.joystick)
        }
        XCTAssertNotNil(rig.evidence.score)
        rig.go(to: 2979.999)
        XCTAssertEqual(rig.evidence.connections, 1)
        XCTAssertEqual(rig.detector.deadline, min(ZMQRig.at(2980), rig.detector.deadline!))
        rig.detector.advance(to: ZMQRig.at(2980))
        XCTAssertTrue(rig.detector.hasNews)
        rig.now = ZMQRig.at(2980)
        XCTAssertEqual(rig.evidence, .none)
        XCTAssertEqual(rig.detector.figures(at: rig.now), .init())
        XCTAssertEqual(rig.changes().map(\.isEstablished), [true, false])
    }

    func testRates() {
        let table: [(String, [Double], Double)] = [
            ("two are no rate", [0, 20], 0), ("three at once are no rate", [0, 0, 0], 0), ("three at once and one", [0, 0, 0, 20], 50),
            ("two at once and one", [0, 0, 20], 50), ("bunches", [0, 0, 0, 60, 60, 60, 120, 120, 120], 50),
            ("10 Hz", (0..<10).map { Double($0) * 100 }, 10),
            ("200 Hz", (0..<600).map { Double($0) * 5 }, 200), ("1000 Hz", (0..<3000).map { Double($0) }, 1000),
            ("two a second", (0..<8).map { Double($0) * 500 }, 0), ("a pause", [0, 20, 40, 5000], 0),
        ]
        for (name, times, expected) in table {
            var rig = rig(publishing: .controlCommands)
            for time in times {
                rig.go(to: 1000 + time)
                rig.publish(.controlCommands)
            }
            XCTAssertEqual(rig.detector.figures(at: rig.now).commandRateHz, expected, accuracy: 0.02 * expected + 1e-9, name)
        }
    }

    func testTenHertzIsNotEnoughAndTheSumOfControlFlowsCounts() {
        var rig = rig(publishing: .controlCommands, .joystick)
        for message in 0..<30 {
            rig.go(to: 1000 + Double(message) * 100)
            rig.publish(.controlCommands)
        }
        XCTAssertNil(rig.evidence.score, "exactly 10")
        for message in 30..<60 {
            rig.go(to: 1000 + Double(message) * 100)
            rig.publish(.controlCommands)
            rig.publish(.joystick)
        }
        XCTAssertEqual(rig.evidence, Evidence(score: 85, reason: "ZMQ: 20.0 Hz", operators: ["unknown"], connections: 2))
    }

    func testAPublisherThatSlowsDownLosesItsScore() {
        var rig = rig(publishing: .controlCommands)
        for message in 0..<50 {
            rig.go(to: 1000 + Double(message) * 20)
            rig.publish(.controlCommands)
        }
        XCTAssertNotNil(rig.evidence.score)
        for message in 0..<5 {
            rig.go(to: 2480 + Double(message) * 500)
            rig.publish(.controlCommands)
            if rig.evidence.score == nil { break }
        }
        XCTAssertEqual(rig.evidence, Evidence(score: nil, reason: "", operators: [], connections: 1))
        XCTAssertLessThanOrEqual(rig.now, ZMQRig.at(3480))
    }

    func testFeedbackGivesNoScore() {
        var rig = rig(publishing: .stateFeedback)
        for message in 0..<50 {
            rig.go(to: 1000 + Double(message) * 20)
            rig.publish(.stateFeedback, #"{"operator":"robot","cmd":"estop"}"#)
        }
        XCTAssertEqual(rig.evidence, Evidence(score: nil, reason: "", operators: [], connections: 1))
        XCTAssertNil(rig.detector.nextCommand())
        XCTAssertFalse(rig.detector.figures(at: rig.now).hasControlFlow)
        XCTAssertEqual(rig.changes().first?.operatorName, "robot")
    }

    func testOperators() {
        var rig = rig(publishing: .controlCommands)
        func send(_ range: Range<Int>, _ text: (Int) -> String) {
            for message in range {
                rig.go(to: 1000 + Double(message) * 20)
                rig.publish(.controlCommands, text(message))
            }
        }
        send(0..<5) { _ in #"{"cmd":"move"}"# }
        XCTAssertEqual(rig.evidence.operators, ["unknown"])
        send(5..<6) { _ in #"{"cmd":"move","operator":"alice"}"# }
        XCTAssertTrue(rig.detector.hasNews, "a name is news")
        send(6..<200) { _ in #"{"cmd":"move"}"# }
        XCTAssertEqual(rig.evidence.operators, ["alice"], "kept until the flow ends")
        rig.news = 0
        send(200..<300) { #"{"cmd":"move","operator":"\#($0 % 2 == 0 ? "bob" : "carol")"}"# }
        XCTAssertEqual(rig.evidence.operators, ["bob", "carol"], "two that take turns are both there")
        send(300..<400) { #"{"operator":"\#($0 % 2 == 0 ? "bob" : "carol")"}"# }
        XCTAssertLessThan(rig.news, 10, "and do not come and go")
        send(400..<460) { _ in #"{"operator":"bob"}"# }
        XCTAssertEqual(rig.evidence.operators, ["bob"], "the other one is gone")
        rig.go(to: 20_000)
        send(1000..<1005) { _ in "x" }
        XCTAssertEqual(rig.evidence.operators, ["unknown"], "a new flow")
    }

    func testEmergencyStopAndModeAtMostOnceASecondEach() {
        var rig = rig(publishing: .controlCommands)
        var commands: [ZMQDetector.Command] = []
        for message in 0..<100 {
            rig.go(to: 1000 + Double(message) * 20)
            rig.publish(.controlCommands, message % 2 == 0 ? #"{"cmd":"estop","operator":"a"}"# : #"{"type":"set_mode"}"#)
            while let command = rig.detector.nextCommand() { commands.append(command) }
        }
        let stop = ZMQDetector.Command(isEmergencyStop: true, operatorName: "a", text: "estop")
        let mode = ZMQDetector.Command(isEmergencyStop: false, operatorName: "a", text: "set_mode")
        XCTAssertEqual(commands, [stop, mode, stop, mode])
    }

    func testPatternAndBothDirections() {
        var rig = rig(publishing: .controlCommands, .stateFeedback)
        for message in 0..<110 {
            rig.go(to: 1000 + Double(message) * 20)
            rig.publish(.controlCommands)
            if message == 50 { XCTAssertNil(rig.detector.pattern(at: rig.now), "not for 2 s") }
        }
        XCTAssertEqual(rig.detector.pattern(at: rig.now), "teleoperation")
        XCTAssertFalse(rig.detector.isBidirectional(at: rig.now))
        rig.publish(.stateFeedback, "state")
        XCTAssertTrue(rig.detector.isBidirectional(at: rig.now))
        XCTAssertNil(rig.detector.pattern(at: rig.now + .seconds(1)))
        XCTAssertFalse(rig.detector.isBidirectional(at: rig.now + .seconds(1)))
    }

    func testFigures() {
        var rig = rig(publishing: .controlCommands, .telemetry)
        for message in 0..<200 {
            rig.go(to: 1000 + Double(message) * 10)
            rig.publish(.controlCommands, String(repeating: "x", count: 1250))
            rig.publish(.telemetry, String(repeating: "x", count: 1250))
        }
        rig.detector.roundTrip(.controlCommands, .milliseconds(3))
        rig.detector.roundTrip(.telemetry, .milliseconds(30))
        let figures = rig.detector.figures(at: rig.now)
        XCTAssertEqual(figures.megabitsPerSecond, 2, accuracy: 0.1)
        XCTAssertEqual(figures.commandRateHz, 100, accuracy: 1)
        XCTAssertEqual(figures.roundTripMs, 3)
    }

    func testAConnectionThatEndsIsTriedAgainAndItsFlowLastsItsSecond() {
        var rig = rig(publishing: .controlCommands)
        for message in 0..<10 {
            rig.go(to: 1000 + Double(message) * 20)
            rig.publish(.controlCommands)
        }
        rig.actions = []
        rig.detector.disconnected(.controlCommands, at: rig.now)
        XCTAssertNotNil(rig.evidence.score)
        rig.go(to: 1230)
        XCTAssertEqual(rig.actions.count { if case .connect(.controlCommands, _) = $0 { true } else { false } }, 1)
        rig.publish(.controlCommands)
        XCTAssertNotNil(rig.evidence.score)
    }

    func testGarbageClosesAndSaysSoOnce() {
        var rig = rig(publishing: .controlCommands)
        rig.actions = []
        for second in 1..<20 {
            rig.receive(.controlCommands, [0xFF, 0xFF])
            rig.go(to: Double(second) * 1000)
        }
        XCTAssertGreaterThan(rig.actions.count { $0 == .close(.controlCommands) }, 10)
        XCTAssertEqual(rig.actions.count { if case .log = $0 { true } else { false } }, 1)
    }

    func testAFlowIsOverAlsoWhenTheTimeIsToldLate() {
        var rig = rig(publishing: .controlCommands)
        rig.now = ZMQRig.at(1000)
        rig.publish(.controlCommands, "operator:early")
        rig.now = ZMQRig.at(2000)
        rig.publish(.controlCommands, "operator:late")
        XCTAssertEqual(rig.changes().map { "\($0.operatorName) \($0.isEstablished)" }, ["early true", "early false", "late true"])
    }

    func testAFloodOfPingsCrowdsNothingOut() {
        var rig = rig(publishing: .controlCommands, .joystick)
        for _ in 0..<1000 { rig.receive(.controlCommands, ZMTPRecordings.ping) }
        rig.receive(.joystick, [0xFF, 0xFF])
        rig.actions = []
        rig.settle()
        XCTAssertTrue(rig.actions.contains(.close(.joystick)))
        XCTAssertEqual(rig.actions.count { if case .send = $0 { true } else { false } }, 64)
    }
}
