#if GStreamer
    import CameraDriver
    import Media
    import Reactor
    import TestSupport
    import Wire
    import XCTest

    final class CameraSourceTests: XCTestCase {
        private func source(_ pipeline: String, _ log: any LogSink = StandardErrorLog()) throws -> CameraSource {
            try CameraSource(name: "front", pipeline: pipeline, log: Logger("test", to: log))
        }

        func testAPipelineBecomesAFeedOfItsOwnSizeAndRate() throws {
            let cases: [(pipeline: String, width: Int, height: Int, rate: Int)] = [
                ("videotestsrc is-live=true", 320, 240, 30),
                ("videotestsrc is-live=true ! video/x-raw,width=642,height=362,framerate=15/1", 642, 362, 15),
                ("videotestsrc is-live=true ! video/x-raw,format=BGRx,width=321,height=241,framerate=30000/1001", 320, 240, 30),
            ]
            for (pipeline, width, height, rate) in cases {
                let camera = try source(pipeline)
                XCTAssertEqual([camera.feed.width, camera.feed.height, camera.feed.rate], [width, height, rate], pipeline)
                let picture = try XCTUnwrap(camera.feed.newest).picture
                XCTAssertEqual([picture.width, picture.height], [width, height], pipeline)
                camera.stop()
            }
        }

        /// Widths whose rows GStreamer pads: a slip of the rows would show as other colours at the right edge.
        func testColoursAreWhereTheyWere() throws {
            for width in [64, 98, 322, 640] {
                let camera = try source(
                    "videotestsrc is-live=true pattern=solid-color foreground-color=0xffff0000 ! video/x-raw,width=\(width),height=66")
                let picture = try XCTUnwrap(camera.feed.newest).picture
                camera.stop()
                let planes = picture.planes
                // Red in BT.601, limited range.
                for (name, bytes, expected) in [
                    ("luma", picture.bytes[..<planes.blue], 81), ("blue", picture.bytes[planes.blue..<planes.red], 90),
                    ("red", picture.bytes[planes.red...], 240),
                ] {
                    let worst = bytes.map { abs(Int($0) - expected) }.max() ?? 255
                    XCTAssertLessThanOrEqual(worst, 2, "\(name) at width \(width)")
                }
            }
        }

        func testPicturesComeWhileWatchedAndOneASecondOtherwise() async throws {
            let camera = try source("videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=60/1")
            let count = camera.feed.count
            try await eventually("a picture though nobody watches") { camera.feed.count > count }
            let pictures = Log<CapturedPicture>()
            let number = camera.feed.subscribe { pictures.add($0) }
            let all = try await pictures.wait(60)
            camera.feed.unsubscribe(number)
            for (earlier, later) in zip(all, all.dropFirst()) { XCTAssertGreaterThan(later.captured, earlier.captured) }
            XCTAssertLessThanOrEqual(all.last!.captured, MonotonicClock.now())
            camera.stop()
        }

        /// The view age of the gate is measured from this.
        func testAPictureIsDatedBackByItsTimeInThePipeline() async throws {
            let camera = try source("videotestsrc is-live=true ! queue min-threshold-time=300000000 ! identity")
            let ages = Log<Duration>()
            let number = camera.feed.subscribe { ages.add(MonotonicClock.now() - $0.captured) }
            for age in try await ages.wait(10) { XCTAssertGreaterThanOrEqual(age, .milliseconds(250)) }
            camera.feed.unsubscribe(number)
            camera.stop()
        }

        func testALostCameraIsToldOfAndComesBack() async throws {
            let log = LogOfLines()
            let camera = try source("videotestsrc is-live=true num-buffers=5 ! video/x-raw,framerate=30/1", log)
            let number = camera.feed.subscribe { _ in }
            try await eventually("it is told as lost, and as back") {
                let lines = log.lines.all
                return lines.contains { $0.contains("the camera is lost") && $0.contains("the stream ended") }
                    && lines.contains { $0.contains("the camera is back") }
            }
            try await eventually("pictures of the second life") { camera.feed.count > 5 }
            camera.feed.unsubscribe(number)
            camera.stop()
        }

        func testAFileBeginsAgainAtItsEndAndKeepsItsPace() async throws {
            let camera = try source("videotestsrc num-buffers=3 ! video/x-raw,width=64,height=64,framerate=10/1")
            let times = Log<Instant>()
            let number = camera.feed.subscribe { times.add($0.captured) }
            let all = try await times.wait(8)
            camera.feed.unsubscribe(number)
            camera.stop()
            // Unpaced, thousands would come in this time.
            XCTAssertGreaterThan(all[7] - all[0], .milliseconds(300))
        }

        func testABadPipelineIsRefusedInGStreamersOwnWords() throws {
            let cases = [
                ("videotestsrcc", "no element \"videotestsrcc\""),
                ("videotestsrc colour=red", "no property \"colour\" in element \"videotestsrc\""),
                ("videotestsrc !", "syntax error"),
                ("v4l2src device=/dev/video99", "Cannot identify device '/dev/video99'"),
                ("filesrc location=/nowhere.mp4 ! decodebin", "Resource not found"),
                ("videotestsrc num-buffers=0 is-live=true", "the stream ended before anything came"),
                ("videotestsrc ! video/x-raw,width=16,height=16", "expected pictures from 64x64 to 4096x4096, got 16x16"),
                ("audiotestsrc", "could not link"),
            ]
            for (pipeline, words) in cases {
                XCTAssertThrowsError(try source(pipeline), pipeline) { error in
                    XCTAssertTrue("\(error)".contains(words), "expected `\(words)` in `\(error)`")
                    XCTAssertTrue("\(error)".contains(pipeline), "\(error)")
                }
            }
        }
    }

    /// What was logged, as text.
    final class LogOfLines: LogSink {
        let lines = Log<String>()
        func log(_ record: LogRecord) { lines.add("\(record.message) \(record.fields)") }
    }
#endif
