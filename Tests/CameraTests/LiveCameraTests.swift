#if GStreamer
    import CameraDriver
    import Media
    import Reactor
    import TestSupport
    import Wire
    import XCTest

    /// A camera that is open while it is wanted (specs: teleop-client clauses 6 and 9).
    final class LiveCameraTests: XCTestCase {
        private func camera(_ source: LiveCamera.Source, width: Int = 320, height: Int = 240) throws -> (LiveCamera, PictureFeed) {
            let feed = PictureFeed(name: "camera", width: width, height: height, rate: 30)
            return (try LiveCamera(feed: feed, source, log: Logger("test")), feed)
        }

        func testItIsTriedAtOnceAndGivesPicturesWhileItIsAwake() async throws {
            let (camera, feed) = try camera(.colour("videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=60/1"))
            XCTAssertNotNil(feed.newest)
            let resting = feed.count
            WorkerThread.sleep(until: MonotonicClock.now() + .milliseconds(300))
            XCTAssertEqual(feed.count, resting, "nobody has woken it")
            camera.wake()
            try await eventually("pictures") { feed.count > resting + 10 }
            camera.rest()
            try await eventually("rest") {
                let count = feed.count
                WorkerThread.sleep(until: MonotonicClock.now() + .milliseconds(300))
                return feed.count == count
            }
            let again = feed.count
            camera.wake()
            try await eventually("pictures again") { feed.count > again + 10 }
            camera.stop()
        }

        func testAnotherAspectGetsBlackBars() throws {
            let white = "videotestsrc is-live=true pattern=white"
            for (size, inside, bar) in [("width=400,height=100", 120, 40), ("width=100,height=400", 120, 120)] {
                let (camera, feed) = try camera(.colour("\(white) ! video/x-raw,\(size)"))
                let picture = try XCTUnwrap(feed.newest).picture
                XCTAssertEqual([picture.width, picture.height], [320, 240])
                XCTAssertGreaterThan(picture.bytes[inside * 320 + 160], 200, "\(size): the middle")
                XCTAssertLessThan(picture.bytes[bar * 320 + 8], 40, "\(size): the bar")
                camera.stop()
            }
        }

        func testDepthIsShownInColours() throws {
            let (camera, feed) = try camera(
                .depth("videotestsrc is-live=true pattern=black ! video/x-raw,format=GRAY16_LE,width=320,height=240"))
            let picture = try XCTUnwrap(feed.newest).picture
            XCTAssertEqual([picture.width, picture.height], [320, 240])
            // Black is 4096 to this source, and 4.1 m to a depth camera: green.
            XCTAssertEqual(Int(picture.bytes[120 * 320 + 160]), 187, accuracy: 3)
            camera.stop()
        }

        func testALostCameraShowsThatAndIsTriedAgain() async throws {
            let (camera, feed) = try camera(
                .colour("videotestsrc is-live=true pattern=white num-buffers=5 ! video/x-raw,width=320,height=240,framerate=30/1"))
            let pictures = Log<CapturedPicture>()
            let number = feed.subscribe { pictures.add($0) }
            camera.wake()
            func isLoss(_ picture: CapturedPicture) -> Bool { picture.picture.bytes[4] == 128 }
            try await eventually("the loss, and pictures after it") {
                let all = pictures.all
                guard let loss = all.firstIndex(where: isLoss) else { return false }
                return all[loss...].contains { !isLoss($0) }
            }
            feed.unsubscribe(number)
            camera.stop()
        }

        func testWhatIsNoCameraSaysWhy() {
            for source in ["v4l2src device=/dev/video63", "nonsense", "videotestsrc num-buffers=0"] {
                XCTAssertThrowsError(try camera(.colour(source)), source) { XCTAssertTrue("\($0)".contains(source), "\($0)") }
            }
        }
    }
#endif
