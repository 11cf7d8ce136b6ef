import Media
import Reactor

/// The way from any thread into the window's, which waits for the display and for this. `Inbox` waits for itself alone.
final class WindowMail: Sendable {
    struct Letters: Sendable {
        /// The newest; nil: none since the last time.
        var picture: CapturedPicture?
        /// Nil: unchanged.
        var hud: [String]?
        var padDeeds: [PadDeed] = []
        var isClosed = false
    }

    private struct State: Sendable {
        var letters = Letters()
        var statistics = WindowStatistics()
        var isOver = false
    }

    private let state = Lock(State())
    let bell: Bell

    init() throws(SystemError) { bell = try Bell() }

    var statistics: WindowStatistics { state.withLock { $0.statistics } }

    func put(_ picture: CapturedPicture) {
        write { state in
            if state.letters.picture != nil { state.statistics.leftOut += 1 }
            state.letters.picture = picture
        }
    }

    func put(hud: [String]) { write { $0.letters.hud = hud } }
    func put(_ deed: PadDeed) { write { if $0.letters.padDeeds.count < 64 { $0.letters.padDeeds.append(deed) } } }
    func close() { write { $0.letters.isClosed = true } }

    private func write(_ change: (inout State) -> Void) {
        let rings = state.withLock { state in
            if !state.isOver { change(&state) }
            return !state.isOver
        }
        if rings { bell.ring() }
    }

    // The window's thread.

    func take() -> Letters {
        state.withLock { state in
            defer { state.letters = Letters(isClosed: state.letters.isClosed) }
            return state.letters
        }
    }

    func note(_ change: (inout WindowStatistics) -> Void) { state.withLock { change(&$0.statistics) } }

    /// Nothing is taken any more.
    func end() {
        state.withLock { state in
            state.isOver = true
            state.letters = Letters()
        }
    }
}

/// What a game controller of the process's own does, for tests.
package enum PadDeed: Sendable, Hashable {
    case attach, detach
    case stick(x: Double, y: Double)
    case button(GamepadButton, isDown: Bool)
}
