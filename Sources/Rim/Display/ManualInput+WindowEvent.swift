import Teleop

extension ManualInput {
    /// What an event of the window means for what is held. Emergency stops are not its matter.
    public mutating func take(_ event: WindowEvent) {
        switch event {
        case .key(let key, let isDown): self.key(key, isDown: isDown)
        case .stick(let x, let y): stick(x: x, y: y)
        case .gamepadButton(.deadMan, let isDown): deadMan(isDown: isDown)
        case .gamepad(let name): gamepad(isConnected: name != nil)
        case .focusLost, .quit, .lost: releaseAll()
        case .emergencyStop, .clearEmergencyStop, .gamepadButton(.emergencyStop, _): break
        }
    }
}
