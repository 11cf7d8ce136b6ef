import Glibc
import Media
import Reactor
import Wire

/// A window with the newest picture and a few lines of text over it, for the person who drives, on a thread of its own.
///
/// The picture keeps its aspect. F shows the window on the whole screen and back; H hides the text and shows it. One window a process.
public final class OperatorWindow: Sendable {
    private let mail: WindowMail

    /// Opens it, in some 0.1 s, for which it holds up the caller. Width and height: of what is inside, in pixels.
    ///
    /// - Parameters:
    ///   - onShown: told of each picture that was handed to the display: when it was taken, and when it was shown.
    ///   - onTurn: called ten times a second at least, as long as what the hands do is known.
    ///   - onEvent: all are called on the window's thread, and must only hand over.
    public init(
        title: String, width: Int, height: Int, onShown: @escaping @Sendable (_ captured: Instant, _ shown: Instant) -> Void = { _, _ in },
        onTurn: @escaping @Sendable () -> Void = {}, onEvent: @escaping @Sendable (WindowEvent) -> Void
    ) throws(DisplayError) {
        let opened: Inbox<Result<Void, DisplayError>>
        do throws(SystemError) {
            let mail = try WindowMail()
            let outcome = try Inbox<Result<Void, DisplayError>>(limit: 1, leavesOut: .newest)
            (self.mail, opened) = (mail, outcome)
            try WorkerThread.start("waldo-window") {
                do throws(DisplayError) {
                    let handle = try WindowHandle(title: title, width: width, height: height, library: Self.library)
                    outcome.put(.success(()))
                    var loop = WindowLoop(handle: handle, mail: mail, onShown: onShown, onTurn: onTurn, onEvent: onEvent)
                    loop.run()
                } catch {
                    outcome.put(.failure(error))
                }
                mail.end()
            }
        } catch { throw .refused("\(error)") }
        if case .element(let outcome) = opened.next() { try outcome.get() }
    }

    deinit { mail.close() }

    /// What SDL is found by.
    private static var library: String {
        unsafe getenv("WALDO_SDL").map { unsafe String(cString: $0) } ?? "libSDL2-2.0.so.0"
    }

    public var statistics: WindowStatistics { mail.statistics }

    /// From any thread. A picture that comes before the last one was shown takes its place.
    public func show(_ picture: CapturedPicture) { mail.put(picture) }

    /// From any thread. ASCII; shown with the next picture, or in a tenth of a second.
    public func setHUD(_ lines: [String]) { mail.put(hud: lines) }

    /// From any thread. Closes the window soon, and tells nothing of it; once it is gone there is nothing to close.
    public func close() { mail.close() }

    /// A game controller that is not there, for tests.
    package func actOnPad(_ deed: PadDeed) { mail.put(deed) }
}
