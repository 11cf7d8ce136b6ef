#if GStreamer
    import GStreamer
    import Media
    import RTC
    import XCTest

    final class GStreamerEncoderTests: XCTestCase {
        private static let elements = ["openh264enc", "x264enc", "vp8enc"]

        private func encoder(_ text: String, width: Int = 640, height: Int = 480, bitrate: Int = 800_000) throws -> GStreamerEncoder {
            let settings = VideoEncoderSettings(width: width, height: height, rate: 30, bitrate: bitrate)
            return try GStreamerEncoder(try GStreamerEncoderDescription(text), settings)
        }

        func testEachPictureGivesItsFrameAtOnceAndComesBackAsItWasDrawn() throws {
            for element in Self.elements {
                let encoder = try encoder(element), decoder = try makeVideoDecoder(encoder.codec)
                XCTAssertEqual(encoder.codec, element == "vp8enc" ? .vp8 : .h264)
                var camera = TestPattern(width: 640, height: 480)
                for index in 0..<90 {
                    var frame: [UInt8] = []
                    let drawn = camera.next(unixMilliseconds: Int64(1000 + index))
                    let isKey = try encoder.encode(drawn, forcesKeyFrame: index == 40, into: &frame)
                    XCTAssertEqual(isKey, index == 0 || index == 40, "\(element) frame \(index)")
                    let picture = try XCTUnwrap(try decoder.decode(frame), "\(element) frame \(index)")
                    XCTAssertEqual(TestPattern.readTimeCode(picture), UInt32(1000 + index), "\(element)")
                }
            }
        }

        /// ITU-T H.264 clauses 7.3.1, 7.3.2.1: constrained baseline, as our offers say; parameter sets before each key frame.
        func testKeyFramesOfH264HoldTheirParameterSetsAndAreConstrainedBaseline() throws {
            for element in ["openh264enc", "x264enc"] {
                let encoder = try encoder(element)
                var camera = TestPattern(width: 640, height: 480)
                for index in 0..<3 {
                    var frame: [UInt8] = []
                    _ = try encoder.encode(camera.next(unixMilliseconds: 0), forcesKeyFrame: true, into: &frame)
                    let units = annexB(frame)
                    XCTAssertEqual(Set(units.map { $0[0] & 0x1F }).isSuperset(of: [5, 7, 8]), true, "\(element) frame \(index)")
                    let parameters = try XCTUnwrap(units.first { $0[0] & 0x1F == 7 })
                    XCTAssertEqual(parameters[1], 66, element)
                    XCTAssertEqual(parameters[2] & 0x40, 0x40, element)
                }
            }
        }

        /// Widths whose rows GStreamer pads.
        func testAnyEvenSizeIsEncoded() throws {
            for element in Self.elements {
                for (width, height) in [(322, 242), (98, 66), (1280, 720)] {
                    let encoder = try encoder(element, width: width, height: height), decoder = try makeVideoDecoder(encoder.codec)
                    var picture = Picture(width: width, height: height)
                    for row in 0..<height {
                        for column in 0..<width { picture.bytes[row * width + column] = column < width / 2 ? 40 : 200 }
                    }
                    var frame: [UInt8] = []
                    for _ in 0..<5 {
                        frame = []
                        _ = try encoder.encode(picture, forcesKeyFrame: true, into: &frame)
                    }
                    let decoded = try XCTUnwrap(try decoder.decode(frame))
                    XCTAssertEqual([decoded.width, decoded.height], [width, height])
                    for row in stride(from: 4, to: height - 4, by: 7) {
                        XCTAssertEqual(Int(decoded.bytes[row * width + width / 4]), 40, accuracy: 12, "\(element) \(width) row \(row)")
                        XCTAssertEqual(Int(decoded.bytes[row * width + width * 3 / 4]), 200, accuracy: 12, "\(element) \(width) row \(row)")
                    }
                }
            }
        }

        func testBitrateIsKeptAndFollowsAChange() throws {
            for element in Self.elements {
                let encoder = try encoder(element)
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
                XCTAssertEqual(try bitrate(frames: 120), 800_000, accuracy: 160_000, element)
                try encoder.setBitrate(300_000)
                _ = try bitrate(frames: 60)
                XCTAssertEqual(try bitrate(frames: 120), 300_000, accuracy: 90_000, element)
                for wild in [100_000_000, 30_000, 0, .max, 500_000] {
                    try encoder.setBitrate(wild)
                    XCTAssertGreaterThan(try bitrate(frames: 2), 0, "\(element) at \(wild)")
                }
            }
        }

        func testPropertiesOfTheUserHoldAndAnEncoderThatHoldsPicturesBackIsAnError() throws {
            // Twenty pictures are looked ahead at: none comes out for the first.
            XCTAssertThrowsError(
                try {
                    var frame: [UInt8] = []
                    _ = try encoder("x264enc tune=0 rc-lookahead=20 bframes=2").encode(
                        Picture(width: 640, height: 480), forcesKeyFrame: false, into: &frame)
                }()
            ) { XCTAssertTrue("\($0)".contains("no frame 3 s after a picture; expected one for each, at once"), "\($0)") }
        }

        func testWhatIsNoEncoderIsRefusedWithItsReason() throws {
            let cases = [
                ("x264encc", "no element \"x264encc\" is installed"), ("", "got nothing"), ("identity", "expected a video encoder"),
                ("jpegenc", "gives neither"), ("theoraenc", "gives neither"),
                ("vp8enc colour=red", "no property \"colour\" in element \"vp8enc\""),
                ("vp8enc !", "GStreamer says: "),
            ]
            for (text, words) in cases {
                XCTAssertThrowsError(try encoder(text), text) { XCTAssertTrue("\($0)".contains(words), "expected `\(words)` in `\($0)`") }
            }
            XCTAssertThrowsError(try encoder("vp8enc", width: 641))
            var frame: [UInt8] = []
            XCTAssertThrowsError(
                try encoder("vp8enc").encode(Picture(width: 320, height: 240), forcesKeyFrame: false, into: &frame)
            ) { XCTAssertTrue("\($0)".contains("expected 640x480"), "\($0)") }
        }

        /// The NAL units of a byte stream.
        private func annexB(_ bytes: [UInt8]) -> [[UInt8]] {
            var units: [[UInt8]] = [], begin: Int?
            for index in bytes.indices.dropLast(2) where bytes[index] == 0 && bytes[index + 1] == 0 && bytes[index + 2] == 1 {
                if let begin { units.append(Array(bytes[begin..<index])) }
                begin = index + 3
            }
            if let begin { units.append(Array(bytes[begin...])) }
            return units
        }
    }
#endif
