import Media
import RTC
import Wire
import XCTest

final class EncoderTests: XCTestCase {
    private let settings = VideoEncoderSettings(width: 640, height: 480, rate: 30, bitrate: 800_000)

    func testKeyFramesComeOnlyWhenAskedFor() throws {
        for codec in [CodecKind.h264, .vp8] {
            let encoder = try makeVideoEncoder(codec, settings)
            var camera = TestPattern(width: 640, height: 480)
            for index in 0..<90 {
                var frame: [UInt8] = []
                let isKey = try encoder.encode(camera.next(unixMilliseconds: Int64(index)), forcesKeyFrame: index == 40, into: &frame)
                XCTAssertEqual(isKey, index == 0 || index == 40, "\(codec) frame \(index)")
                XCTAssertFalse(frame.isEmpty)
            }
        }
    }

    /// Who joins waits for it, and on a narrow path everybody else's picture does.
    func testAKeyFrameThatIsAskedForIsNoMoreThanAFewFramesLong() throws {
        for (codec, most) in [(CodecKind.h264, 3.0), (.vp8, 4.5)] {
            let encoder = try makeVideoEncoder(codec, settings)
            var camera = TestPattern(width: 640, height: 480, bitsPerPicture: settings.bitrate / settings.rate)
            var total = 0, keys = 0
            for index in 0..<150 {
                var frame: [UInt8] = []
                let isForced = index % 30 == 29
                _ = try encoder.encode(camera.next(unixMilliseconds: Int64(index)), forcesKeyFrame: isForced, into: &frame)
                if isForced { keys += frame.count } else { total += frame.count }
            }
            let (key, mean) = (Double(keys) / 5, Double(total) / 145)
            XCTAssertLessThan(key, most * mean, "\(codec)")
            XCTAssertEqual(Double(total + keys) * 8 / 5, 800_000, accuracy: 240_000, "\(codec)")
        }
    }

    func testBitrateIsKeptAndFollowsAChange() throws {
        for codec in [CodecKind.h264, .vp8] {
            let encoder = try makeVideoEncoder(codec, settings)
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
            XCTAssertEqual(try bitrate(frames: 120), 800_000, accuracy: 160_000, "\(codec)")
            try encoder.setBitrate(300_000)
            _ = try bitrate(frames: 60)
            XCTAssertEqual(try bitrate(frames: 120), 300_000, accuracy: 90_000, "\(codec)")
        }
    }

    func testSettingsThatCannotBeAreSaidPlainly() {
        for bad in [
            VideoEncoderSettings(width: 641, height: 480, rate: 30, bitrate: 800_000),
            VideoEncoderSettings(width: 640, height: 8, rate: 30, bitrate: 800_000),
            VideoEncoderSettings(width: 640, height: 480, rate: 0, bitrate: 800_000),
            VideoEncoderSettings(width: 640, height: 480, rate: 30, bitrate: 1),
        ] {
            XCTAssertThrowsError(try makeVideoEncoder(.h264, bad)) { XCTAssertTrue("\($0)".contains("expected"), "\($0)") }
        }
        XCTAssertThrowsError(try makeVideoEncoder(.opus, settings))
        let encoder = try! makeVideoEncoder(.vp8, settings)
        var frame: [UInt8] = []
        XCTAssertThrowsError(try encoder.encode(Picture(width: 320, height: 240), forcesKeyFrame: false, into: &frame))
    }

    func testTimeCodeIsDrawnAsItIsRead() {
        var camera = TestPattern(width: 1280, height: 720)
        for time: Int64 in [0, 1, 0xFFFF_FFFF, 0x1_2345_6789, 1_763_632_000_123] {
            XCTAssertEqual(TestPattern.readTimeCode(camera.next(unixMilliseconds: time)), UInt32(truncatingIfNeeded: time))
        }
    }

    /// A path that collapses and comes back: any rate may follow any other.
    func testAnyBitrateMayFollowAnyOther() throws {
        for codec in [CodecKind.h264, .vp8] {
            let encoder = try makeVideoEncoder(codec, VideoEncoderSettings(width: 320, height: 240, rate: 30, bitrate: 2_500_000))
            var picture = Picture(width: 320, height: 240)
            for bitrate in [100_000, 2_500_000, 1_900_000, 250_000, 251_000, 30_000, 10_000_000, 99_999, 0, 100_000_000, .max] {
                try encoder.setBitrate(bitrate)
                picture.bytes[0] &+= 1
                var frame: [UInt8] = []
                _ = try encoder.encode(picture, forcesKeyFrame: true, into: &frame)
                XCTAssertFalse(frame.isEmpty, "\(codec) at \(bitrate)")
            }
        }
    }
}
