import Media
import XCTest

import Display

final class WindowPainterTests: XCTestCase {
    private static let green: UInt32 = 0x01_0203

    /// What is painted on a window of that size, from a canvas of green.
    private func paint(_ painter: inout WindowPainter, _ picture: Picture?, width: Int, height: Int) -> [UInt32] {
        var pixels = [UInt32](repeating: Self.green, count: width * height)
        unsafe pixels.withUnsafeMutableBufferPointer { buffer in
            var surface = unsafe PixelSurface(pixels: buffer.baseAddress!, width: width, height: height, stride: width)
            painter.paint(picture, on: &surface)
        }
        return pixels.map { $0 & 0xFF_FFFF }
    }

    private func white() -> Picture {
        var picture = Picture(width: 64, height: 48)
        picture.fill(x: 0, y: 0, width: 64, height: 48, luma: 235, blue: 128, red: 128)
        return picture
    }

    func testThePictureHasBlackBesideItAndNothingIsLeftOfBefore() {
        var painter = WindowPainter()
        for (width, height, columns, rows) in [(64, 48, 64, 48), (200, 60, 80, 60), (64, 200, 64, 48), (201, 61, 80, 60)] {
            let pixels = paint(&painter, white(), width: width, height: height)
            XCTAssertEqual(pixels.filter { $0 == 0xFF_FFFF }.count, columns * rows, "\(width)x\(height)")
            XCTAssertEqual(pixels.filter { $0 == 0 }.count, width * height - columns * rows, "\(width)x\(height)")
        }
    }

    func testWithoutAPictureThereIsTheText() {
        var painter = WindowPainter()
        XCTAssertEqual(Set(paint(&painter, nil, width: 160, height: 120)), [0])
        painter.lines = ["No picture", "yet"]
        XCTAssertEqual(Set(paint(&painter, nil, width: 160, height: 120)), [0, 0xFF_FFFF])
        painter.showsHUD = false
        XCTAssertEqual(Set(paint(&painter, nil, width: 160, height: 120)), [0])
    }

    func testTextStandsOnADarkGroundInTheLowerLeftCornerWhateverThePicture() {
        var painter = WindowPainter()
        painter.lines = ["HHH"]
        let pixels = paint(&painter, white(), width: 640, height: 480)
        // Two pixels a point: three cells of 6×9 and a margin of four.
        let (width, height) = (3 * 12 + 8, 18 + 8)
        for y in 0..<480 {
            for x in 0..<640 where x >= width || y < 480 - height { XCTAssertEqual(pixels[y * 640 + x], 0xFF_FFFF, "(\(x), \(y))") }
        }
        let inside = (480 - height..<480).flatMap { y in pixels[(y * 640)..<(y * 640 + width)] }
        XCTAssertEqual(Set(inside), [0x3F_3F3F, 0xFF_FFFF])
        XCTAssertEqual(inside.filter { $0 == 0xFF_FFFF }.count, 3 * 17 * 4, "an H has 17 points")
    }

    func testMoreTextThanThereIsRoomIsCutOff() {
        var painter = WindowPainter()
        painter.lines = Array(repeating: String(repeating: "W", count: 500), count: 100) + ["", "ünïcode", "\u{7}"]
        XCTAssertEqual(paint(&painter, nil, width: 161, height: 121).count, 161 * 121)
    }
}
