import Media
import Reactor
import Wire

/// The window's thread: takes what the person does, shows the newest picture, waits.
struct WindowLoop: ~Copyable {
    private let handle: WindowHandle
    private let mail: WindowMail
    private let onShown: @Sendable (Instant, Instant) -> Void
    private let onTurn: @Sendable () -> Void
    private let onEvent: @Sendable (WindowEvent) -> Void
    private var painter = WindowPainter()
    private var isFullScreen = false
    private var picture: CapturedPicture?
    /// When what is in the window must be drawn anew, at the latest.
    private var drawingIsDue: Instant?
    private var failures = 0

    /// Without pictures, a text waits as long for one.
    private static let patience = Duration.milliseconds(100)
    /// How often a controller that is plugged in is looked for, and `onTurn` told; milliseconds.
    private static let idleWait = 90
    /// In a row: a display that refuses for about a second is of no use any more.
    private static let failureLimit = 30

    init(
        handle: consuming WindowHandle, mail: WindowMail, onShown: @escaping @Sendable (Instant, Instant) -> Void,
        onTurn: @escaping @Sendable () -> Void, onEvent: @escaping @Sendable (WindowEvent) -> Void
    ) {
        self.handle = handle
        (self.mail, self.onShown, self.onTurn, self.onEvent) = (mail, onShown, onTurn, onEvent)
    }

    private enum End {
        case closed, quit
        case lost(String)
    }

    mutating func run() {
        drawingIsDue = MonotonicClock.now()
        while true {
            guard let end = turn() else { continue }
            mail.end()
            if case .closed = end { return }
            onEvent(.focusLost)
            if case .lost(let reason) = end { onEvent(.lost(reason)) } else { onEvent(.quit) }
            return
        }
    }

    private mutating func turn() -> End? {
        while let happening = handle.nextHappening() {
            if take(happening) { return .quit }
        }
        onTurn()
        let letters = mail.take()
        if letters.isClosed { return .closed }
        for deed in letters.padDeeds { handle.act(deed) }
        let now = MonotonicClock.now()
        if let lines = letters.hud, painter.lines != lines {
            painter.lines = lines
            drawBy(now + Self.patience)
        }
        if let newest = letters.picture {
            picture = newest
            drawBy(now)
        }
        if let due = drawingIsDue, due <= now {
            draw(isNew: letters.picture != nil)
            // What SDL read from the display while it drew does not make the display readable again.
            return failures < Self.failureLimit ? nil : .lost("the window cannot be drawn: \(handle.failure)")
        }
        let left = drawingIsDue.map { ($0 - now).nanoseconds / 1_000_000 + 1 } ?? Int64(Self.idleWait)
        return handle.wait(bell: mail.bell.descriptor, milliseconds: Int(left)) ? nil : .lost(handle.failure)
    }

    /// True: the window is to be closed.
    private mutating func take(_ happening: WindowHandle.Happening) -> Bool {
        switch happening {
        case .closed: return true
        case .spoilt: drawBy(MonotonicClock.now())
        case .hud:
            painter.showsHUD.toggle()
            drawBy(MonotonicClock.now())
        case .fullScreen:
            isFullScreen.toggle()
            handle.showFullScreen(isFullScreen)
            drawBy(MonotonicClock.now())
        case .event(let event): onEvent(event)
        }
        return false
    }

    private mutating func drawBy(_ instant: Instant) { drawingIsDue = min(drawingIsDue ?? instant, instant) }

    private mutating func draw(isNew: Bool) {
        drawingIsDue = nil
        guard handle.draw({ painter.paint(picture?.picture, on: &$0) }) else {
            failures += 1
            drawBy(MonotonicClock.now() + Self.patience)
            return
        }
        failures = 0
        guard isNew, let captured = picture?.captured else { return }
        let shown = MonotonicClock.now()
        mail.note { statistics in
            statistics.shown += 1
            (statistics.newestCaptured, statistics.newestShown) = (captured, shown)
        }
        onShown(captured, shown)
    }
}
