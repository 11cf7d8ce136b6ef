import Usage
import Wire
import XCTest

/// Spec section 8.2: who sends a control message, and what it is for.
final class MessageInspectorTests: XCTestCase {
    private func inspect(_ parts: [String]) -> MessageInspector.Finding {
        var inspector = MessageInspector()
        return inspector.inspect(ZMQMessage(parts: parts.map { Array($0.utf8) }))
    }

    func testOperator() {
        let table: [(String, [String], String?)] = [
            ("first key", [#"{"operator":"alice"}"#], "alice"),
            ("its order counts", [#"{"source":"s","user":"u","operator_id":"o"}"#], "o"),
            ("the last", [#"{"source":"pad"}"#], "pad"), ("user_id", [#"{"user_id":"u7","x":1}"#], "u7"),
            ("a number", [#"{"user_id":42}"#], "42"),
            ("empty ones are passed over", [#"{"operator":"","user":" ","source":"s"}"#], "s"),
            ("others are no name", [#"{"operator":null,"operator_id":true,"user":{"a":1},"user_id":[1],"source":"s"}"#], "s"),
            ("white space", ["  {\n \"x\" : [1, {\"operator\":\"no\"}] ,\t\"operator\" : \"yes\" }"], "yes"),
            ("below the top it is another's", [#"{"a":{"operator":"no"}}"#], nil),
            ("in a string it is text", [#"{"a":"\"operator\":\"no\""}"#], nil),
            ("escapes in a name", [#"{"operator":"J\u00fcrgen \"J\" \ud83d\ude80\n"}"#], "Jürgen \"J\" 🚀"),
            ("escapes in a key", [#"{"\u006fperator":"k"}"#], "k"), ("keys have a case", [#"{"Operator":"k"}"#], nil),
            ("half a pair", [#"{"operator":"a\ud83dz"}"#], "a\u{FFFD}z"),
            ("control characters", ["{\"operator\":\"a\\u0007\\u009bb\u{202E}c\"}"], "abc"),
            ("in any frame", ["topic", #"{"cmd":"move"}"#, #"{"operator":"third"}"#], "third"),
            ("a topic before it", [#"control {"cmd":"move","operator":"p"}"#], "p"), ("text", ["move x=1 operator:bob, fast"], "bob"),
            ("text with space and quotes", [#"operator: "bob"; x"#], "bob"), ("a word of its own", ["cooperator:bob"], nil),
            ("any case", ["Operator:bob"], "bob"), ("JSON counts before text", ["operator:text", #"{"operator":"json"}"#], "json"),
            ("no JSON", ["{operator:bob}"], "bob"), ("nobody", ["hello"], nil), ("nothing", [""], nil), ("no part", [], nil),
            ("cut off", [#"{"operator":"whole","user":"hal"#], "whole"), ("cut inside", [#"{"operator":"hal"#], nil),
        ]
        for (name, parts, expected) in table { XCTAssertEqual(inspect(parts).operatorName, expected, name) }
        XCTAssertEqual(
            inspect([#"{"operator":""# + String(repeating: "ä", count: 100) + #""}"#]).operatorName, String(repeating: "ä", count: 64))
    }

    func testCommand() {
        let table: [(String, [String], CommandType?)] = [
            ("cmd", [#"{"cmd":"move"}"#], .movement), ("type", [#"{"type":"STOP"}"#], .stop),
            ("type first", [#"{"cmd":"move","type":"halt"}"#], .stop),
            ("an unknown type leaves cmd", [#"{"type":"command","cmd":"estop"}"#], .emergencyStop),
            ("emergency_stop", [#"{"cmd":"emergency_stop"}"#], .emergencyStop), ("set_mode", [#"{"cmd":"set_mode","mode":"auto"}"#], .mode),
            ("a word", [#"{"x.vel":0.1,"y.vel":0}"#], .movement), ("the first word", ["stop arm"], .stop),
            ("the topic", ["cmd_vel", "\u{1}\u{2}"], .movement),
            ("words are whole", ["army movement vels stops"], nil),
            ("what is denied is not said", [#"{"estop":false,"stop": 0,"joint":1}"#], .movement),
            ("nor with null", [#"{"mode":null}"#], nil), ("a mode", [#"{"mode":"manual"}"#], .mode),
            ("text", ["ESTOP now"], .emergencyStop),
            ("stop=1", ["stop=1"], .stop), ("stop=0", ["stop=0"], nil), ("nothing", [#"{"x":1}"#], nil),
        ]
        for (name, parts, expected) in table { XCTAssertEqual(inspect(parts).command, expected, name) }
        for word in ["move", "drive", "velocity", "vel", "cmd_vel", "twist", "joystick", "joint", "arm", "gripper", "base"] {
            XCTAssertEqual(inspect([#"{"type":"\#(word)"}"#]), .init(command: .movement, word: word))
            XCTAssertEqual(inspect(["a \(word), b"]).command, .movement)
        }
    }

    func testWhatWasCapturedOfASegment() {
        var inspector = MessageInspector()
        let message = ZMTPRecordings.frame(#"{"cmd":"drive","operator":"carol","speed":0.25,"angle":1.0,"stamp":1700000000.123456,"more":"#)
        let finding = inspector.inspect(Array(message.prefix(90)).span)
        XCTAssertEqual(finding, .init(operatorName: "carol", command: .movement, word: "drive"))
    }

    func testTheSameInspectorForEveryMessage() {
        var inspector = MessageInspector()
        func name(_ text: String) -> String? { inspector.inspect(ZMQMessage(parts: [Array(text.utf8)])).operatorName }
        XCTAssertEqual(name(#"{"operator":"a\u0062"}"#), "ab")
        XCTAssertEqual(name(#"{"operator":"a\u0062"}"#), "ab")
        XCTAssertEqual(name(#"operator:a\u0062"#), #"a\u0062"#, "no escapes in text")
        XCTAssertEqual(name(#"{"operator":"b"}"#), "b")
        XCTAssertNil(name(#"{"operator":""}"#))
    }

    /// Nothing that is sent makes it trap; seed 3.
    func testAnyBytes() {
        var random = SeededRandom(seed: 3), inspector = MessageInspector()
        let alphabet = Array("{}[]\",:\\u0operatorstopmode e-1.".utf8)
        for _ in 0..<20_000 {
            let bytes = (0..<Int(random.next() % 60)).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }
            if let name = inspector.inspect(bytes.span).operatorName { XCTAssertFalse(name.isEmpty, "seed 3") }
        }
    }
}
