import Glibc
import Service
import Wire

private let benchOperatorUsage = """
    usage: waldo bench operator [OPTIONS]

    An operator without a screen, who drives the robot of a station in circles, acts on the newest whole picture, and keeps the rules:
    for measuring how robots stop. Prints a line of figures a second.

      --station URL   (http://127.0.0.1:8000)
      --robot NAME    (rover)
      --bind LIST     this machine's addresses for media, comma-separated; none: all
      --speed V,W     centimetres a second forward, and hundredths of rad/s to the left   (30,80)
      --seconds N     0: until Ctrl+C   (0)
      --token TEXT    the station's token
    """

func runBenchOperator(_ arguments: [String]) -> Never {
    let line = CommandLineOptions(
        arguments, known: ["station", "robot", "bind", "speed", "seconds", "token"], usage: benchOperatorUsage)
    var options = HeadlessOperator.Options()
    options.station = line.text("station") ?? options.station
    options.robot = line.text("robot") ?? options.robot
    options.token = line.text("token")
    options.bind = (line.text("bind") ?? "").split(separator: ",").map { text in
        guard let address = IPAddress(String(text)) else { fail("--bind: expected IP addresses, got `\(text)`") }
        return address
    }
    if let text = line.text("speed") {
        let parts = text.split(separator: ",").map { Int($0) }
        guard parts.count == 2, let vx = parts[0], let vyaw = parts[1], abs(vx) <= 1000, abs(vyaw) <= 1000 else {
            fail("--speed: expected two whole numbers, like 30,80, got `\(text)`")
        }
        (options.vx, options.vyaw) = (Double(vx) / 100, Double(vyaw) / 100)
    }
    let seconds = line.number("seconds", 0...86_400, default: 0)
    signal(SIGPIPE, SIG_IGN)
    let driver: HeadlessOperator
    do { driver = try HeadlessOperator(options) } catch { failToStart(error) }
    _ = Task.detached {
        do {
            try await driver.start()
            var passed = 0
            while seconds == 0 || passed < seconds {
                sleep(1)
                passed += 1
                report(await driver.figures)
            }
            await driver.stop()
            exit(0)
        } catch { failToStart(error) }
    }
    while true { pause() }
}

private func report(_ figures: HeadlessOperator.Figures) {
    let sorted = figures.roundTrips.sorted()
    let median = sorted.isEmpty ? "-" : "\((sorted[sorted.count / 2] * 1000).rounded() / 1000)"
    say(
        "state=\(figures.state) connects=\(figures.connects) commands=\(figures.commands) frames=\(figures.frames) round_trip_ms=\(median)")
}
