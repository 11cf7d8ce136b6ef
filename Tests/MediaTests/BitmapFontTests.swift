import XCTest

import Media

final class BitmapFontTests: XCTestCase {
    private func picture(of text: String, width: Int = 32, height: Int = 16, x: Int = 0, y: Int = 0, scale: Int = 1) -> Picture {
        var picture = Picture(width: width, height: height)
        picture.draw(text, x: x, y: y, scale: scale)
        return picture
    }

    func testEveryPrintableCharacterHasAFormOfItsOwn() {
        var forms: [[UInt8]: String] = [:]
        for code in UInt8(0x20)...0x7E {
            let text = String(UnicodeScalar(code))
            if let other = forms.updateValue(text, forKey: picture(of: text).bytes) { XCTFail("`\(text)` looks like `\(other)`") }
            for run in BitmapFont.runs(code) {
                XCTAssertTrue(run.row < 7 && run.column + run.length <= 5 && run.length > 0, "`\(text)`: \(run)")
            }
        }
        XCTAssertEqual(picture(of: "\u{7}").bytes, picture(of: "?").bytes)
    }

    func testTextIsWhiteInABlackBoxWithoutColour() {
        var picture = Picture(width: 64, height: 32)
        picture.fill(x: 0, y: 0, width: 64, height: 32, luma: 100, blue: 50, red: 200)
        picture.draw("I", x: 8, y: 4, scale: 2)
        // A cell of 12×16 and a margin of four.
        for y in 0..<32 {
            for x in 0..<64 {
                let isInside = (8..<28).contains(x) && (4..<28).contains(y)
                let luma = picture.bytes[y * 64 + x], blue = picture.bytes[picture.planes.blue + y / 2 * 32 + x / 2]
                XCTAssertEqual(isInside, luma != 100, "(\(x), \(y)) is \(luma)")
                XCTAssertEqual(isInside, blue == 128, "(\(x), \(y)) is \(blue)")
            }
        }
        XCTAssertEqual(picture.bytes.prefix(64 * 32).filter { $0 == 235 }.count, 11 * 4, "an I has eleven points")
    }

    func testWhatLiesOutsideIsLeftOut() {
        for (x, y) in [(-20, -10), (30, 14), (-4000, 0), (4000, 4000), (31, -3)] {
            XCTAssertEqual(picture(of: "Wide text", x: x, y: y, scale: 3).bytes.count, 32 * 16 * 3 / 2)
        }
    }
}
