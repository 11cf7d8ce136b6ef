import Media
import Teleop
internal import CSDL

/// SDL's window. Everything is called on the thread that made it.
@safe struct WindowHandle: ~Copyable {
    private let window: OpaquePointer

    enum Happening {
        case closed, spoilt, fullScreen, hud
        case event(WindowEvent)
    }

    init(title: String, width: Int, height: Int, library: String) throws(DisplayError) {
        var outcome: Int32 = 0
        var message = [CChar](repeating: 0, count: 300)
        let opened = unsafe message.withUnsafeMutableBufferPointer { message in
            unsafe waldo_window_open(library, title, Int32(width), Int32(height), &outcome, message.baseAddress!, Int32(message.count))
        }
        guard let opened = unsafe opened else {
            let reason = unsafe message.withUnsafeBufferPointer { unsafe String(cString: $0.baseAddress!) }
            switch waldo_window_outcome(UInt32(outcome)) {
            case WALDO_WINDOW_NO_DISPLAY: throw .noDisplay(reason)
            case WALDO_WINDOW_NO_LIBRARY: throw .noLibrary(reason)
            default: throw .refused(reason)
            }
        }
        unsafe window = opened
    }

    deinit { unsafe waldo_window_close(window) }

    /// Waits for the display, the bell or the time. False: the display is lost.
    func wait(bell: Int32, milliseconds: Int) -> Bool {
        unsafe waldo_window_wait(window, bell, Int32(milliseconds)) == Int32(WALDO_WINDOW_GO_ON.rawValue)
    }

    var failure: String { unsafe String(cString: waldo_window_error(window)) }

    func showFullScreen(_ isFull: Bool) { unsafe waldo_window_show_full_screen(window, isFull ? 1 : 0) }

    /// False: the display takes nothing now; `failure` says why.
    func draw(_ body: (inout PixelSurface) -> Void) -> Bool {
        var surface = unsafe waldo_window_surface()
        guard unsafe waldo_window_draw_on(window, &surface) != 0, let pixels = unsafe surface.pixels else { return false }
        var drawn = unsafe PixelSurface(
            pixels: pixels, width: Int(surface.width), height: Int(surface.height), stride: Int(surface.stride))
        body(&drawn)
        return unsafe waldo_window_present(window) != 0
    }

    func nextHappening() -> Happening? {
        var event = waldo_window_event()
        while unsafe waldo_window_next_event(window, &event) != 0 {
            if let happening = Self.happening(event) { return happening }
        }
        return nil
    }

    private static func happening(_ event: waldo_window_event) -> Happening? {
        let isDown = event.is_down != 0
        switch waldo_window_event_kind(UInt32(event.kind)) {
        case WALDO_WINDOW_CLOSED: return .closed
        case WALDO_WINDOW_SPOILT: return .spoilt
        case WALDO_WINDOW_FOCUS_LOST: return .event(.focusLost)
        case WALDO_WINDOW_KEY: return key(waldo_window_key(UInt32(event.code)), isDown: isDown)
        case WALDO_WINDOW_PAD_CAME: return .event(.gamepad(name(event)))
        case WALDO_WINDOW_PAD_WENT: return .event(.gamepad(nil))
        case WALDO_WINDOW_STICK: return .event(.stick(x: event.x, y: event.y))
        case WALDO_WINDOW_PAD_BUTTON:
            let button: GamepadButton = event.code == Int32(WALDO_PAD_DEAD_MAN.rawValue) ? .deadMan : .emergencyStop
            return .event(.gamepadButton(button, isDown: isDown))
        default: return nil
        }
    }

    private static func key(_ key: waldo_window_key, isDown: Bool) -> Happening? {
        switch key {
        case WALDO_KEY_W: .event(.key(.w, isDown: isDown))
        case WALDO_KEY_A: .event(.key(.a, isDown: isDown))
        case WALDO_KEY_S: .event(.key(.s, isDown: isDown))
        case WALDO_KEY_D: .event(.key(.d, isDown: isDown))
        case WALDO_KEY_UP: .event(.key(.up, isDown: isDown))
        case WALDO_KEY_LEFT: .event(.key(.left, isDown: isDown))
        case WALDO_KEY_DOWN: .event(.key(.down, isDown: isDown))
        case WALDO_KEY_RIGHT: .event(.key(.right, isDown: isDown))
        case WALDO_KEY_ESCAPE where isDown: .event(.emergencyStop)
        case WALDO_KEY_CLEAR where isDown: .event(.clearEmergencyStop)
        case WALDO_KEY_FULL_SCREEN where isDown: .fullScreen
        case WALDO_KEY_HUD where isDown: .hud
        case WALDO_KEY_QUIT where isDown: .closed
        default: nil
        }
    }

    private static func name(_ event: waldo_window_event) -> String {
        unsafe withUnsafeBytes(of: event.name) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    // A controller of the process's own, for tests.

    func act(_ deed: PadDeed) {
        switch deed {
        case .attach: unsafe _ = waldo_window_pad_attach(window)
        case .detach: unsafe waldo_window_pad_detach(window)
        case .stick(let x, let y): unsafe waldo_window_pad_stick(window, x, y)
        case .button(let button, let isDown):
            let code = button == .deadMan ? WALDO_PAD_DEAD_MAN : WALDO_PAD_EMERGENCY_STOP
            unsafe waldo_window_pad_press(window, Int32(code.rawValue), isDown ? 1 : 0)
        }
    }
}
