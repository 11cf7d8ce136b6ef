/// A key that drives, by its place on the keyboard: where W, A, S and D are on an American one, and the arrows.
public enum DriveKey: String, Sendable, Hashable, CaseIterable {
    case w, a, s, d, up, left, down, right

    /// Right +, forward +.
    var direction: (x: Double, y: Double) {
        switch self {
        case .w, .up: (0, 1)
        case .s, .down: (0, -1)
        case .a, .left: (-1, 0)
        case .d, .right: (1, 0)
        }
    }
}

/// What a person's hands ask for, from keys and a stick.
///
/// What is held is held only as long as it is known to be: when the keyboard goes to another window or the game controller is gone, everything
/// counts as let go. A key counts again when it is pressed anew, a stick when it has been at rest.
public struct ManualInput: Sendable {
    /// Of a stick's way, on each axis: so that a hand that pushes forward does not also turn.
    public static let deadZone = 0.12

    private var keys: Set<DriveKey> = []
    private var stick = (x: 0.0, y: 0.0)
    private var stickCounts = false
    private var holdsDeadMan = false

    public init() {}

    /// Right +, −1…1.
    public var x: Double { (keysSum { $0.direction.x } + stick.x).clampedToOne }
    /// Forward +, −1…1.
    public var y: Double { (keysSum { $0.direction.y } + stick.y).clampedToOne }
    /// Somebody holds something: a drive key, the stick off its rest, or the dead-man button.
    public var isHeld: Bool { holdsDeadMan || !keys.isEmpty || stick.x != 0 || stick.y != 0 }

    public mutating func key(_ key: DriveKey, isDown: Bool) {
        if isDown { keys.insert(key) } else { keys.remove(key) }
    }

    /// Where the left stick is: right + and forward +, −1…1.
    public mutating func stick(x: Double, y: Double) {
        let moved = (x: Self.beyondDeadZone(x), y: Self.beyondDeadZone(y))
        if moved.x == 0, moved.y == 0 { stickCounts = true }
        if stickCounts { stick = moved }
    }

    public mutating func deadMan(isDown: Bool) { holdsDeadMan = isDown }

    /// A game controller came (its stick counts once it has been at rest) or went (everything is let go).
    public mutating func gamepad(isConnected: Bool) {
        if isConnected { releaseStick() } else { releaseAll() }
    }

    /// The keyboard went to another window, or the window is gone.
    public mutating func releaseAll() {
        keys = []
        releaseStick()
    }

    private mutating func releaseStick() {
        stick = (0, 0)
        stickCounts = false
        holdsDeadMan = false
    }

    /// W and the arrow up are one wish.
    private func keysSum(_ part: (DriveKey) -> Double) -> Double { keys.reduce(0) { $0 + part($1) }.clampedToOne }

    /// 0 within the dead zone, and from there evenly up to 1.
    private static func beyondDeadZone(_ value: Double) -> Double {
        guard value.isFinite, abs(value) > deadZone else { return 0 }
        let way = min(1, (abs(value) - deadZone) / (1 - deadZone))
        return value < 0 ? -way : way
    }
}

extension Double {
    fileprivate var clampedToOne: Double { min(1, max(-1, self)) }
}
