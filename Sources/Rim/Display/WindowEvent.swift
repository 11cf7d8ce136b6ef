import Teleop

/// What a person does in the window. Keys that repeat are told once.
public enum WindowEvent: Sendable, Hashable {
    /// Q, or the window was closed. The window is gone, and nothing else is.
    case quit
    /// The display went away, with the reason. The window is gone.
    case lost(String)
    /// Esc.
    case emergencyStop
    /// C.
    case clearEmergencyStop
    case key(DriveKey, isDown: Bool)
    /// The keyboard is another window's, or the window is about to be gone (then before `quit` and `lost`): nothing counts as held any more.
    case focusLost
    /// A game controller came, with its name, or went (nil). With several, the first that came counts; others wait until it is gone.
    case gamepad(String?)
    /// The left stick: right + and forward +, −1…1, without a dead zone. Only while the window has the keyboard; anew when it gets it.
    case stick(x: Double, y: Double)
    case gamepadButton(GamepadButton, isDown: Bool)
}

public enum GamepadButton: Sendable, Hashable {
    /// The right one of the four (B, or the circle); told whichever window has the keyboard.
    case emergencyStop
    /// The right shoulder, or the right trigger beyond its half.
    case deadMan
}
