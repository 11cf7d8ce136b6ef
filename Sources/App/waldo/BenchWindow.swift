import Display
import Glibc
import Media
import Reactor
import Service
import Teleop
import Wire

private let benchWindowUsage = """
    usage: waldo bench window [OPTIONS]

    Shows the test picture in a window and prints what is done in it, line by line, and figures once a second: for measurements and tests.

      --size WxH     of the picture, pixels                          (1280x720)
      --window WxH   of the window                                   (the picture's)
      --rate N       pictures a second                               (30)
      --seconds N    0: until the window is closed                   (0)
      --title TEXT   (Camera 1)
      --hud TEXT     a line of text over the picture; may be repeated
      --no-clock     the test pattern alone, as it is sent by others

    Lines in:
      pad attach, pad detach           a game controller that only this process has
      pad stick X Y                    hundredths, right and forward +
      pad stop, pad stop-end           its emergency stop, pressed and let go
      pad hold, pad release            its dead-man button
      hud TEXT, close

    Lines out:
      open MILLISECONDS, no-display REASON, closed
      event NAME [VALUES]
      shown N left-out N latency-ms p50 p95 max cpu-percent N rss-mb N

    Status 1: there is no window.
    """

func runBenchWindow(_ arguments: [String]) -> Never {
    let line = CommandLineOptions(
        arguments, known: ["size", "window", "rate", "seconds", "title", "hud"], switches: ["no-clock"], usage: benchWindowUsage)
    let size = line.size("size") ?? (1280, 720), inside = line.size("window") ?? size
    let rate = line.number("rate", 1...240, default: 30), seconds = line.number("seconds", 0...86_400, default: 0)
    let figures: WindowFigures, window: OperatorWindow
    do {
        figures = try WindowFigures()
        let begun = MonotonicClock.now()
        do throws(DisplayError) {
            window = try OperatorWindow(
                title: line.text("title") ?? "Camera 1", width: inside.width, height: inside.height,
                onShown: { captured, shown in figures.add(shown - captured) }, onEvent: { figures.take($0) })
        } catch {
            say("no-display \(error)")
            exit(1)
        }
        say("open \((MonotonicClock.now() - begun).nanoseconds / 1_000_000)")
        window.setHUD(line.texts("hud"))
        let feed = PictureFeed(name: "test", width: size.width, height: size.height, rate: rate)
        _ = feed.subscribe { window.show($0) }
        let camera = try TestCamera(feed: feed, showsClock: !line.isOn("no-clock"))
        try WorkerThread.start("waldo-input") { readBenchWindowLines(window, figures) }
        figures.reportUntilEnd(window, seconds: seconds)
        camera.stop()
        // What is still under way when the window goes is part of what is tried here.
        window.close()
        usleep(200_000)
        say("closed")
        exit(0)
    } catch { failToStart(error) }
}

private func readBenchWindowLines(_ window: OperatorWindow, _ figures: WindowFigures) {
    while let line = readLine() {
        let words = line.split(separator: " ").map(String.init)
        switch words.first {
        case "pad": padDeed(Array(words.dropFirst())).forEach { window.actOnPad($0) }
        case "hud": window.setHUD([words.dropFirst().joined(separator: " ")])
        case "close": figures.end()
        default: say("error \(line): expected pad, hud or close")
        }
    }
}

private func padDeed(_ words: [String]) -> [PadDeed] {
    switch (words.first, words.count) {
    case ("attach", 1): return [.attach]
    case ("detach", 1): return [.detach]
    case ("stop", 1): return [.button(.emergencyStop, isDown: true)]
    case ("stop-end", 1): return [.button(.emergencyStop, isDown: false)]
    case ("hold", 1): return [.button(.deadMan, isDown: true)]
    case ("release", 1): return [.button(.deadMan, isDown: false)]
    case ("stick", 3):
        guard let x = Int(words[1]), let y = Int(words[2]) else { return [] }
        return [.stick(x: Double(x) / 100, y: Double(y) / 100)]
    default:
        say("error pad: unknown deed")
        return []
    }
}

/// What the window's thread tells, for the thread that prints.
private final class WindowFigures: Sendable {
    private let latencies = Lock<[Int64]>([])
    private let ends: Inbox<Void>

    init() throws(SystemError) { ends = try Inbox(limit: 1, leavesOut: .newest) }

    func add(_ latency: Duration) { latencies.withLock { $0.append(latency.nanoseconds) } }

    func take(_ event: WindowEvent) {
        switch event {
        case .quit: say("event quit")
        case .lost(let reason): say("event lost \(reason)")
        case .emergencyStop: say("event emergency-stop")
        case .clearEmergencyStop: say("event clear-emergency-stop")
        case .key(let key, let isDown): say("event key \(key.rawValue) \(isDown ? "down" : "up")")
        case .focusLost: say("event focus-lost")
        case .gamepad(let name?): say("event gamepad \(name)")
        case .gamepad(nil): say("event gamepad-gone")
        case .stick(let x, let y): say("event stick \((x * 100).rounded() / 100) \((y * 100).rounded() / 100)")
        case .gamepadButton(let button, let isDown): say("event button \(button) \(isDown ? "down" : "up")")
        }
        switch event {
        case .quit, .lost: end()
        default: break
        }
    }

    func end() { ends.put(()) }

    func reportUntilEnd(_ window: OperatorWindow, seconds: Int) {
        let begun = MonotonicClock.now()
        var next = begun, cpu = cpuNanoseconds()
        while true {
            next += .seconds(1)
            if case .element = ends.next(until: next) { return }
            let used = cpuNanoseconds()
            report(window.statistics, percent: Double(used - cpu) / 10_000_000)
            cpu = used
            if seconds > 0, MonotonicClock.now() - begun >= .seconds(seconds) { return }
        }
    }

    private func report(_ statistics: WindowStatistics, percent: Double) {
        let sorted = latencies.withLock { latencies in
            defer { latencies = [] }
            return latencies.sorted()
        }
        func at(_ part: Double) -> String {
            sorted.isEmpty ? "-" : milliseconds(sorted[min(sorted.count - 1, Int(Double(sorted.count) * part))])
        }
        say(
            "shown \(statistics.shown) left-out \(statistics.leftOut) latency-ms \(at(0.5)) \(at(0.95)) \(at(1)) cpu-percent "
                + "\((percent * 10).rounded() / 10) rss-mb \(residentMegabytes())")
    }

    private func milliseconds(_ nanoseconds: Int64) -> String { "\((Double(nanoseconds) / 10_000).rounded() / 100)" }
}

private func cpuNanoseconds() -> Int64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

private func residentMegabytes() -> Int {
    guard let text = try? readFile("/proc/self/statm", limit: 4096) else { return 0 }
    let pages = String(decoding: text, as: UTF8.self).split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    return pages / 256
}
