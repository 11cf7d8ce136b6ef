import Glibc
import Reactor
import Recording
import Service
import Wire
import XCTest

/// A recording whose disk is bounded is written in parts.
final class RecorderPartsTests: XCTestCase {
    /// Whenever the recording ends: a part is begun by the message that does not fit before it.
    func testNoPartIsEmpty() throws {
        let folder = "/tmp/waldo-parts-\(getpid())"
        XCTAssertEqual(unsafe mkdir(folder, 0o700), 0)
        defer {
            for name in ["drive.mcap", "drive-2.mcap"] { _ = unsafe unlink("\(folder)/\(name)") }
            _ = unsafe rmdir(folder)
        }
        let recorder = try Recorder(path: "\(folder)/drive.mcap", limit: Recorder.leastLimit)
        // Chunks end at an eighth of a part, so that each of these is written at once.
        let message = Array("{\"filler\":\"\(String(repeating: "x", count: 200_000))\"}".utf8)
        let deadline = MonotonicClock.now() + .seconds(30)
        var number = 0
        while recorder.statistics.files == 1, MonotonicClock.now() < deadline {
            number += 1
            recorder.record(topic: "/telemetry", schema: "waldo.Telemetry", json: message, at: Int64(number))
            while recorder.statistics.messages < number, MonotonicClock.now() < deadline { usleep(500) }
        }
        XCTAssertTrue(recorder.finish())
        XCTAssertEqual(recorder.statistics.files, 2)
        for name in ["drive.mcap", "drive-2.mcap"] {
            let (summary, files) = try RecordingReplay.summarise(["\(folder)/\(name)"])
            XCTAssertGreaterThan(summary.messages, 0, name)
            XCTAssertTrue(files[0].isComplete, name)
        }
    }
}
