import Media
import XCTest

/// Pictures that are made for a feed's size.
final class PictureFitTests: XCTestCase {
    func testTheWholeViewIsKeptWithBars() throws {
        var white = Picture(width: 160, height: 40)
        white.fill(x: 0, y: 0, width: 160, height: 40, luma: 235, blue: 128, red: 128)
        let fitted = try white.fitted(toWidth: 640, height: 480)
        XCTAssertEqual([fitted.width, fitted.height], [640, 480])
        func luma(_ x: Int, _ y: Int) -> UInt8 { fitted.bytes[y * 640 + x] }
        XCTAssertEqual(luma(320, 150), 16)
        XCTAssertEqual(luma(320, 200), 235)
        XCTAssertEqual(luma(0, 240), 235)
        XCTAssertEqual(luma(639, 279), 235)
        XCTAssertEqual(luma(320, 330), 16)
    }

    func testAHighPictureGetsBarsAtItsSides() throws {
        var white = Picture(width: 30, height: 90)
        white.fill(x: 0, y: 0, width: 30, height: 90, luma: 235, blue: 128, red: 128)
        let fitted = try white.fitted(toWidth: 640, height: 480)
        XCTAssertEqual(fitted.bytes[240 * 640 + 100], 16)
        XCTAssertEqual(fitted.bytes[240 * 640 + 320], 235)
    }

    func testTheSameAspectFills() throws {
        XCTAssertEqual(try Picture(width: 320, height: 240).fitted(toWidth: 640, height: 480).bytes.count, 640 * 480 * 3 / 2)
        XCTAssertThrowsError(try Picture(width: 320, height: 240).fitted(toWidth: 641, height: 480))
    }

    /// Specs: teleop-client clause 9: min(255, depth·0.03), JET; nothing measured is black.
    func testDepthInColours() throws {
        // Millimetres across, two rows.
        let depths = [0, 100, 2125, 4250, 6375, 8500, 60_000, 65_535]
        var bytes: [UInt8] = []
        for _ in 0..<2 { for depth in depths { bytes += [UInt8(depth & 255), UInt8(depth >> 8)] } }
        let picture = try XCTUnwrap(Picture(depth: bytes, width: 8, height: 2))
        XCTAssertEqual(picture.bytes[0], 16, "not measured")
        let planes = picture.planes
        func chroma(_ column: Int) -> (blue: UInt8, red: UInt8) {
            (picture.bytes[planes.blue + column], picture.bytes[planes.red + column])
        }
        XCTAssertGreaterThan(chroma(1).blue, 128, "2.1 m is bluish")
        XCTAssertGreaterThan(chroma(3).red, 160, "the farthest are red")
        XCTAssertEqual(picture.bytes[6], picture.bytes[7], "8.5 m and more look the same")
        XCTAssertNil(Picture(depth: Array(bytes.dropLast()), width: 8, height: 2))
    }

    func testALostCameraIsSaidInWords() {
        let picture = Picture.noCamera(width: 640, height: 480)
        XCTAssertTrue(picture.bytes.contains(235))
        XCTAssertEqual(picture.bytes[0], 128)
    }
}
