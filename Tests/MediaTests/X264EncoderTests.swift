#if X264
    import Media
    import RTC
    import XCTest

    final class X264EncoderTests: XCTestCase {
        private let settings = VideoEncoderSettings(width: 640, height: 480, rate: 30, bitrate: 800_000)

        func testEachPictureGivesItsFrameAtOnceAndComesBackAsItWasDrawn() throws {
            let encoder = try X264Encoder(settings), decoder = try makeVideoDecoder(.h264)
            var camera = TestPattern(width: 640, height: 480)
            for index in 0..<90 {
                var frame: [UInt8] = []
                let drawn = camera.next(unixMilliseconds: Int64(1000 + index))
                let isKey = try encoder.encode(drawn, forcesKeyFrame: index == 40, into: &frame)
                XCTAssertEqual(isKey, index == 0 || index == 40, "frame \(index)")
                let picture = try XCTUnwrap(try decoder.decode(frame), "frame \(index)")
                XCTAssertEqual(TestPattern.readTimeCode(picture), UInt32(1000 + index))
            }
        }

        /// ITU-T H.264 clause 7.3.2.1: profile 66 with both constraints is what 42e01f of our offers means.
        func testKeyFramesBeginWithParameterSetsOfConstrainedBaseline() throws {
            let encoder = try X264Encoder(settings)
            for _ in 0..<3 {
                var frame: [UInt8] = []
                XCTAssertEqual(try encoder.encode(Picture(width: 640, height: 480), forcesKeyFrame: true, into: &frame), true)
                XCTAssertEqual(Array(frame.prefix(6)), [0, 0, 0, 1, 0x67, 66])
                XCTAssertEqual(frame[6] & 0xC0, 0xC0)
            }
        }

        func testBitrateIsKeptAndAnyMayFollowAnyOther() throws {
            let encoder = try X264Encoder(settings)
            var camera = TestPattern(width: 640, height: 480)
            func bitrate(frames: Int) throws -> Double {
                var total = 0
                for index in 0..<frames {
                    var frame: [UInt8] = []
                    _ = try encoder.encode(camera.next(unixMilliseconds: Int64(index)), forcesKeyFrame: false, into: &frame)
                    total += frame.count
                }
                return Double(total) * 8 * 30 / Double(frames)
            }
            _ = try bitrate(frames: 60)
            XCTAssertEqual(try bitrate(frames: 120), 800_000, accuracy: 160_000)
            try encoder.setBitrate(300_000)
            _ = try bitrate(frames: 60)
            XCTAssertEqual(try bitrate(frames: 120), 300_000, accuracy: 90_000)
            for wild in [100_000, 2_500_000, 30_000, 10_000_000, 99_999, 0, 100_000_000, .max] {
                try encoder.setBitrate(wild)
                XCTAssertGreaterThan(try bitrate(frames: 2), 0, "at \(wild)")
            }
        }

        /// How long a path that carries just the bitrate is busy with a key frame.
        func testAKeyFrameIsAtMostAQuarterOfASecondLong() throws {
            let encoder = try X264Encoder(settings)
            var camera = TestPattern(width: 640, height: 480, bitsPerPicture: 800_000 / 30)
            for index in 0..<120 {
                var frame: [UInt8] = []
                _ = try encoder.encode(camera.next(unixMilliseconds: Int64(index)), forcesKeyFrame: index % 40 == 0, into: &frame)
                if index > 0 { XCTAssertLessThan(frame.count, 800_000 / 8 / 4, "frame \(index)") }
            }
        }

        func testWhatDoesNotFitIsRefused() throws {
            XCTAssertThrowsError(try X264Encoder(VideoEncoderSettings(width: 641, height: 480, rate: 30, bitrate: 800_000)))
            var frame: [UInt8] = []
            XCTAssertThrowsError(
                try X264Encoder(settings).encode(Picture(width: 320, height: 240), forcesKeyFrame: false, into: &frame)
            ) { XCTAssertTrue("\($0)".contains("expected 640x480"), "\($0)") }
        }

        func testTheChoiceOfAnEncoderIsForItsCodecOnly() throws {
            let encoders = VideoEncoders(.h264) { settings throws(MediaError) in try X264Encoder(settings) }
            XCTAssertEqual(encoders.codecs, [.h264, .vp8])
            XCTAssertTrue(try encoders.make(.h264, settings) is X264Encoder)
            XCTAssertTrue(try encoders.make(.vp8, settings) is VP8Encoder)
        }
    }
#endif
