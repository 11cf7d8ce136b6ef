#if GStreamer
    import CameraDriver
    import Media
    import Reactor
    import TestSupport
    import Wire
    import XCTest

    final class MicrophoneSourceTests: XCTestCase {
        func testSoundComesIn20MillisecondsOfOneChannelAt48Kilohertz() async throws {
            let pipelines = [
                "audiotestsrc is-live=true freq=1000 volume=0.5",
                "audiotestsrc is-live=true freq=1000 volume=0.5 samplesperbuffer=441 ! audio/x-raw,rate=44100,channels=2",
            ]
            for pipeline in pipelines {
                let microphone = try MicrophoneSource(pipeline: pipeline, log: Logger("test"))
                let heard = Log<CapturedSound>()
                let number = microphone.feed.subscribe { heard.add($0) }
                let all = try await heard.wait(25)
                microphone.feed.unsubscribe(number)
                microphone.stop()
                XCTAssertEqual(Set(all.map(\.samples.count)), [960], pipeline)
                // 1000 Hz crosses zero upwards 20 times in 20 ms.
                let samples = all.dropFirst(5).prefix(10).flatMap(\.samples)
                let crossings = zip(samples, samples.dropFirst()).count { $0 < 0 && $1 >= 0 }
                XCTAssertTrue((198...202).contains(crossings), "\(pipeline): \(crossings) crossings in 200 ms of 1 kHz")
                let loudest = samples.map { abs(Int($0)) }.max() ?? 0
                XCTAssertTrue((14_000...18_000).contains(loudest), "\(pipeline): \(loudest) at half of the full scale")
            }
        }

        func testABadPipelineIsRefusedInGStreamersOwnWords() throws {
            XCTAssertThrowsError(try MicrophoneSource(pipeline: "alsasrcc", log: Logger("test"))) { error in
                XCTAssertTrue("\(error)".contains("no element \"alsasrcc\""), "\(error)")
            }
        }
    }
#endif
