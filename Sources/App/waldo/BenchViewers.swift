import Glibc
import Service
import Wire

private let benchViewersUsage = """
    usage: waldo bench viewers [OPTIONS]

    Connects many viewers to a WHEP server, receives for a while, and prints one line of figures.

      --url URL      (http://127.0.0.1:8000/whep)
      --count N      viewers, 1 to 1000      (10)
      --seconds N    how long to receive     (10)
      --bind ADDRESS this machine's address that they use   (127.0.0.1)
      --every N      print the figures every N seconds, too
      --channel      each opens a data channel, too
      --no-video     take no video; needs --channel
    """

func runBenchViewers(_ arguments: [String]) -> Never {
    let line = CommandLineOptions(
        arguments, known: ["url", "count", "seconds", "bind", "every"], switches: ["channel", "no-video"], usage: benchViewersUsage)
    let url = line.text("url") ?? "http://127.0.0.1:8000/whep"
    let count = line.number("count", 1...1000, default: 10)
    let seconds = line.number("seconds", 1...86_400, default: 10)
    let every = line.number("every", 1...86_400, default: seconds)
    var options = ViewerLoad.Options()
    if let text = line.text("bind") {
        guard let address = IPAddress(text) else { fail("--bind: expected an IP address, got `\(text)`") }
        options.address = address
    }
    options.channel = line.isOn("channel")
    options.video = !line.isOn("no-video")
    guard options.video || options.channel else { fail("--no-video: expected --channel with it, else there is nothing to connect for") }
    signal(SIGPIPE, SIG_IGN)
    let load: ViewerLoad
    do { load = try ViewerLoad(options) } catch { failToStart(error) }
    _ = Task.detached {
        do {
            try await load.connect(count, to: url)
            say("connected")
            var left = seconds
            while left > every {
                sleep(UInt32(every))
                left -= every
                report(await load.summary())
            }
            sleep(UInt32(left))
            report(await load.summary())
            await load.close()
            usleep(100_000)
            exit(0)
        } catch {
            fail("\(error)")
        }
    }
    while true { pause() }
}

private func report(_ summary: ViewerLoad.Summary) {
    func median(_ values: [Double]) -> String {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return "-" }
        return "\((sorted[sorted.count / 2] * 100).rounded() / 100)"
    }
    say(
        "viewers=\(summary.viewers) connected=\(summary.connected) connect_ms=\(median(summary.connectMilliseconds)) "
            + "first_picture_ms=\(median(summary.firstPictureMilliseconds)) packets=\(summary.packets) lost=\(summary.lost) "
            + "frames=\(summary.frames) key_frames=\(summary.keyFrames) freezes=\(summary.freezes)")
}
