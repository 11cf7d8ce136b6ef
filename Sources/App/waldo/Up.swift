import Glibc
import Reactor
import Robot
import Service
import Wire

private let upUsage = """
    usage: waldo up [OPTIONS]

    A station with a simulated robot: open the address that it prints in a browser, and drive.
    Every option can also be given in the environment (--media-port: WALDO_MEDIA_PORT) and in a JSON file (--config);
    `waldo config` prints what is in effect, and why.
    This software is not safety-rated: a robot that can hurt somebody needs a hardware emergency stop.
    """

func runUp(_ arguments: [String]) -> Never {
    let settings = Settings(UpSettings.options, arguments, usage: upUsage)
    let options = UpSettings.station(settings)
    var end = EndSignals()
    let robot = makeRobot(settings, options.log)
    let station: Station
    do { station = try Station(options) } catch { failToStart(error) }
    _ = Task {
        do {
            let (port, fingerprint) = try await station.start([robot])
            announce(options, port: port, fingerprint: fingerprint, robot: robot)
        } catch { failToStart(error) }
    }
    end.wait {
        say("\nstopping the robot")
        await station.stop()
    }
}

func runConfig(_ arguments: [String]) -> Never {
    let usage =
        "usage: waldo config [OPTIONS OF waldo up]\n\nPrints the settings of `waldo up` that are in effect, and where each comes from."
    let settings = Settings(UpSettings.options, arguments, usage: usage)
    // What `up` would refuse is refused here, too.
    _ = UpSettings.station(settings)
    _ = simulation(settings)
    say(settings.report(secrets: UpSettings.secrets))
    exit(0)
}

/// Where to open the browser, which robot, what is recorded where.
private func announce(_ options: StationOptions, port: UInt16, fingerprint: String?, robot: RobotUnit) {
    let scheme = options.tls == nil ? "http" : "https"
    let places = options.bind.flatMap { $0.isUnspecified ? hostAddresses().filter { !$0.isLoopback } : [$0] }
    let query = options.token.map { "/?token=\($0)" } ?? "/"
    var addresses: [String] = []
    for place in places {
        // Others of this machine's own (127.0.0.2) are not what the name stands for.
        let name = ["127.0.0.1", "::1"].contains("\(place)") ? "localhost" : host(of: place)
        let address = "\(scheme)://\(name):\(port)\(query)"
        if !addresses.contains(address) { addresses.append(address) }
    }
    say("Open \(addresses.first ?? "\(scheme)://localhost:\(port)\(query)") in a browser.")
    for address in addresses.dropFirst() { say("  or \(address)") }
    say("Robot: \(robot.driver.capabilities.model) (\(robot.id)), safety profile \(options.profile.name)")
    say("Recording: " + (options.recording ?? "nothing (--record)"))
    if let fingerprint { say("Certificate (self-signed), SHA-256: \(fingerprint)") }
    if let token = options.viewerToken { say("For viewers: the same address with ?token=\(token)") }
    // Of use to a telephone, which is not this machine.
    let isReachable = !options.bind.allSatisfy(\.isLoopback)
    if options.token != nil, isReachable, let address = addresses.first, let code = QRCode.text(address) { say("\n" + code) }
    if options.token == nil, isReachable { say("INSECURE: whoever can reach this address can drive the robot.") }
    say("Ctrl+C stops the robot and ends it.")
}
