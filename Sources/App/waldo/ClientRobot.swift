import CameraDriver
import Glibc
import Media
import Reactor
import Robot
import Service
import SimDriver
import Wire

func runRobotClient(_ settings: Settings, _ end: EndSignals) -> Never {
    let printer = makePrinter(settings)
    let log = LogOptions(settings).logger("robot")
    var options = RobotClient.Options(signaling: ClientSettings.signaling(settings), id: ClientSettings.id(settings))
    options.serverTrust = ClientSettings.trust(settings)
    options.turnTrust = options.serverTrust
    options.iceServers = ClientSettings.iceServers(settings)
    options.bind = settings.addresses("bind")
    options.relayOnly = settings.isOn("relay-only")
    options.viewers = settings.number("viewers", 0...64)
    options.bitrate = settings.number("bitrate", 100...100_000) * 1000
    options.encoders = makeEncoders(settings)
    options.profile = settings.choice("profile", ["lan", "wan"]) == "wan" ? .wan : .lan
    options.usageNamespace = UsageSettings.namespace(settings)
    options.log = log
    var drive = settings.text("drive").map { _ in makeDriven(settings, log) }
    let camera = makeCamera(settings, &drive, log)
    printer.tell(.camera(width: camera.feed.width, height: camera.feed.height, rate: camera.feed.rate))
    let robot: RobotClient
    do { robot = try RobotClient(options, camera: camera, drive: drive, tell: { printer.tell($0) }) } catch { failToStart(error) }
    _ = Task {
        do { try await robot.start() } catch { failToStart(error) }
    }
    waitForEnd(end, printer) { await robot.stop() }
}

/// What `--drive` names.
private func makeDriven(_ settings: Settings, _ log: Logger) -> RobotUnit {
    _ = settings.choice("drive", ["sim"])
    let (width, height) = settings.size("size")
    do throws(SimError) {
        let options = SimOptions(
            world: settings.text("world"), width: width, height: height, hasCameras: usesRobotsCamera(settings))
        let driver = try SimDriver(options)
        return RobotUnit(id: "rover", driver: driver, cameras: driver.cameras)
    } catch { failToStart(error) }
}

/// A simulated robot shows what it sees, unless another camera is asked for.
private func usesRobotsCamera(_ settings: Settings) -> Bool {
    settings.text("camera") == "sim" || settings.text("drive") != nil && settings.source("camera") == .standard
}

private func makeCamera(_ settings: Settings, _ drive: inout RobotUnit?, _ log: Logger) -> RobotClient.Camera {
    let name = settings.text("camera") ?? ""
    if usesRobotsCamera(settings) {
        guard let feed = drive?.cameras.first else { fail("\(settings.source("camera")): sim is the camera of --drive sim; give both") }
        return RobotClient.Camera(feed: feed)
    }
    let (width, height) = settings.size("size")
    let rate = settings.number("rate", 1...60)
    guard name == "test" else {
        let (camera, trouble) = makeLiveCamera(name, width: width, height: height, rate: rate, log)
        if let robot = drive?.driver {
            drive?.driver = CameraDriver(robot, cameras: [camera.feed], hasMicrophone: false, trouble: trouble, endSources: {})
        }
        return camera
    }
    let feed = PictureFeed(name: "camera", width: width, height: height, rate: rate)
    // As much moves as the bitrate of that size can show.
    let bits = settings.number("bitrate", 100...100_000) * 1000 * width * height / (1280 * 720 * 30)
    do { _ = try TestCamera(feed: feed, bitsPerPicture: max(bits, 8000), showsClock: true) } catch { cannotOpenCamera("\(error)") }
    return RobotClient.Camera(feed: feed)
}

/// Before anything is connected (specs: teleop-client clause 9).
func cannotOpenCamera(_ reason: String) -> Never {
    say("Cannot open camera: \(reason)")
    exit(1)
}
