import Service
import XCTest

final class UsageProxyTests: XCTestCase {
    func testOnlyWhatAMonitorAnswersIsShown() {
        for (body, page, isShown) in [
            (#"{"status":"running","state":{"teleoperation_active":false}}"#, UsageProxy.Page.status, true),
            (#"{"status":"running","state":{}}"#, .status, false), (#"{"status":"ok"}"#, .status, false), ("[]", .status, false),
            ("", .status, false), (#"{"alerts":[]}"#, .alerts, true),
            (#"{"alerts":[{"metric":"fps","severity":"warning"}]}"#, .alerts, true),
            (#"{"alerts":[{"secret":1}]}"#, .alerts, false), (#"{"alerts":{}}"#, .alerts, false), ("hello", .alerts, false),
        ] {
            XCTAssertEqual(UsageProxy.isMonitors(Array(body.utf8).span, page), isShown, body)
        }
    }

    func testOnlyAMonitorsConversationIsRelayed() {
        for (message, isRelayed) in [
            (#"{"type":"initial_state","data":{"teleoperation_active":true}}"#, true), (#"{"type":"initial_state","data":{}}"#, false),
            (#"{"type":"welcome"}"#, false), ("{", false),
        ] {
            XCTAssertEqual(UsageProxy.isGreeting(Array(message.utf8).span), isRelayed, message)
        }
    }

    func testWhatToStartIsSaidWithTheFlagsThatItNeeds() {
        XCTAssertTrue(UsageProxy.absence(8765, "teleoperation").contains("`waldo monitor`"))
        XCTAssertTrue(UsageProxy.absence(9000, "lab").contains("`waldo monitor --websocket-port 9000 --shm-namespace lab`"))
    }
}
