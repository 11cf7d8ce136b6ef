import Media
import RTC
import Wire
import XCTest

final class DecoderTests: XCTestCase {
    private static let codecs = [CodecKind.h264, .vp8]

    private func frames(_ codec: CodecKind, count: Int, width: Int = 640, height: Int = 480) throws -> [[UInt8]] {
        let encoder = try makeVideoEncoder(codec, VideoEncoderSettings(width: width, height: height, rate: 30, bitrate: 800_000))
        var camera = TestPattern(width: width, height: height)
        return try (0..<count).map { index in
            var frame: [UInt8] = []
            _ = try encoder.encode(camera.next(unixMilliseconds: Int64(1000 + index)), forcesKeyFrame: false, into: &frame)
            return frame
        }
    }

    func testPicturesComeBackAsTheyWereDrawn() throws {
        for codec in Self.codecs {
            let decoder = try makeVideoDecoder(codec)
            for (index, frame) in try frames(codec, count: 30).enumerated() {
                let picture = try XCTUnwrap(try decoder.decode(frame), "\(codec) frame \(index)")
                XCTAssertEqual(picture.width, 640)
                XCTAssertEqual(picture.height, 480)
                XCTAssertEqual(TestPattern.readTimeCode(picture), UInt32(1000 + index), "\(codec)")
            }
        }
    }

    func testANewSizeBeginsWithItsKeyFrame() throws {
        for codec in Self.codecs {
            let decoder = try makeVideoDecoder(codec)
            for (width, height) in [(640, 480), (320, 240), (1280, 720), (322, 242)] {
                for frame in try frames(codec, count: 5, width: width, height: height) {
                    let picture = try XCTUnwrap(try decoder.decode(frame))
                    XCTAssertEqual(picture.width, width, "\(codec)")
                    XCTAssertEqual(picture.height, height, "\(codec)")
                }
            }
        }
    }

    func testAFrameWithoutItsKeyFrameIsAnErrorAndTheNextKeyFrameMendsIt() throws {
        for codec in Self.codecs {
            let decoder = try makeVideoDecoder(codec)
            let all = try frames(codec, count: 4)
            XCTAssertThrowsError(try decoder.decode(all[2]), "\(codec)")
            XCTAssertNotNil(try decoder.decode(all[0]), "\(codec)")
            XCTAssertNotNil(try decoder.decode(all[1]), "\(codec)")
        }
        XCTAssertThrowsError(try makeVideoDecoder(.opus))
    }

    /// RFC 6386 clause 9.1: fourteen bits a side.
    func testAKeyFrameCannotAskForMemoryWithoutBound() throws {
        let decoder = try VP8Decoder()
        var frame = try frames(.vp8, count: 1)[0]
        for index in 6..<10 { frame[index] = 0xFF }
        XCTAssertThrowsError(try decoder.decode(frame)) { XCTAssertTrue("\($0)".contains("16383x16383"), "\($0)") }
    }

    func testGarbageAndDamagedFramesAreErrorsAndNeverTrap() throws {
        for codec in Self.codecs {
            let good = try frames(codec, count: 12, width: 320, height: 240)
            for seed in UInt64(1)...40 {
                var random = SeededRandom(seed: seed)
                let decoder = try makeVideoDecoder(codec)
                var errors = 0
                for round in 0..<30 {
                    var frame = good[Int(random.next() % 12)]
                    switch random.next() % 5 {
                    case 0: frame = (0..<Int(random.next() % 300)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                    case 1: frame = Array(frame.prefix(Int(random.next() % UInt64(frame.count))))
                    case 2: frame = round % 2 == 0 ? good[0] : frame
                    default:
                        for _ in 0..<(1 + random.next() % 8) {
                            frame[Int(random.next() % UInt64(frame.count))] ^= UInt8(1 << (random.next() % 8))
                        }
                    }
                    do {
                        if let picture = try decoder.decode(frame) {
                            XCTAssertEqual(picture.bytes.count, picture.width * picture.height * 3 / 2)
                        }
                    } catch { errors += 1 }
                }
                XCTAssertGreaterThan(errors, 0, "\(codec) seed \(seed)")
                XCTAssertNotNil(try decoder.decode(good[0]), "\(codec) seed \(seed): a key frame mends all")
            }
        }
    }
}
