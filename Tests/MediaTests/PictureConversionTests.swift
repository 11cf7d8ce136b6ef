import Media
import XCTest

final class PictureConversionTests: XCTestCase {
    /// Red above blue, as RGB and RGBA, in both row orders.
    func testColoursAndRowOrderComeFromRGB() throws {
        for bytesPerPixel in [3, 4] {
            for isBottomUp in [false, true] {
                var pixels: [UInt8] = []
                for row in 0..<32 {
                    let isRed = (row < 16) != isBottomUp
                    for _ in 0..<64 { pixels += [isRed ? 255 : 0, 0, isRed ? 0 : 255, 255].prefix(bytesPerPixel) }
                }
                let picture = try unsafe pixels.withUnsafeBytes { raw throws(MediaError) in
                    bytesPerPixel == 3
                        ? unsafe try Picture(rgb: raw, width: 64, height: 32, isBottomUp: isBottomUp)
                        : unsafe try Picture(rgba: raw, width: 64, height: 32, isBottomUp: isBottomUp)
                }
                // ITU-R BT.601 clause 3, limited range: red is (81, 90, 240), blue (41, 240, 110).
                let planes = picture.planes, above = 4 * 64 + 30, below = 28 * 64 + 30
                let chromaAbove = 2 * 32 + 15, chromaBelow = 14 * 32 + 15
                let expected: [(Int, Int)] = [
                    (above, 81), (below, 41), (planes.blue + chromaAbove, 90), (planes.blue + chromaBelow, 240),
                    (planes.red + chromaAbove, 240), (planes.red + chromaBelow, 110),
                ]
                for (index, value) in expected { XCTAssertEqual(Int(picture.bytes[index]), value, accuracy: 3, "byte \(index)") }
            }
        }
    }

    func testPixelsThatDoNotFillThePictureAreRefused() throws {
        let pixels = [UInt8](repeating: 0, count: 64 * 32 * 3 - 1)
        try unsafe pixels.withUnsafeBytes { raw in
            XCTAssertThrowsError(try unsafe Picture(rgb: raw, width: 64, height: 32)) { XCTAssertTrue("\($0)".contains("6144"), "\($0)") }
            XCTAssertThrowsError(try unsafe Picture(rgb: raw, width: 63, height: 32))
        }
    }

    func testScalingKeepsTheView() throws {
        var camera = TestPattern(width: 1280, height: 720)
        let picture = camera.next(unixMilliseconds: 0x5A5A_5A5A)
        for (width, height) in [(960, 540), (640, 360), (320, 180), (1920, 1080), (66, 34)] {
            let scaled = try picture.scaled(toWidth: width, height: height)
            XCTAssertEqual(scaled.bytes.count, width * height * 3 / 2)
            for bit in 0..<32 {
                let column = (bit * 32 + 16) * width / 1280, row = 16 * height / 720
                XCTAssertEqual(scaled.bytes[row * width + column] > 128, 0x5A5A_5A5A >> bit & 1 == 1, "bit \(bit) at \(width)x\(height)")
            }
        }
        XCTAssertThrowsError(try picture.scaled(toWidth: 0, height: 0))
        XCTAssertThrowsError(try picture.scaled(toWidth: 3, height: 4))
    }
}
