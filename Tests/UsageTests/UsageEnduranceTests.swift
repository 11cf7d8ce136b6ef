import Usage
import Wire
import XCTest

/// Spec section 17: a day of work in accelerated time leaves nothing behind.
final class UsageEnduranceTests: XCTestCase {
    /// An operator comes every ten minutes for a few seconds, by ZeroMQ and gamepad, each time from another port and under another name.
    func testADayLeavesNothingBehind() {
        var rig = ZMQRig(), input = InputDetector()
        let pad = InputDetector.Description(path: "/dev/input/event5", axes: [0: 0...255, 1: 0...255], keys: [0x130])
        rig.go(to: 0)
        var sizes: [Int] = [], evidences = 0
        for visit in 0..<144 {
            let start = Double(visit) * 600_000
            rig.isOpen = visit % 2 == 0 ? [.controlCommands, .stateFeedback] : [.controlCommands]
            rig.go(to: start + 1000)
            XCTAssertTrue(input.added(visit, pad, at: rig.now))
            var tap = TCPTap(.init(IPAddress(192, 0, 2, 1), 5559), .init(IPAddress(192, 0, 2, 9), 1024 + UInt16(visit)))
            tap.open(&rig, service: "PULL", client: "PUSH")
            for message in 0..<150 {
                rig.go(to: start + 1000 + Double(message) * 20)
                rig.publish(.controlCommands, #"{"cmd":"move","operator":"op\#(visit)"}"#)
                tap.send(.client, ZMTPRecordings.frame(#"{"cmd":"joint"}"#), &rig)
                input.received(visit, event(message).span, at: rig.now)
                if message % 5 == 0 {
                    evidences += rig.evidence.score == nil ? 0 : 1
                    _ = input.evidence(at: rig.now)
                }
            }
            XCTAssertEqual(rig.evidence.operators, ["op\(visit)", "unknown"])
            XCTAssertEqual(input.evidence(at: rig.now).score, 85)
            for flow in rig.isOpen { rig.detector.disconnected(flow, at: rig.now) }
            rig.isOpen = []
            rig.go(to: start + 8000)
            input.advance(to: rig.now)
            XCTAssertEqual(rig.evidence, .none)
            XCTAssertEqual(input.evidence(at: rig.now), .none)
            input.removed(visit, at: rig.now)
            rig.actions = []
            _ = rig.changes()
            while input.nextChange() != nil {}
            sizes.append(rig.detector.stateCount)
            // The retries of the rest of the ten minutes are all the same.
            rig.now = ZMQRig.at(start + 599_000)
        }
        XCTAssertGreaterThan(evidences, 144 * 25)
        XCTAssertEqual(sizes.first, 1, "the one connection whose end was not seen")
        XCTAssertEqual(sizes.last, 144, "below the limit of connections; nothing else is kept")
        XCTAssertEqual(rig.detector.displaced, 0)
    }

    /// Ten thousand connections whose end nobody saw.
    func testTablesStayAtTheirLimits() {
        var rig = ZMQRig()
        rig.go(to: 0)
        for number in 0..<10_000 {
            rig.go(to: Double(number) * 8640)
            var tap = TCPTap(.init(IPAddress(192, 0, 2, 1), 5555), .init(IPAddress(192, 0, UInt8(number >> 8), UInt8(number & 255)), 4000))
            tap.open(&rig, service: "PULL", client: "PUSH")
            tap.send(.client, ZMTPRecordings.frame("move"), &rig)
            XCTAssertLessThanOrEqual(rig.detector.stateCount, ZMQDetector.connectionLimit + 8)
            _ = rig.changes()
            rig.actions = []
        }
        XCTAssertEqual(rig.detector.displaced, 10_000 - ZMQDetector.connectionLimit)
    }

    private func event(_ step: Int) -> [UInt8] {
        Array(repeating: 0, count: 16) + [3, 0, 0, 0, step % 2 == 0 ? 0 : 255, 0, 0, 0] + Array(repeating: 0, count: 24)
    }
}
