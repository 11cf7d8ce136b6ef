import Contracts
import Robot
import Teleop
import Wire
import XCTest

/// What goes through a signalling server and along an operator's channel (specs: teleop-client clauses 4 and 8).
final class PairingContractsTests: XCTestCase {
    private func read(_ text: String) throws -> SignalMessage? {
        let bytes = Array(text.utf8)
        return try SignalMessage.read(bytes.span)
    }

    func testPlainMessagesAreUnderstood() throws {
        XCTAssertEqual(
            try read(#"{"type":"offer","offer":{"type":"offer","sdp":"v=0"}}"#), SignalMessage(.offer(sdp: "v=0", interval: nil)))
        XCTAssertEqual(
            try read(#"{"type":"answer","answer":{"type":"answer","sdp":"v=0"}}"#), SignalMessage(.answer(sdp: "v=0", drives: nil)))
        let line = "candidate:1 1 udp 2113937151 192.0.2.1 54321 typ host"
        XCTAssertEqual(
            try read(#"{"type":"candidate","candidate":{"candidate":"\#(line)","sdpMid":"0","sdpMLineIndex":0}}"#),
            SignalMessage(.candidate(SignalCandidate(line, mid: "0", line: 0))))
    }

    func testReadingIsLenient() throws {
        XCTAssertEqual(try read(#"{"type":"offer","sdp":"v=0","more":[1]}"#), SignalMessage(.offer(sdp: "v=0", interval: nil)))
        let cases: [(String, SignalCandidate)] = [
            (#"{"candidate":"c","sdpMLineIndex":"1"}"#, SignalCandidate("c", line: 1)),
            (#"{"candidate":"c","sdpMid":0}"#, SignalCandidate("c", mid: "0")),
            (#"{"candidate":"c","usernameFragment":"u"}"#, SignalCandidate("c", fragment: "u")),
            (#"{"candidate":"c typ host ufrag u"}"#, SignalCandidate("c typ host ufrag u", fragment: "u")),
            (#"{"candidate":""}"#, SignalCandidate("")), (#"{"candidate":null}"#, SignalCandidate("")), ("null", SignalCandidate("")),
        ]
        for (text, expected) in cases {
            XCTAssertEqual(try read(#"{"type":"candidate","candidate":\#(text)}"#), SignalMessage(.candidate(expected)), text)
        }
    }

    func testUnknownTypesAreSomebodyElses() throws {
        for text in [#"{"type":"chat","text":"hello"}"#, "{}", #"{"type":3}"#, #"{"type":"ready","role":"cat"}"#] {
            XCTAssertNil(try read(text), text)
        }
    }

    func testKnownTypesWithoutAUsableBodyAreErrors() {
        XCTAssertNoThrow(try read(#"{"type":"candidate","candidate":"\#(String(repeating: "c", count: 1024))"}"#))
        XCTAssertThrowsError(try read(#"{"type":"candidate","candidate":"\#(String(repeating: "c", count: 1025))"}"#), "64 are kept")
        for text in ["[]", "nonsense", #"{"type":"offer"}"#, #"{"type":"answer","answer":7}"#, #"{"type":"candidate","candidate":7}"#] {
            XCTAssertThrowsError(try read(text), text)
        }
    }

    func testOurMessagesAreReadAsTheyWereSaid() throws {
        let messages = [
            SignalMessage(.offer(sdp: "v=0", interval: 0.5), from: "a", to: "b", session: "s"),
            SignalMessage(.answer(sdp: "v=0", drives: "Rover"), from: "a", to: "b", session: "s"),
            SignalMessage(.candidate(SignalCandidate("candidate:1", mid: "0", line: 0, fragment: "u")), from: "a", session: "s"),
            SignalMessage(.ready(.robot), from: "a"), SignalMessage(.ready(.operator), from: "a", to: "b"),
            SignalMessage(.busy, from: "a", to: "b", session: "s"), SignalMessage(.bye, from: "a", session: "s"),
        ]
        for message in messages { XCTAssertEqual(try read(message.json.description), message) }
    }

    func testAnOfferIsWrittenAsPlainPeersReadIt() throws {
        let message = SignalMessage(.offer(sdp: "v=0\r\n", interval: nil), from: "a", session: "s")
        XCTAssertEqual(
            message.json.description, #"{"type":"offer","offer":{"type":"offer","sdp":"v=0\r\n"},"from":"a","session":"s"}"#)
    }

    // MARK: The channel

    private func action(_ text: String) -> ActionMessage? {
        let bytes = Array(text.utf8)
        return ActionMessage.read(bytes.span)
    }

    func testNumbersAndTextsOfNumbersAreEqual() {
        let half = ActionMessage.motion(x: 0.5, y: -0.25, stamp: nil)
        for text in [#"{"x":0.5,"y":-0.25}"#, #"{"x":"0.5","y":"-0.25"}"#, #"{"x":"5e-1","y":-25e-2,"z":7}"#] {
            XCTAssertEqual(action(text), half, text)
        }
        XCTAssertEqual(action(#"{"x":7,"y":"-9e9"}"#), .motion(x: 1, y: -1, stamp: nil), "clamped")
    }

    func testWhatIsNoMotionIsNotDriven() {
        for text in [#"{"x":0.5}"#, #"{"x":"","y":0}"#, #"{"x":"inf","y":0}"#, #"{"x":"nan","y":0}"#, #"{"x":null,"y":0}"#, "{}"] {
            XCTAssertEqual(action(text), .other, text)
        }
        for text in ["hello", "[1,2]", "7", "", "{"] { XCTAssertNil(action(text), text) }
        XCTAssertEqual(action(#"{"type":"estop"}"#), .emergencyStop)
        XCTAssertEqual(action(#"{"type":"clear"}"#), .clearEmergencyStop(epoch: nil))
        XCTAssertEqual(action(ActionMessage.clear(epoch: 7).description), .clearEmergencyStop(epoch: 7))
    }

    func testAStampIsWholeOrNone() {
        let stamp = DriveCommand.Stamp(epoch: 3, sequence: 9, sent: 12.5, seen: 90_000, isHeld: true)
        XCTAssertEqual(
            action(#"{"x":0,"y":1,"epoch":3,"seq":9,"t":12.5,"seen":90000,"hold":true}"#), .motion(x: 0, y: 1, stamp: stamp))
        XCTAssertEqual(action(#"{"x":0,"y":1,"epoch":3,"seq":9}"#), .motion(x: 0, y: 1, stamp: nil))
        XCTAssertEqual(action(#"{"x":0,"y":1,"epoch":-3,"seq":9,"t":1,"hold":true}"#), .motion(x: 0, y: 1, stamp: nil))
    }

    func testMotionIsWrittenWithTwoDecimals() {
        let cases: [(Double, String)] = [
            (0.42, "0.42"), (0, "0.00"), (1, "1.00"), (-0.005, "-0.01"), (0.999, "1.00"), (0.05, "0.05"), (-1, "-1.00"), (-0.001, "0.00"),
        ]
        for (value, text) in cases {
            XCTAssertEqual(ActionMessage.motion(x: value, y: 0, .string).description, #"{"x":"\#(text)","y":"0.00"}"#)
        }
        XCTAssertEqual(ActionMessage.motion(x: 0.5, y: -1, .number).description, #"{"x":0.5,"y":-1}"#)
    }

    func testTheStatusIsReadAsItWasSaid() {
        let status = DriveStatus(
            epoch: 4, mayDrive: true, motion: "stopped", reason: "silence", isLatched: false, needsRest: true, refused: "rest")
        let bytes = Array(status.json.description.utf8)
        XCTAssertEqual(DriveStatus.read(bytes.span), status)
        let other = Array(#"{"x":1,"y":1}"#.utf8)
        XCTAssertNil(DriveStatus.read(other.span))
    }
}
