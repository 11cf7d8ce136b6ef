import Teleop
import XCTest

final class ManualInputTests: XCTestCase {
    func testKeysPushOneWayAndOppositeOnesCancel() {
        let cases: [(keys: [DriveKey], x: Double, y: Double)] = [
            ([], 0, 0), ([.w], 0, 1), ([.up], 0, 1), ([.s], 0, -1), ([.down], 0, -1), ([.d], 1, 0), ([.right], 1, 0), ([.a], -1, 0),
            ([.left], -1, 0), ([.w, .d], 1, 1), ([.w, .s], 0, 0), ([.a, .right], 0, 0), ([.w, .up], 0, 1), ([.w, .up, .s], 0, 1),
            ([.w, .a, .s, .d], 0, 0),
        ]
        for (keys, x, y) in cases {
            var input = ManualInput()
            for key in keys { input.key(key, isDown: true) }
            XCTAssertEqual(input.x, x, "\(keys)")
            XCTAssertEqual(input.y, y, "\(keys)")
            XCTAssertEqual(input.isHeld, !keys.isEmpty, "\(keys)")
            for key in keys { input.key(key, isDown: false) }
            XCTAssertEqual([input.x, input.y], [0, 0])
            XCTAssertFalse(input.isHeld)
        }
    }

    /// A stick that has been at rest, and is there now.
    private func input(x: Double, y: Double) -> ManualInput {
        var input = ManualInput()
        input.gamepad(isConnected: true)
        input.stick(x: 0, y: 0)
        input.stick(x: x, y: y)
        return input
    }

    func testAStickCountsFromItsDeadZoneOn() {
        for (place, expected) in [
            (0, 0), (0.12, 0), (-0.12, 0), (0.56, 0.5), (-0.56, -0.5), (1, 1), (-1, -1), (1.5, 1), (.nan, 0), (.infinity, 0),
        ] as [(Double, Double)] {
            let sideways = input(x: place, y: 0), ahead = input(x: 0, y: place)
            XCTAssertEqual(sideways.x, expected, accuracy: 1e-12, "\(place)")
            XCTAssertEqual(sideways.y, 0)
            XCTAssertEqual(ahead.y, expected, accuracy: 1e-12, "\(place)")
            XCTAssertEqual(ahead.isHeld, expected != 0)
        }
        XCTAssertEqual(input(x: 0.1, y: 1).x, 0, "a hand that pushes forward does not also turn")
    }

    func testStickAndKeysAddUpToTheWholeWay() {
        var input = input(x: -0.56, y: 1)
        input.key(.w, isDown: true)
        input.key(.d, isDown: true)
        XCTAssertEqual(input.y, 1)
        XCTAssertEqual(input.x, 0.5, accuracy: 1e-12)
    }

    func testAStickThatIsHeldWhenItComesCountsOnceItHasBeenAtRest() {
        var input = ManualInput()
        input.stick(x: 0, y: 0)
        input.gamepad(isConnected: true)
        input.stick(x: 0, y: 1)
        XCTAssertFalse(input.isHeld)
        XCTAssertEqual(input.y, 0)
        input.stick(x: 0.05, y: -0.05)
        input.stick(x: 0, y: 1)
        XCTAssertTrue(input.isHeld)
        XCTAssertEqual(input.y, 1)
    }

    func testEverythingIsLetGoWhenTheKeyboardOrTheControllerIsGone() {
        for release in [{ $0.releaseAll() }, { $0.gamepad(isConnected: false) }] as [(inout ManualInput) -> Void] {
            var input = input(x: 0.3, y: 0.7)
            input.key(.w, isDown: true)
            input.deadMan(isDown: true)
            release(&input)
            XCTAssertFalse(input.isHeld)
            XCTAssertEqual([input.x, input.y], [0, 0])
            input.stick(x: 0.3, y: 0.7)
            XCTAssertFalse(input.isHeld, "what is held on counts only when it has been let go of")
            input.key(.w, isDown: false)
            input.key(.w, isDown: true)
            XCTAssertEqual(input.y, 1)
        }
    }

    func testTheDeadMansButtonHoldsWithoutMoving() {
        var input = ManualInput()
        input.deadMan(isDown: true)
        XCTAssertTrue(input.isHeld)
        XCTAssertEqual([input.x, input.y], [0, 0])
        input.deadMan(isDown: false)
        XCTAssertFalse(input.isHeld)
    }
}
