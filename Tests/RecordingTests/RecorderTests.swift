import Glibc
import RTC
import Reactor
import Recording
import Service
import TestSupport
import Wire
import XCTest

final class RecorderTests: XCTestCase {
    private var folder = ""

    override func setUpWithError() throws {
        var template = Array("/tmp/waldo-recorder-XXXXXX".utf8CString)
        XCTAssertNotNil(unsafe mkdtemp(&template))
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    override func tearDown() {
        for name in files() { _ = unsafe unlink(folder + "/" + name) }
        _ = unsafe rmdir(folder)
    }

    private func files() -> [String] {
        (["drive.mcap"] + (2...60).map { "drive-\($0).mcap" }).filter { unsafe access(folder + "/" + $0, F_OK) == 0 }
    }

    private func frame(_ index: Int, isKey: Bool, bytes: Int = 2000) -> EncodedFrame {
        let start: [UInt8] = [0, 0, 0, 1, isKey ? 0x65 : 0x41]
        let nanoseconds: Int64 = 1_763_632_000_000_000_000 + Int64(index) * 33_000_000
        let captured = Instant(nanoseconds: Int64(index) * 33_000_000)
        return EncodedFrame(
            codec: .h264, bytes: start + [UInt8](repeating: 7, count: bytes), isKeyFrame: isKey, captureTime: captured,
            captureNTP: NTPClock(unixNanoseconds: nanoseconds, at: captured).time(at: captured), timestamp: 0)
    }

    func testASessionIsRecordedAndReadBack() throws {
        let recorder = try Recorder(path: folder + "/drive.mcap")
        for index in 0..<30 {
            recorder.recordVideo(frame(index, isKey: index == 3), camera: "front")
            recorder.record(topic: "/telemetry", schema: "waldo.Telemetry", json: Array("{\"pose\":{\"x\":\(index),\"y\":0}}".utf8), at: 5)
        }
        XCTAssertTrue(recorder.finish())
        XCTAssertTrue(recorder.finish(), "twice is once")
        recorder.record(topic: "/telemetry", schema: "waldo.Telemetry", json: [], at: 5)
        let (summary, read) = try RecordingReplay.summarise([folder + "/drive.mcap"])
        XCTAssertTrue(read[0].isComplete)
        XCTAssertEqual(summary.messages, 30 + 27)
        XCTAssertEqual(summary.videos["/video/front"]?.frames, 27, "from the first key frame on")
        XCTAssertEqual(summary.videos["/video/front"]?.keyFrames, 1)
        XCTAssertEqual(summary.distance, 29)
        XCTAssertEqual(recorder.statistics.messages, 57)
        XCTAssertNil(recorder.statistics.failure)
    }

    /// RFC 5905 clause 6: whole seconds above, fractions below.
    func testFramesKeepTheMomentAtWhichTheyWereTaken() throws {
        let recorder = try Recorder(path: folder + "/drive.mcap")
        for index in 0..<31 { recorder.recordVideo(frame(index, isKey: index == 0), camera: "front") }
        recorder.finish()
        let summary = try RecordingReplay.summarise([folder + "/drive.mcap"]).summary
        XCTAssertEqual(Double(summary.times!.first), 1_763_632_000e9, accuracy: 1e6)
        XCTAssertEqual(summary.duration, 0.99, accuracy: 1e-6)
    }

    func testWhatIsRecordedIsOnTheDiskSoonWithoutTheEnd() async throws {
        let recorder = try Recorder(path: folder + "/drive.mcap")
        recorder.record(topic: "/event", schema: "waldo.Event", json: Array(#"{"type":"stop"}"#.utf8), at: 5)
        try await eventually("the message is safe") {
            (try? RecordingReplay.summarise([self.folder + "/drive.mcap"]).summary.messages) == 1
        }
        XCTAssertEqual(try RecordingReplay.summarise([folder + "/drive.mcap"]).files[0].isComplete, false)
        recorder.finish()
    }

    func testALimitIsKeptAndTheOldestGoes() throws {
        let limit = 4 << 20
        let recorder = try Recorder(path: folder + "/drive.mcap", limit: limit)
        for index in 0..<400 {
            recorder.recordVideo(frame(index, isKey: index % 10 == 0, bytes: 40_000), camera: "front")
            while index % 100 == 99, recorder.statistics.messages < index { usleep(1000) }
        }
        XCTAssertTrue(recorder.finish())
        let names = files()
        XCTAssertFalse(names.contains("drive.mcap"), "the oldest went")
        var sizes = 0
        for name in names {
            var information = stat()
            XCTAssertEqual(unsafe stat(folder + "/" + name, &information), 0)
            sizes += Int(information.st_size)
        }
        XCTAssertLessThanOrEqual(sizes, limit)
        XCTAssertGreaterThan(sizes, limit / 2)
        let statistics = recorder.statistics
        XCTAssertEqual(statistics.files, names.count)
        XCTAssertEqual(statistics.bytes, sizes)
        XCTAssertEqual(statistics.removed + statistics.files, Int(names.last!.dropFirst(6).dropLast(5))!)
        let (summary, read) = try RecordingReplay.summarise(names.map { folder + "/" + $0 })
        XCTAssertTrue(read.allSatisfy(\.isComplete))
        XCTAssertEqual(summary.damaged, 0)
        XCTAssertGreaterThan(summary.messages, 40)
    }

    func testWhatCannotBeRecordedIsSaidPlainly() throws {
        XCTAssertThrowsError(try Recorder(path: folder + "/none/drive.mcap")) { XCTAssertTrue("\($0)".contains("No such file"), "\($0)") }
        XCTAssertThrowsError(try Recorder(path: folder + "/drive.mcap", limit: 1000)) {
            XCTAssertTrue("\($0)".contains("4194304"), "\($0)")
        }
        try Recorder(path: folder + "/drive.mcap").finish()
        XCTAssertThrowsError(try Recorder(path: folder + "/drive.mcap")) { XCTAssertTrue("\($0)".contains("not overwritten"), "\($0)") }
        XCTAssertThrowsError(try RecordingReplay.summarise(["/etc/hostname"])) { XCTAssertTrue("\($0)".contains("no recording"), "\($0)") }
        XCTAssertThrowsError(try RecordingReplay.summarise([folder])) { XCTAssertTrue("\($0)".contains("directory"), "\($0)") }
    }
}
