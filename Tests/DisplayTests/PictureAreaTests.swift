import XCTest

import Display

final class PictureAreaTests: XCTestCase {
    func testAPictureIsAsLargeAsItsAspectLetsIt() {
        let cases: [(picture: (Int, Int), window: (Int, Int), area: [Int])] = [
            ((640, 480), (640, 480), [0, 0, 640, 480]),
            ((640, 480), (1280, 720), [160, 0, 960, 720]),
            ((1280, 720), (640, 480), [0, 60, 640, 360]),
            ((640, 480), (801, 333), [179, 0, 442, 332]),
            ((640, 480), (333, 801), [0, 275, 332, 250]),
        ]
        for (picture, window, expected) in cases {
            let area = PictureArea(of: picture.0, picture.1, in: window.0, window.1)
            XCTAssertEqual([area.x, area.y, area.width, area.height], expected, "\(picture) in \(window)")
        }
    }

    func testAPictureLiesInTheWindowAndKeepsItsAspectToAPixelOrTwo() {
        for (width, height) in [(640, 480), (1280, 720), (64, 4096), (4096, 64), (1080, 1920)] {
            for windowWidth in [160, 161, 333, 640, 1279, 1280, 3840] {
                for windowHeight in [120, 121, 480, 719, 720, 2160] {
                    let area = PictureArea(of: width, height, in: windowWidth, windowHeight)
                    let what = "\(width)x\(height) in \(windowWidth)x\(windowHeight): \(area)"
                    XCTAssertTrue(area.x >= 0 && area.y >= 0, what)
                    XCTAssertTrue(area.x + area.width <= windowWidth && area.y + area.height <= windowHeight, what)
                    XCTAssertTrue(area.width % 2 == 0 && area.height % 2 == 0 && area.width >= 2 && area.height >= 2, what)
                    XCTAssertTrue(area.width >= windowWidth - 3 || area.height >= windowHeight - 3, what)
                    XCTAssertLessThanOrEqual(
                        abs(area.width * height - area.height * width), 2 * max(width, height), "aspect: \(what)")
                }
            }
        }
    }
}
