import Glibc
import Service
import Wire

private let benchWebLoadUsage = """
    usage: waldo bench web-load --mode MODE [OPTIONS]

    Loads a web server, checks its answers, and prints one line of JSON.

      --mode MODE        json: a small GET again and again; echo: WebSocket messages that come back;
                         fanout: WebSockets that only listen; idle: connections that say nothing
      --url URL          of an IP address or localhost; of https any certificate is trusted
                         (http://127.0.0.1:8000/json; /ws for echo, /broadcast for fanout)
      --connections N    1 to 20000                                (100)
      --depth N          requests or messages under way on each, 1 to 256   (1)
      --size N           bytes of a message; of fanout the least   (64)
      --seconds N        that count                                (5)
      --warm-up N        seconds before them, 0 to 60              (1)
      --pid N            the server's process: its CPU time is read, too
      --websocket        the connections of idle are WebSockets
    """

func runBenchWebLoad(_ arguments: [String]) -> Never {
    let line = CommandLineOptions(
        arguments, known: ["mode", "url", "connections", "depth", "size", "seconds", "warm-up", "pid"], switches: ["websocket"],
        usage: benchWebLoadUsage)
    guard let mode = WebLoad.Mode(rawValue: line.text("mode") ?? "") else {
        let modes = WebLoad.Mode.allCases.map(\.rawValue).joined(separator: ", ")
        fail("--mode: expected one of \(modes), got `\(line.text("mode") ?? "nothing")`", usage: benchWebLoadUsage)
    }
    let isWebSocket = mode == .echo || mode == .idle && line.isOn("websocket")
    let path = mode == .fanout ? "/broadcast" : isWebSocket ? "/ws" : "/json"
    var options = WebLoad.Options(mode, line.text("url") ?? "http://127.0.0.1:8000\(path)")
    options.connections = line.number("connections", 1...20_000, default: 100)
    options.depth = line.number("depth", 1...256, default: 1)
    options.size = line.number("size", mode == .fanout ? 0...65_536 : 8...65_536, default: mode == .fanout ? 0 : 64)
    options.length = .seconds(line.number("seconds", 1...3600, default: 5))
    options.warmUp = .seconds(line.number("warm-up", 0...60, default: 1))
    options.webSocket = line.isOn("websocket")
    options.process = line.text("pid").map { _ in Int32(line.number("pid", 1...Int(Int32.max), default: 0)) }
    signal(SIGPIPE, SIG_IGN)
    let load: WebLoad
    do { load = try WebLoad(options) } catch { failToStart(error) }
    _ = Task.detached {
        do {
            let figures = try await load.measure { count in progress("\(count) connections are open") }
            say(String(decoding: json(figures, mode).encoded(), as: UTF8.self))
            _exit(figures.wrong == 0 && figures.ended == 0 ? 0 : 1)
        } catch { fail("\(error)") }
    }
    while true { pause() }
}

private func json(_ figures: WebLoad.Figures, _ mode: WebLoad.Mode) -> JSON {
    func round(_ value: Double) -> JSON { .double((value * 1e6).rounded() / 1e6) }
    var object: JSONObject = [
        "mode": .string(mode.rawValue), "connections": .integer(Int64(figures.connections)), "messages": .integer(Int64(figures.messages)),
        "wrong": .integer(Int64(figures.wrong)), "ended": .integer(Int64(figures.ended)), "seconds": round(figures.seconds),
        "per_second": round(Double(figures.messages) / figures.seconds), "own_cpu": round(figures.ownCPU),
    ]
    if let cpu = figures.serverCPU, cpu > 0 {
        object["server_cpu"] = round(cpu)
        object["per_cpu_second"] = round(Double(figures.messages) / cpu)
    }
    return .object(object)
}

/// One line on standard error.
private func progress(_ text: String) {
    let line = "waldo: \(text)\n"
    _ = unsafe write(2, line, line.utf8.count)
}
