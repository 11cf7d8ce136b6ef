import Usage
import Wire
import XCTest

/// Section 15: what is said between the monitor and a plug-in.
final class PluginConversationTests: XCTestCase {
    private var plugin = PluginConversation(name: "custom", robotType: .xle, interval: .milliseconds(100))
    private var now = Instant.zero
    private var sent: [JSON] = []
    private var other: [String] = []

    override func setUp() {
        plugin = PluginConversation(name: "custom", robotType: .xle, interval: .milliseconds(100))
        (now, sent, other) = (.zero, [], [])
        plugin.started(at: now)
        drain()
    }

    private func say(_ line: String) {
        plugin.received(Array(line.utf8).span, at: now)
        drain()
    }

    private func pass(_ milliseconds: Int) {
        for _ in 0..<milliseconds / 10 {
            now += .milliseconds(10)
            plugin.advance(to: now)
            drain()
        }
    }

    private func drain() {
        while let output = plugin.nextOutput() {
            switch output {
            case .send(let bytes):
                XCTAssertEqual(bytes.last, 0x0A)
                sent.append((try? JSON(parsing: String(decoding: bytes.dropLast(), as: UTF8.self))) ?? .null)
            case .metric(let name, let value, let tags): other.append("metric \(name) \(value) \(tags.map { "\($0)=\($1)" })")
            case .alert(let alert): other.append("alert \(alert.name ?? "-") \(alert.severity) \(alert.message)")
            case .log(let level, let message): other.append("log \(level) \(message)")
            case .changed:
                other.append("changed \(plugin.detection.map { "\($0.isActive) \($0.confidence) \($0.operatorName ?? "-")" } ?? "none")")
            case .end(let reason): other.append("end \(reason)")
            }
        }
    }

    func testStartLine() {
        XCTAssertEqual(sent, [["type": "start", "robot_type": "xle", "detection_interval": 0.1]])
    }

    func testDetectionIsValidForItsTime() {
        say(#"{"type":"hello","name":"custom","detector":true}"#)
        say(#"{"type":"detection","active":true,"confidence":85.0,"operator":"custom_op","ttl":0.5}"#)
        XCTAssertEqual(other, ["changed true 85.0 custom_op"])
        say(#"{"type":"detection","active":true,"confidence":85.0,"operator":"custom_op","ttl":0.5}"#)
        XCTAssertEqual(other.count, 1, "the same again is no change")
        pass(490)
        XCTAssertEqual(other.count, 1)
        pass(20)
        XCTAssertEqual(other.last, "changed none")
    }

    func testConfidenceIsClampedAndNamesAreCleaned() {
        say(#"{"type":"hello","name":"custom","detector":true}"#)
        say(#"{"type":"detection","active":true,"confidence":850,"operator":" a\u0007b\n "}"#)
        XCTAssertEqual(other, ["changed true 100.0 ab"])
    }

    func testHelloIsWantedWithinFiveSeconds() {
        pass(4900)
        XCTAssertEqual(other, [])
        pass(200)
        XCTAssertEqual(other.first, "end it did not say hello within 5 s")
    }

    func testNothingCountsBeforeHello() {
        say(#"{"type":"detection","active":true,"confidence":85}"#)
        XCTAssertEqual(other, [])
        XCTAssertEqual(sent.last?["type"], "error")
    }

    func testPolledDetectorThatIsLateIsInactiveAndToldOnce() {
        say(#"{"type":"hello","name":"custom","detector":true,"poll":true}"#)
        pass(20)
        XCTAssertEqual(sent.last, ["type": "detect", "id": 1])
        say(#"{"type":"detection","active":true,"confidence":90,"ttl":60,"id":1}"#)
        XCTAssertEqual(other, ["changed true 90.0 -"])
        pass(1200)
        XCTAssertEqual(other, ["changed true 90.0 -", "changed none", "log warning no answer to detect within 1 s: it counts as inactive"])
        say(#"{"type":"detection","active":true,"confidence":90,"ttl":60,"id":2}"#)
        XCTAssertEqual(other.count, 3, "an answer later than 1 s is ignored")
        pass(3000)
        XCTAssertEqual(other.count, 3)
    }

    func testChecksAreToldTheMetrics() {
        say(#"{"type":"hello","name":"custom","alerts":true}"#)
        plugin.metrics = ["b": 2.5, "a": 1]
        pass(1010)
        XCTAssertEqual(sent.last?.description, #"{"type":"check","id":1,"metrics":{"a":1,"b":2.5}}"#)
        say(#"{"type":"check_result","id":1,"alert":{"severity":"critical","message":"hot"}}"#)
        XCTAssertEqual(other, ["alert - critical hot"])
        say(#"{"type":"check_result","id":1,"alert":{"severity":"critical","message":"hot"}}"#)
        XCTAssertEqual(other.count, 1, "each question has one answer")
    }

    func testMetricsAlertsLogs() {
        say(#"{"type":"hello","name":"custom"}"#)
        say(#"{"type":"metric","name":"custom_metric","value":42.5,"tags":{"source":"custom"}}"#)
        say(#"{"type":"alert","severity":"info","message":"m","name":"n"}"#)
        say(#"{"type":"log","level":"WARNING","message":"w"}"#)
        XCTAssertEqual(other, ["metric custom_metric 42.5 [\"source=custom\"]", "alert n info m", "log warning w"])
    }

    func testBadLinesAreAnsweredAndCounted() {
        say(#"{"type":"hello","name":"custom"}"#)
        let bad = [
            "nonsense", "{}", #"{"type":"dance"}"#, #"{"type":"metric","name":"latency_ms","value":1}"#,
            #"{"type":"alert","severity":"bad","message":""}"#,
            #"{"type":"alert","severity":"info","message":"","name":"fps"}"#,
        ]
        for line in bad { say(line) }
        plugin.receivedTooMuch(at: now)
        drain()
        XCTAssertEqual(plugin.badLines, bad.count + 1)
        XCTAssertEqual(sent.suffix(bad.count + 1).compactMap { $0["type"]?.string }, Array(repeating: "error", count: bad.count + 1))
        XCTAssertEqual(other, [])
    }

    func testTooManyLinesEndIt() {
        say(#"{"type":"hello","name":"custom","detector":true}"#)
        say(#"{"type":"detection","active":true,"confidence":90}"#)
        for _ in 0..<1100 { say(#"{"type":"log","message":"x"}"#) }
        XCTAssertEqual(other.filter { $0.hasPrefix("end") }, ["end it said more than 1000 lines in a second"])
        XCTAssertNil(plugin.detection)
    }

    func testStateIsToldToWhoAsksForIt() {
        say(#"{"type":"hello","name":"custom","state":true}"#)
        plugin.changed(["teleoperation_active": true])
        drain()
        XCTAssertEqual(sent.last, ["type": "state", "state": ["teleoperation_active": true]])
    }
}
