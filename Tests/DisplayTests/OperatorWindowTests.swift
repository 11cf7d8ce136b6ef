import Glibc
import Media
import Reactor
import TestSupport
import Wire
import XCTest

import Display

/// On SDL's own driver without a screen; `Tests/interop/test_window.py` sees what is on one.
final class OperatorWindowTests: XCTestCase {
    override func setUp() { unsafe setenv("SDL_VIDEODRIVER", "dummy", 1) }
    override func tearDown() { unsafe unsetenv("SDL_VIDEODRIVER") }

    /// A window of a test before may still be closing.
    private func open(
        _ events: Log<WindowEvent> = Log(), onShown: @escaping @Sendable (Instant, Instant) -> Void = { _, _ in }
    ) async throws -> OperatorWindow {
        for _ in 0..<1000 {
            do throws(DisplayError) {
                return try OperatorWindow(title: "Camera 1", width: 320, height: 240, onShown: onShown) { events.add($0) }
            } catch {
                guard case .refused = error else { throw error }
                try await Task.sleep(nanoseconds: 5_000_000)
            }
        }
        throw DisplayError.refused("for five seconds")
    }

    private func picture() -> CapturedPicture {
        CapturedPicture(Picture(width: 64, height: 48), captured: MonotonicClock.now(), unixNanoseconds: MonotonicClock.unixNanoseconds())
    }

    func testPicturesAreShownAndTheNewestTakesThePlaceOfThoseThatWait() async throws {
        let shown = Log<Duration>()
        let window = try await open { captured, shownAt in shown.add(shownAt - captured) }
        window.show(picture())
        _ = try await shown.wait()
        let count = 200
        for _ in 1..<count { window.show(picture()) }
        try await eventually("all are shown or left out") { window.statistics.shown + window.statistics.leftOut == count }
        XCTAssertEqual(shown.all.count, window.statistics.shown)
        XCTAssertTrue(shown.all.allSatisfy { $0 >= .zero })
        XCTAssertEqual(window.statistics.newestLatency, shown.all.last)
    }

    func testThereIsOneWindowAtATimeAndAnotherAfterIt() async throws {
        var window: OperatorWindow? = try await open()
        XCTAssertThrowsError(try OperatorWindow(title: "", width: 320, height: 240) { _ in }) {
            XCTAssertTrue("\($0)".contains("has a window already"), "\($0)")
        }
        window?.close()
        window?.close()
        window?.show(picture())
        window = try await open()
        // Nobody has it any more: it closes.
        window = nil
        _ = try await open()
    }

    func testAGameControllerComesActsAndGoes() async throws {
        let events = Log<WindowEvent>()
        let window = try await open(events)
        func expect(_ expected: WindowEvent, after deed: PadDeed) async throws {
            let count = events.all.count
            window.actOnPad(deed)
            try await eventually("\(expected) after \(deed): \(events.all)") { events.all.dropFirst(count).contains(expected) }
        }
        try await expect(.gamepad("Virtual pad"), after: .attach)
        try await expect(.stick(x: 1, y: -1), after: .stick(x: 1, y: -1))
        try await expect(.stick(x: 0, y: 0), after: .stick(x: 0, y: 0))
        try await expect(.gamepadButton(.deadMan, isDown: true), after: .button(.deadMan, isDown: true))
        try await expect(.gamepadButton(.deadMan, isDown: false), after: .button(.deadMan, isDown: false))
        try await expect(.gamepadButton(.emergencyStop, isDown: true), after: .button(.emergencyStop, isDown: true))
        try await expect(.gamepadButton(.emergencyStop, isDown: false), after: .button(.emergencyStop, isDown: false))
        try await expect(.gamepad(nil), after: .detach)
    }

    func testNoDisplayIsAnErrorThatSaysSo() {
        let names = ["SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"]
        let kept = names.map { name in unsafe getenv(name).map { unsafe String(cString: $0) } }
        for name in names { unsafe unsetenv(name) }
        defer {
            for (name, value) in zip(names, kept) { if let value { unsafe setenv(name, value, 1) } }
        }
        XCTAssertThrowsError(try OperatorWindow(title: "", width: 320, height: 240) { _ in }) {
            XCTAssertEqual($0 as? DisplayError, .noDisplay("neither DISPLAY nor WAYLAND_DISPLAY is set"))
        }
        XCTAssertEqual(
            "\(DisplayError.noLibrary("SDL is missing"))", "SDL is missing: install libsdl2-2.0-0, or name another library in WALDO_SDL")
    }
}
