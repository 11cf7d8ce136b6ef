import Media
import RTC
import Reactor
import Service
import TestSupport
import Wire
import XCTest

final class VideoSourceTests: XCTestCase {
    private func feed() -> PictureFeed { PictureFeed(name: "front", width: 320, height: 240, rate: 100) }

    func testAnEncoderTakesPicturesOnlyWhileItIsWatchedAndTheNewestOnly() async throws {
        let feed = feed(), loop = try Loop(), frames = Log<EncodedFrame>()
        let encoder = try EncoderThread(feed: feed, settings: EncoderThread.Settings(codec: .vp8, bitrate: 300_000))
        try await loop.run { [reactor = loop.reactor] _ in try encoder.frames.open(on: reactor) { frames.add($0) } }
        XCTAssertFalse(feed.isWatched)
        encoder.setWatched(true)
        encoder.setWatched(true)
        XCTAssertTrue(feed.isWatched)
        for index in 1...300 {
            feed.publish(
                CapturedPicture(
                    Picture(width: 320, height: 240), captured: Instant(nanoseconds: Int64(index) * 1_000_000_000), unixNanoseconds: 5))
        }
        try await eventually("the last picture comes") { frames.all.last?.captureTime == Instant(nanoseconds: 300_000_000_000) }
        XCTAssertEqual(frames.all[0].isKeyFrame, true)
        XCTAssertEqual(frames.all.last?.timestamp, 300 * 90_000)
        let statistics = encoder.statistics
        XCTAssertEqual(statistics.frames + statistics.leftOut, 300)
        XCTAssertEqual(statistics.width, 320)
        encoder.setWatched(false)
        XCTAssertFalse(feed.isWatched)
        encoder.stop()
        encoder.setWatched(true)
        XCTAssertFalse(feed.isWatched, "an encoder that has ended asks for nothing")
        await loop.stop()
    }

    func testAPictureOfAnotherSizeIsFittedIn() async throws {
        let feed = feed(), loop = try Loop(), frames = Log<EncodedFrame>()
        let encoder = try EncoderThread(feed: feed, settings: EncoderThread.Settings(codec: .h264, bitrate: 300_000))
        try await loop.run { [reactor = loop.reactor] _ in try encoder.frames.open(on: reactor) { frames.add($0) } }
        encoder.setWatched(true)
        feed.publish(CapturedPicture(Picture(width: 640, height: 360), captured: .zero, unixNanoseconds: 5))
        _ = try await frames.wait()
        XCTAssertEqual(encoder.statistics.height, 240)
        encoder.stop()
        await loop.stop()
    }

    func testOneEncoderACodecIsMadeOnDemandAndServesARecorderToo() async throws {
        let feed = feed(), loop = try Loop(), frames = Log<EncodedFrame>()
        let camera = try TestCamera(feed: feed)
        try await loop.run { loop in
            let source = loop.keep(VideoSource(feed: feed, reactor: loop.reactor, bitrate: 300_000))
            XCTAssertTrue(source.statistics.isEmpty)
            let fanOut = try source.fanOut(for: .vp8)
            XCTAssertTrue(try source.fanOut(for: .vp8) === fanOut)
            XCTAssertEqual(source.all.count, 1)
            XCTAssertThrowsError(try source.fanOut(for: .opus))
            XCTAssertFalse(feed.isWatched)
            // Ends by itself, on the reactor, once five have come.
            fanOut.onFrame = { [unowned source] frame in
                frames.add(frame)
                if frames.all.count == 5 { source.stop() }
            }
        }
        let seen = try await frames.wait(5)
        XCTAssertTrue(seen[0].isKeyFrame)
        try await eventually("the camera may rest") { !feed.isWatched }
        camera.stop()
        await loop.stop()
    }

    func testLittleBitrateMakesThePictureSmallerWithAKeyFrame() async throws {
        for codec in [CodecKind.h264, .vp8] {
            let feed = feed(), loop = try Loop(), frames = Log<EncodedFrame>()
            let encoder = try EncoderThread(feed: feed, settings: EncoderThread.Settings(codec: codec, bitrate: 600_000))
            try await loop.run { [reactor = loop.reactor] _ in try encoder.frames.open(on: reactor) { frames.add($0) } }
            let camera = try TestCamera(feed: feed)
            encoder.setWatched(true)
            _ = try await frames.wait(3)
            encoder.setBitrate(100_000)
            try await eventually("a smaller picture") { encoder.statistics.height < 240 }
            try await eventually("a second key frame") { frames.all.count { $0.isKeyFrame } >= 2 }
            encoder.setBitrate(600_000)
            try await eventually("the full size again") { encoder.statistics.height == 240 }
            let count = frames.all.count
            try await eventually("it goes on") { frames.all.count > count + 10 }
            camera.stop()
            encoder.stop()
            await loop.stop()
        }
    }

    /// As some hardware does.
    func testAnEncoderThatRefusesASmallerPictureGoesOnAtItsSize() async throws {
        let encoders = VideoEncoders(.h264) { settings throws(MediaError) in
            guard settings.height >= 240 else { throw .settings("height: expected at least 240, got \(settings.height)") }
            return try makeVideoEncoder(.h264, settings)
        }
        let feed = feed(), loop = try Loop(), frames = Log<EncodedFrame>()
        let encoder = try EncoderThread(
            feed: feed, settings: EncoderThread.Settings(codec: .h264, bitrate: 600_000, encoders: encoders))
        try await loop.run { [reactor = loop.reactor] _ in try encoder.frames.open(on: reactor) { frames.add($0) } }
        let camera = try TestCamera(feed: feed)
        encoder.setWatched(true)
        _ = try await frames.wait(3)
        encoder.setBitrate(100_000)
        let count = frames.all.count
        try await eventually("it goes on") { frames.all.count > count + 60 }
        XCTAssertEqual(encoder.statistics.height, 240)
        XCTAssertEqual(frames.all.count { $0.isKeyFrame }, 1, "it was not made anew")
        camera.stop()
        encoder.stop()
        await loop.stop()
    }

    /// A bystander with a poor path loses frames; only who drives, or watches alone, is worth a poor picture for all.
    func testTheSlowestIsFollowedToAQuarterAndTheLeaderFurther() async throws {
        let feed = feed(), loop = try Loop()
        try await loop.run { loop in
            let environment = try EngineEnvironment(unixTime: MonotonicClock.unixSeconds())
            let host = loop.keep(
                try PeerHost(reactor: loop.reactor, environment: environment, port: 0, addresses: [IPAddress(127, 0, 0, 1)]))
            let source = VideoSource(feed: feed, reactor: loop.reactor, bitrate: 2_000_000)
            let fanOut = try source.fanOut(for: .vp8)
            let sessions = try (0..<3).map { _ in
                try host.makeSession(
                    PeerConfiguration(ice: IceConfiguration(mode: .lite, transports: host.transports), answersPassive: true))
            }
            func bitrate() -> Int? { source.statistics[.vp8]?.bitrate }
            for session in sessions { fanOut.add(session, session.with { peer, _ in peer.addTransceiver(.video, direction: .sendonly) }) }
            XCTAssertEqual(fanOut.viewerCount, 3)
            XCTAssertEqual(bitrate(), 2_000_000)
            fanOut.setTarget(900_000, for: sessions[1])
            XCTAssertEqual(bitrate(), 900_000)
            fanOut.setTarget(100_000, for: sessions[1])
            XCTAssertEqual(bitrate(), 500_000)
            fanOut.leader = sessions[1]
            XCTAssertEqual(bitrate(), 200_000)
            fanOut.leader = sessions[0]
            XCTAssertEqual(bitrate(), 500_000)
            fanOut.remove(sessions[0])
            fanOut.remove(sessions[2])
            XCTAssertEqual(bitrate(), 200_000, "alone")
            fanOut.remove(sessions[1])
            XCTAssertEqual(bitrate(), 2_000_000)
            XCTAssertFalse(feed.isWatched)
            source.stop()
            for session in sessions { host.remove(session) }
        }
        await loop.stop()
    }

    func testTimesOfSoundRunOnAndJumpOverPauses() {
        var clock = SoundClock()
        var times: [(UInt32, Bool)] = []
        // The microphone's thread is late by up to 5 ms, then pauses for a second.
        for index in 0..<100 {
            let late = index % 3 * 5 - 5, pause = index < 50 ? 0 : 1000
            times.append(clock.place(.zero + .milliseconds(5000 + index * 20 + late + pause)))
        }
        XCTAssertTrue(times[0].1)
        for index in 1..<100 where index != 50 {
            XCTAssertEqual(times[index].0, times[index - 1].0 + 960)
            XCTAssertFalse(times[index].1)
        }
        XCTAssertTrue(times[50].1)
        XCTAssertEqual(Int(times[50].0 - times[49].0), 48_000 + 960, accuracy: 500)
    }
}
