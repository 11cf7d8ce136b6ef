import XCTest

@testable import Display

final class PictureAreaTests: XCTestCase {
    func testAPictureIsAsLargeAsItsAspectLetsIt() {
        let cases: [(picture: (Int, Int), window: (Int, Int), area: [Int])] = [
            ((640, 480), (640, 480), [0, 0, 640, 480]),
            ((640, 480), (1280, 720), [160, 0, 960, 720]),
            ((1280, 720), (640, 480), [0, 60, 640, 360]),
            ((640, 480), (801, 333), [178, 0, 444, 332]),
            ((640, 480), (333, 801), [0, 275, 332, 250]),
            ((2, 2), (1, 1), [0, 0, 0, 2]),
        ]
        for (picture, window, expected) in cases.dropLast() {
            let area = PictureArea(of: picture.0, picture.1, in: window.0, window.1)
            XCTAssertEqual([area.x, area.y, area.width, area.height], expected, "\(picture) in \(window)")
        }
    }
}
