import Glibc
import Reactor
import Service
import Synchronization
import Wire

/// Prints what happens, as people or programs want it, on a thread of its own: a terminal that is held, or a pipe that nobody reads, must not
/// keep a robot from standing still.
final class ClientPrinter: Sendable {
    private let isText: Bool
    private let lines: Inbox<String>
    private let isOver = Lock(false)
    private let isDone = Atomic<Bool>(false)

    /// Lines that wait; what comes while there are so many is left out.
    private static let limit = 2048

    init(_ settings: Settings) throws(SystemError) {
        isText = settings.choice("log", ["text", "json"]) == "text"
        lines = try Inbox(limit: Self.limit, leavesOut: .newest)
        try WorkerThread.start("waldo-printer") { [self] in run() }
    }

    func tell(_ event: ClientEvent) {
        isOver.withLock { isOver in
            guard !isOver else { return }
            lines.put(line(event))
            // Nothing is told after the goodbye.
            isOver = event == .bye
        }
    }

    /// A line of figures.
    func put(_ text: String) { isOver.withLock { if !$0 { lines.put(text) } } }

    /// All that was told is out, or could not be in time.
    func finish() {
        lines.close()
        let deadline = MonotonicClock.now() + .milliseconds(200)
        while !isDone.load(ordering: .acquiring), MonotonicClock.now() < deadline { usleep(500) }
    }

    private func line(_ event: ClientEvent) -> String {
        isText ? event.text : event.json(at: Double(MonotonicClock.unixNanoseconds()) / 1e9).description
    }

    private func run() {
        var leftOut = 0
        while case .element(let text) = lines.next() {
            say(text)
            let count = lines.leftOut
            guard count > leftOut, lines.count < Self.limit / 2 else { continue }
            say(line(.warning("\(count - leftOut) lines were left out: standard output takes them too slowly")))
            leftOut = count
        }
        isDone.store(true, ordering: .releasing)
    }
}
