import Contracts
import Display
import Media
import RTC
import Reactor
import Service
import Synchronization
import Teleop
import Wire

/// The operator's window, the decoder that feeds it, and the hands at it.
final class OperatorScreen: Sendable {
    private let window: OperatorWindow
    private let decoder: DecoderThread
    private let link: Link

    /// Shared with the window's and the decoder's threads.
    private final class Link: Sendable {
        let client = Lock<OperatorClient?>(nil)
        let hands = Lock(ManualInput())
        /// When the window's thread last knew what the hands do.
        let known = Lock(Instant.zero)
        let shown = Lock(Shown())
    }

    /// Which pictures are on their way to the glass, and how long they took.
    private struct Shown: Sendable {
        var timestamps: [(captured: Instant, timestamp: UInt32)] = []
        /// From the whole frame to the glass, of the last second.
        var delays: [Duration] = []
    }

    /// Nil where there is no display.
    static func open(_ tell: @escaping @Sendable (ClientEvent) -> Void) throws -> OperatorScreen? {
        do throws(DisplayError) { return try OperatorScreen(tell) } catch {
            tell(.headless)
            return nil
        }
    }

    private init(_ tell: @escaping @Sendable (ClientEvent) -> Void) throws(DisplayError) {
        let link = Link()
        self.link = link
        let window = try OperatorWindow(
            title: "Camera 1", width: 1280, height: 720, onShown: { captured, shown in Self.note(captured, shown, link) },
            onTurn: { Self.turn(link) }, onEvent: { event in Self.handle(event, link, tell) })
        self.window = window
        do throws(SystemError) {
            decoder = try DecoderThread(
                onPicture: { decoded in
                    link.shown.withLock { shown in
                        shown.timestamps.append((decoded.completed, decoded.timestamp))
                        if shown.timestamps.count > 64 { shown.timestamps.removeFirst() }
                    }
                    window.show(CapturedPicture(decoded.picture, captured: decoded.completed, unixNanoseconds: 0))
                },
                onLoss: { link.client.withLock { $0 }?.submitKeyFrameRequest() })
        } catch { throw .refused("\(error)") }
    }

    func serve(_ client: OperatorClient) { link.client.withLock { $0 = client } }

    func show(_ frame: ReceivedFrame) { decoder.put(frame) }

    func close() {
        window.close()
        decoder.stop()
    }

    // MARK: From the window's thread

    private static func note(_ captured: Instant, _ shown: Instant, _ link: Link) {
        let timestamp = link.shown.withLock { all in
            all.delays.append(shown - captured)
            if all.delays.count > 60 { all.delays.removeFirst() }
            return all.timestamps.last { $0.captured == captured }?.timestamp
        }
        if let timestamp { link.client.withLock { $0 }?.submit(shown: timestamp) }
    }

    private static func handle(_ event: WindowEvent, _ link: Link, _ tell: @Sendable (ClientEvent) -> Void) {
        let client = link.client.withLock { $0 }
        switch event {
        case .emergencyStop, .gamepadButton(.emergencyStop, isDown: true):
            client?.submitEmergencyStop()
            return
        case .clearEmergencyStop:
            client?.submitClear()
            return
        case .lost(let reason): tell(.warning("the window is gone: \(reason)"))
        default: break
        }
        let wish = link.hands.withLock { hands in
            hands.take(event)
            return (hands.x, hands.y, hands.isHeld)
        }
        client?.submit(x: wish.0, y: wish.1, isHeld: wish.2)
    }

    /// What is held is said again as long as it is known to be: after a display that stood still it has to be taken up anew.
    private static func turn(_ link: Link) {
        let now = MonotonicClock.now()
        let gap = link.known.withLock { known in
            defer { known = now }
            return now - known
        }
        let wish = link.hands.withLock { hands in
            let wasHeld = hands.isHeld
            if gap > OperatorClient.handsPatience { hands.releaseAll() }
            return wasHeld ? (hands.x, hands.y, hands.isHeld) : nil
        }
        if let wish { link.client.withLock { $0 }?.submit(x: wish.0, y: wish.1, isHeld: wish.2) }
    }

    // MARK: The figures

    /// From the robot's camera to the glass as far as this end can know it: half of the way there and back, decoding and showing. Milliseconds.
    var delay: Double? {
        link.shown.withLock { shown in
            guard !shown.delays.isEmpty else { return nil }
            return shown.delays.sorted()[shown.delays.count / 2].milliseconds
        }
    }

    func show(_ figures: OperatorFigures) {
        window.setHUD(figures.lines(delay))
    }
}

extension OperatorFigures {
    /// For the window.
    fileprivate func lines(_ shown: Double?) -> [String] {
        func number(_ value: Double, _ digits: Int) -> String {
            let scale = digits == 0 ? 1.0 : 10
            let rounded = (value * scale).rounded() / scale
            return digits == 0 ? "\(Int(rounded))" : "\(rounded)"
        }
        var lines = [
            "\(state.rawValue)  \(width)x\(height)  \(number(rate, 0)) frames/s  \(number(bitrate / 1000, 0)) kbit/s  loss \(number(loss * 100, 1)) %"
        ]
        if let shown {
            let way = roundTrip.map { $0 / 2 } ?? 0
            lines.append(
                "delay \(number(way + shown, 0)) ms beside camera and encoder (way \(number(way, 1)), decode and show \(number(shown, 1)))")
        }
        if let drives {
            var text = "drives \(drives): \(drive?.motion ?? "")"
            if let reason = drive?.reason { text += " (\(reason))" }
            if drive?.isLatched == true { text = "EMERGENCY STOP - C clears it" }
            lines.append(text)
        }
        return lines
    }

    /// `shown`: the median from a whole frame to the glass, milliseconds.
    func json(_ shown: Double?) -> JSON {
        guard case .object(var object) = json else { return json }
        if let shown {
            object["show_ms"] = .double((shown * 100).rounded() / 100)
            object["delay_ms"] = .double(((shown + (roundTrip ?? 0) / 2) * 100).rounded() / 100)
        }
        return .object(object)
    }
}
