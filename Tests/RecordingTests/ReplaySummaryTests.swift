import Recording
import Wire
import XCTest

final class ReplaySummaryTests: XCTestCase {
    private var summary = ReplaySummary()
    private var time: UInt64 = 1_000_000_000

    private func add(_ topic: String, _ json: String) {
        time += 50_000_000
        let message = MCAPMessage(channel: 1, sequence: 0, logTime: time, publishTime: time, data: Array(json.utf8))
        summary.add(message, on: MCAPChannel(id: 1, schema: 0, topic: topic, encoding: "json"))
    }

    func testADriveIsSummedUp() {
        for index in 0...100 {
            add(
                "/telemetry",
                "{\"pose\":{\"x\":\(Double(index) * 0.03),\"y\":\(Double(index) * 0.04)},\"velocity\":{\"vx\":0.3,\"vy\":-0.4}}")
        }
        for index in 1...100 {
            add("/command", #"{"type":"drive","rules":[],"refused":null,"delay":"# + "\(index)" + #","view_age":40}"#)
        }
        add("/command", #"{"type":"drive","rules":["delay_cap"],"refused":null}"#)
        add("/command", #"{"type":"drive","rules":[],"refused":"view"}"#)
        add("/command", #"{"type":"action","ok":false,"error":{"code":"not_holder","message":"m"}}"#)
        add("/event", #"{"type":"stop","reason":"silence"}"#)
        add("/event", #"{"type":"stop","reason":"silence"}"#)
        add("/event", #"{"type":"stop","reason":"estop"}"#)
        add("/event", #"{"type":"estop","latched":true}"#)
        add("/event", #"{"type":"estop","latched":false}"#)
        add("/event", #"{"type":"lease"}"#)
        XCTAssertEqual(summary.distance, 5, accuracy: 1e-9)
        XCTAssertEqual(summary.fastest, 0.5, accuracy: 1e-9)
        XCTAssertEqual(summary.stops, ["silence": 2, "estop": 1])
        XCTAssertEqual(summary.emergencyStops, 1)
        XCTAssertEqual(summary.accepted, 101)
        XCTAssertEqual(summary.changed, 1)
        XCTAssertEqual(summary.refused, ["view": 1, "not_holder": 1])
        XCTAssertEqual(summary.delayPercentiles.map(\.name), ["delay", "view_age"])
        XCTAssertEqual(summary.delayPercentiles[0].values, [50, 95, 99, 100])
        XCTAssertEqual(summary.json["stops"]?["silence"], 2)
        for part in ["5.00 m", "silence 2", "101 accepted", "p95 95.0"] { XCTAssertTrue(summary.text.contains(part), summary.text) }
    }

    func testWithoutCommandsTheCountersOfTelemetryTell() {
        add("/telemetry", #"{"counts":{"accepted":12,"changed":4,"refused":3},"command":{"seq":1,"delay":5}}"#)
        add("/telemetry", #"{"counts":{"accepted":15,"changed":4,"refused":3},"command":{"seq":1,"delay":5}}"#)
        XCTAssertEqual(summary.json["commands"]?["accepted"], 15)
        XCTAssertEqual(summary.json["commands"]?["refused"]?["any rule"], 3)
        XCTAssertEqual(summary.delayPercentiles[0].values, [5, 5, 5, 5])
    }

    func testMessagesThatAreNotWhatTheySayAreCounted() {
        for json in ["", "[]", "{", "3", "{\"pose\":1}", "{\"pose\":{\"x\":\"a\",\"y\":null}}", "{\"command\":[]}", "{\"counts\":7}"] {
            add("/telemetry", json)
            add("/command", json)
            add("/event", json)
        }
        XCTAssertEqual(summary.malformed, 12)
        XCTAssertEqual(summary.distance, 0)
        XCTAssertFalse(summary.text.isEmpty)
    }

    func testLongRecordingsAndManyNamesAreBounded() {
        for index in 0..<200_000 where index % 2 == 0 || index < 1000 {
            add("/command", #"{"refused":"r"# + "\(index)" + #"","delay":"# + "\(index % 1000)" + "}")
        }
        XCTAssertLessThanOrEqual(summary.refused.count, 65)
        XCTAssertEqual(summary.refused.values.reduce(0, +), 100_500)
        XCTAssertEqual(summary.delayPercentiles[0].values[0], 500, accuracy: 20)
    }
}
