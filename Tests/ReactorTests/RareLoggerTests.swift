import Reactor
import TestSupport
import Wire
import XCTest

/// What may go wrong many times a second is said now and then, with how often it happened.
final class RareLoggerTests: XCTestCase {
    private final class Sink: LogSink {
        let lines = Log<String>()
        func log(_ record: LogRecord) {
            var line: [UInt8] = []
            LogFormat(.json).write(record, to: &line)
            lines.add(String(decoding: line, as: UTF8.self))
        }
    }

    func testTheFirstIsSaidAtOnceAndTheOthersAreCounted() throws {
        let sink = Sink()
        let log = RareLogger(Logger("test", to: sink), every: .milliseconds(50))
        let deadline = MonotonicClock.now() + .seconds(20)
        var times = 0
        while sink.lines.all.count < 2, MonotonicClock.now() < deadline {
            log.warning("it failed", ["reason": "x"])
            times += 1
        }
        let lines = sink.lines.all
        XCTAssertEqual(lines.count, 2)
        XCTAssertTrue(lines[0].contains("\"times\":1"), lines[0])
        XCTAssertTrue(lines[1].contains("\"times\":\(times - 1)") && lines[1].contains("it failed"), lines[1])
    }

    func testWithinTheIntervalNothingIsMade() {
        let sink = Sink()
        let log = RareLogger(Logger("test", to: sink))
        log.error("first")
        func costly() -> String {
            XCTFail("a message that is not said is not made")
            return ""
        }
        log.error(costly())
        XCTAssertEqual(sink.lines.all.count, 1)
    }
}
