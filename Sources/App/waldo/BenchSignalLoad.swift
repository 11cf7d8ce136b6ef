import Glibc
import Service
import Wire

private let benchSignalLoadUsage = """
    usage: waldo bench signal-load [OPTIONS]

    Loads a signalling server with clients that all talk, checks that each gets every message of every other once and in order, and prints one
    line of JSON. A delivery is one message at one receiver.

      --url URL          of the server; of wss any certificate is trusted (ws://127.0.0.1:8080)
      --connections N    2 to 1000                                (100)
      --rate N           messages a second of each; `waldo signal` lets 200 through (20)
      --size N           bytes of a message, 13 to 65536          (64)
      --seconds N        that count                               (5)
      --warm-up N        seconds before them, 0 to 60             (1)
      --pid N            the server's process: its CPU time is read, too
    """

func runBenchSignalLoad(_ arguments: [String]) -> Never {
    let line = CommandLineOptions(
        arguments, known: ["url", "connections", "rate", "size", "seconds", "warm-up", "pid"], usage: benchSignalLoadUsage)
    var options = SignalLoad.Options()
    if let url = line.text("url") { options.url = url }
    options.connections = line.number("connections", 2...1000, default: 100)
    options.rate = Double(line.number("rate", 1...100_000, default: 20))
    options.size = line.number("size", SignalLoad.leastSize...65_536, default: 64)
    options.length = .seconds(line.number("seconds", 1...3600, default: 5))
    options.warmUp = .seconds(line.number("warm-up", 0...60, default: 1))
    options.process = line.text("pid").map { _ in Int32(line.number("pid", 1...Int(Int32.max), default: 0)) }
    signal(SIGPIPE, SIG_IGN)
    let load: SignalLoad
    do { load = try SignalLoad(options) } catch { failToStart(error) }
    _ = Task.detached {
        do {
            let figures = try await load.measure()
            say(String(decoding: json(figures).encoded(), as: UTF8.self))
            _exit(figures.wrong == 0 && figures.missing == 0 && figures.ended == 0 ? 0 : 1)
        } catch { fail("\(error)", status: 1) }
    }
    while true { pause() }
}

private func json(_ figures: SignalLoad.Figures) -> JSON {
    func round(_ value: Double) -> JSON { .double((value * 1e6).rounded() / 1e6) }
    var object: JSONObject = [
        "connections": .integer(Int64(figures.connections)), "messages": .integer(Int64(figures.messages)),
        "deliveries": .integer(Int64(figures.deliveries)), "wrong": .integer(Int64(figures.wrong)),
        "missing": .integer(Int64(figures.missing)), "ended": .integer(Int64(figures.ended)), "seconds": round(figures.seconds),
        "per_second": round(Double(figures.deliveries) / figures.seconds), "own_cpu": round(figures.ownCPU),
    ]
    if let cpu = figures.serverCPU, cpu > 0 {
        object["server_cpu"] = round(cpu)
        object["per_cpu_second"] = round(Double(figures.deliveries) / cpu)
    }
    return .object(object)
}
