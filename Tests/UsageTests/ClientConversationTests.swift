import Usage
import Wire
import XCTest

/// Section 5: what a WebSocket client says, and is answered.
final class ClientConversationTests: XCTestCase {
    private let clock = WallClock(microsecondsAtOrigin: 1_772_600_767_123_456)
    private var client = ClientConversation()
    private var state = TeleoperationState()

    private func reply(_ text: String, at now: Instant = .zero) -> JSON? {
        guard case .reply(let bytes) = client.received(Array(text.utf8).span, state, clock, at: now) else { return nil }
        return try? JSON(parsing: bytes.span)
    }

    func testReplies() {
        let time = JSON.string("2026-03-04T05:06:07.123456+00:00")
        XCTAssertEqual(reply(#"{"type":"ping"}"#), ["type": "pong", "timestamp": time])
        XCTAssertEqual(
            reply(#"{"type":"subscribe","topics":["a","alerts"]}"#), ["type": "subscribed", "topics": ["a", "alerts"], "timestamp": time])
        XCTAssertEqual(reply(#"{"type":"unsubscribe","topics":["a"]}"#), ["type": "unsubscribed", "topics": ["a"], "timestamp": time])
        XCTAssertEqual(reply("nonsense"), ["type": "error", "message": "Invalid JSON", "timestamp": time])
        for text in ["[]", "3", "null", "{}", #"{"type":3}"#] {
            XCTAssertEqual(reply(text), ["type": "error", "message": "Invalid message", "timestamp": time], text)
        }
        for text in [#"{"type":"subscribe"}"#, #"{"type":"subscribe","topics":"a"}"#, #"{"type":"subscribe","topics":[1]}"#] {
            XCTAssertEqual(reply(text), ["type": "error", "message": "topics must be a list of strings", "timestamp": time], text)
        }
        XCTAssertNil(reply(#"{"type":"dance"}"#))
    }

    func testStateIsGivenBothNestedAndFlat() {
        state.operators = ["anna"]
        let answer = reply(#"{"type":"get_state"}"#)
        XCTAssertEqual(answer?["type"], "state_update")
        XCTAssertEqual(answer?["data"]?["state"]?.description, state.json.description)
        XCTAssertEqual(answer?["data"]?["changes"], [])
        XCTAssertEqual(answer?["data"]?["operators"], ["anna"])
        XCTAssertEqual(answer?["data"]?["metrics"]?["fps"]?.double, 0)
    }

    func testMoreThanFiftyASecondIsTooMany() {
        for _ in 0..<50 { XCTAssertNotNil(reply(#"{"type":"ping"}"#)) }
        XCTAssertEqual(client.received(Array("{}".utf8).span, state, clock, at: .zero + .milliseconds(999)), .tooMany)
        client = ClientConversation()
        for message in 0..<500 { XCTAssertNotNil(reply(#"{"type":"ping"}"#, at: .zero + .milliseconds(20 * message)), "\(message)") }
    }
}
