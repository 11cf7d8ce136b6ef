import Usage
import Wire
import XCTest

final class WebRTCNameTests: XCTestCase {
    private let ada = FlowOwner(pid: 7, process: "robot", operatorID: "ada", user: "pi")
    private let user = FlowOwner(pid: 8, process: "python3", user: "bob")

    private func start(_ scene: inout Scene) -> FlowKey? {
        for n in 0..<10 { scene.receive(Bytes.rtp(n)) }
        return scene.detector.nextQuestion()
    }

    func testWhomAConnectionIsNamedAfter() throws {
        let remote = "operator_192.0.2.7", within = "operator_127.0.0.1"
        let cases: [(isLoopback: Bool, local: FlowOwner?, far: FlowOwner?, exact: String?, expected: String)] = [
            (false, ada, nil, nil, "ada"), (false, user, nil, nil, remote), (false, nil, nil, nil, remote), (false, ada, nil, "eve", "eve"),
            (true, user, user, nil, "bob"), (true, user, ada, nil, "ada"), (true, ada, user, nil, "ada"), (true, user, nil, nil, within),
            (true, nil, user, "eve", "eve"),
            (false, FlowOwner(pid: 1, process: "x", operatorID: "\u{1B}[1m\n"), nil, nil, "[1m"),
            (false, FlowOwner(pid: 1, process: "x", operatorID: "\n"), nil, nil, remote),
            (
                false, FlowOwner(pid: 1, process: "x", operatorID: String(repeating: "é", count: 100)), nil, nil,
                String(repeating: "é", count: 64)
            ),
        ]
        for (isLoopback, local, far, exact, expected) in cases {
            var scene = isLoopback ? Scene.onLoopback() : Scene()
            if let exact { scene.detector.setNames([scene.remote: exact]) }
            let question = try XCTUnwrap(start(&scene))
            XCTAssertEqual(question, FlowKey(.udp, local: scene.local, remote: scene.remote))
            scene.detector.answer(question, local: local, far: far)
            XCTAssertEqual(scene.operators, [expected])
            XCTAssertEqual(scene.changes().map(\.operatorName), [expected])
        }
    }

    func testAnAnswerThatIsSoonToComeIsWaitedFor() throws {
        var scene = Scene()
        let question = try XCTUnwrap(start(&scene))
        XCTAssertTrue(scene.isActive, "the score does not wait")
        XCTAssertEqual(scene.operators, [])
        XCTAssertTrue(scene.changes().isEmpty)
        scene.wait(.milliseconds(40))
        scene.detector.answer(question, local: ada, far: nil)
        XCTAssertTrue(scene.detector.hasNews)
        let change = try XCTUnwrap(scene.changes().first)
        XCTAssertEqual(
            change,
            ConnectionChange(
                kind: .webrtc, isEstablished: true, local: "192.168.1.10:40000", remote: "192.0.2.7:50000", operatorName: "ada"))
    }

    func testAnAnswerThatDoesNotComeIsNotWaitedForLonger() throws {
        var scene = Scene()
        let question = try XCTUnwrap(start(&scene))
        scene.wait(.milliseconds(50))
        XCTAssertTrue(scene.detector.hasNews)
        XCTAssertEqual(scene.changes().map(\.operatorName), ["operator_192.0.2.7"])
        XCTAssertEqual(scene.operators, ["operator_192.0.2.7"])
        scene.detector.answer(question, local: ada, far: nil)
        XCTAssertTrue(scene.detector.hasNews)
        XCTAssertEqual(scene.operators, ["ada"])
        scene.wait(.seconds(3))
        XCTAssertEqual(scene.changes().map { "\($0.isEstablished) \($0.operatorName)" }, ["false operator_192.0.2.7"])
    }

    func testAConnectionThatEndsBeforeItsAnswerIsToldOfWhole() {
        var scene = Scene()
        for _ in 0..<3 { scene.send(Bytes.dataRecord, after: .microseconds(1)) }
        scene.wait(.seconds(3))
        XCTAssertEqual(scene.changes().map(\.isEstablished), [true, false])
        scene.detector.answer(FlowKey(.udp, local: scene.remote, remote: scene.local), local: ada, far: nil)
        XCTAssertFalse(scene.isActive)
    }

    func testOnLoopbackTheRelaysEndIsLocalAndElseTheFirstReceivers() throws {
        var scene = Scene.onLoopback()
        scene.local.port = 3478
        scene.send(Bytes.stun(0x0001, id: 3))
        scene.receive(Bytes.stun(0x0101, id: 3))
        XCTAssertEqual(scene.questions(), [FlowKey(.udp, local: scene.local, remote: scene.remote)])
        var first = Scene.onLoopback()
        first.send(Bytes.stun(0x0001, id: 3))
        first.receive(Bytes.stun(0x0101, id: 3))
        XCTAssertEqual(first.questions(), [FlowKey(.udp, local: first.remote, remote: first.local)])
    }

    func testNamesThatAreKnownForCertainComeAtOnce() throws {
        var scene = Scene()
        let question = try XCTUnwrap(start(&scene))
        scene.detector.answer(question, local: ada, far: nil)
        XCTAssertEqual(scene.operators, ["ada"])
        scene.detector.setNames([scene.remote: "grace"])
        XCTAssertTrue(scene.detector.hasNews)
        XCTAssertEqual(scene.operators, ["grace"])
        scene.detector.setNames([:])
        XCTAssertEqual(scene.operators, ["ada"])
    }
}
