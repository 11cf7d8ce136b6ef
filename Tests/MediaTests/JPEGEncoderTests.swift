import CTurboJPEG
import Media
import XCTest

final class JPEGEncoderTests: XCTestCase {
    /// JFIF: YCbCr over the full range, so that white is 255.
    func testPicturesAreFullRangeAndKeepTheirSize() throws {
        var camera = TestPattern(width: 1280, height: 720)
        let picture = camera.next(unixMilliseconds: 1)
        let encoder = try JPEGEncoder()
        for (width, expected) in [(nil, (1280, 720)), (640, (640, 360)), (5000, (1280, 720)), (321, (320, 180))] as [(Int?, (Int, Int))] {
            let jpeg = try encoder.encode(picture, quality: 90, width: width)
            let decoded = try decode(jpeg)
            XCTAssertEqual(decoded.width, expected.0)
            XCTAssertEqual(decoded.height, expected.1)
            // The lowest bit of the time code is white, the next is black.
            let row = 16 * decoded.height / 720, white = 16 * decoded.width / 1280, black = 48 * decoded.width / 1280
            XCTAssertGreaterThan(decoded.grey[row * decoded.width + white], 245)
            XCTAssertLessThan(decoded.grey[row * decoded.width + black], 10)
        }
    }

    func testQualityCostsBytes() throws {
        var camera = TestPattern(width: 640, height: 480)
        let picture = camera.next(unixMilliseconds: 1)
        let encoder = try JPEGEncoder()
        let sizes = try [1, 20, 50, 80, 100].map { try encoder.encode(picture, quality: $0).count }
        XCTAssertEqual(sizes, sizes.sorted())
    }

    func testWhatCannotBeIsRefused() throws {
        let encoder = try JPEGEncoder()
        let picture = Picture(width: 64, height: 64)
        for (quality, width) in [(0, nil), (101, nil), (80, 15), (80, 0), (80, -4)] as [(Int, Int?)] {
            XCTAssertThrowsError(try encoder.encode(picture, quality: quality, width: width)) {
                XCTAssertTrue("\($0)".contains("expected"), "\($0)")
            }
        }
        XCTAssertFalse(try encoder.encode(Picture(width: 1000, height: 2), width: 16).isEmpty, "a strip stays a picture")
    }

    private func decode(_ encoded: [UInt8]) throws -> (width: Int, height: Int, grey: [UInt8]) {
        let handle = try unsafe XCTUnwrap(tjInitDecompress())
        defer { unsafe tjDestroy(handle) }
        var jpeg = encoded
        var (width, height, sampling): (Int32, Int32, Int32) = (0, 0, 0)
        guard unsafe tjDecompressHeader2(handle, &jpeg, UInt(jpeg.count), &width, &height, &sampling) == 0 else {
            throw MediaError.library("tjDecompressHeader2", code: -1)
        }
        var grey = [UInt8](repeating: 0, count: Int(width * height))
        let code = unsafe tjDecompress2(handle, jpeg, UInt(jpeg.count), &grey, width, 0, height, Int32(TJPF_GRAY.rawValue), 0)
        XCTAssertEqual(code, 0)
        return (Int(width), Int(height), grey)
    }
}
