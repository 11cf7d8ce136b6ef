import Usage
import Wire
import XCTest

/// Real sessions of another implementation, replayed packet by packet.
final class WebRTCCaptureTests: XCTestCase {
    private struct Outcome {
        /// Numbers of packets, counted from 0.
        var validated: Int?
        var active: Int?
        /// After the last packet.
        var over: Duration?
        /// Half a second before the end.
        var figures = WebRTCDetector.Figures()
        var changes: [ConnectionChange] = []
    }

    private func replay(_ name: String) throws -> Outcome {
        let records = try Capture(named: name).records
        let end = try XCTUnwrap(records.last).at
        var detector = WebRTCDetector(ports: .init(), excluding: [5555]), outcome = Outcome()
        for (index, record) in records.enumerated() {
            let bytes = record.bytes.span
            guard let packet = Packet(parsing: bytes, wireLength: record.wireLength, isOutgoing: false, interface: 1) else { continue }
            detector.observe(packet, payload: bytes.extracting(packet.payloadOffset..<bytes.count), at: record.at)
            if record.at < end - .milliseconds(500) { outcome.figures = detector.figures(at: record.at) }
            if let question = detector.nextQuestion() {
                XCTAssertNil(outcome.validated, "validated twice")
                outcome.validated = index
                detector.answer(question, local: nil, far: FlowOwner(pid: 1, process: "python3", operatorID: "ada"))
            }
            if detector.hasNews, detector.evidence(at: record.at).score == 90, outcome.active == nil { outcome.active = index }
        }
        while let due = detector.deadline {
            detector.advance(to: due)
            if detector.hasNews, detector.evidence(at: due) == .none, outcome.over == nil { outcome.over = due - end }
        }
        while let change = detector.nextChange() { outcome.changes.append(change) }
        return outcome
    }

    /// Which packets are which is told in the README beside the recordings.
    func testRealSessionsBeginWithTheirThirdRecordAndEndWithTheirAlert() throws {
        for name in ["webrtc-media.packets", "webrtc-channel.packets"] {
            let outcome = try replay(name)
            XCTAssertEqual(outcome.validated, 1, "the answer to the first binding, \(name)")
            XCTAssertEqual(outcome.active, 12, name)
            XCTAssertEqual(outcome.changes.map { "\($0.isEstablished) \($0.operatorName)" }, ["true ada", "false ada"], name)
            XCTAssertLessThanOrEqual(try XCTUnwrap(outcome.over, name), .milliseconds(200), name)
        }
    }

    func testWhatIsMeasuredOfARealSession() throws {
        let media = try replay("webrtc-media.packets").figures, channel = try replay("webrtc-channel.packets").figures
        XCTAssertEqual(try XCTUnwrap(media.framesPerSecond), 30, accuracy: 2)
        XCTAssertEqual(media.lossPct, 0)
        XCTAssertLessThan(try XCTUnwrap(media.roundTripMs), 1)
        XCTAssertGreaterThan(media.megabitsPerSecond, 0.1)
        XCTAssertFalse(channel.hasVideo)
        XCTAssertNil(channel.lossPct)
        // 20 messages a second of some 90 bytes, and what acknowledges them.
        XCTAssertEqual(channel.megabitsPerSecond, 0.025, accuracy: 0.01)
    }
}
