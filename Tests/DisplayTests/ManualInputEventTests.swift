import Display
import Teleop
import XCTest

final class ManualInputEventTests: XCTestCase {
    func testEventsOfTheWindowMakeTheCommand() {
        var input = ManualInput()
        for event in [.gamepad("Pad"), .stick(x: 0, y: 0), .stick(x: 1, y: 0), .key(.w, isDown: true)] as [WindowEvent] {
            input.take(event)
        }
        XCTAssertEqual([input.x, input.y], [1, 1])
        input.take(.key(.w, isDown: false))
        XCTAssertEqual([input.x, input.y], [1, 0])
        input.take(.stick(x: 0, y: 0))
        XCTAssertFalse(input.isHeld)
        input.take(.gamepadButton(.deadMan, isDown: true))
        XCTAssertTrue(input.isHeld)
        input.take(.gamepadButton(.deadMan, isDown: false))
        XCTAssertFalse(input.isHeld)
    }

    func testEveryWayInWhichTheHandsAreLostSightOfLetsGo() {
        for event in [.focusLost, .quit, .lost("gone"), .gamepad(nil)] as [WindowEvent] {
            var input = ManualInput()
            input.take(.key(.up, isDown: true))
            input.take(.gamepadButton(.deadMan, isDown: true))
            input.take(event)
            XCTAssertFalse(input.isHeld, "\(event)")
            XCTAssertEqual(input.y, 0, "\(event)")
        }
    }
}
