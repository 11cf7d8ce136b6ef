import Glibc
import Reactor
import Recording
import Service
import Wire

private let replayUsage = """
    usage: waldo replay FILE… [--json]
           waldo replay FILE --serve [--port N] [--bind ADDRESS]

    Says what recordings show: distance, stops by reason, commands and their verdicts, delays, video. Several files are taken as the parts
    of one recording, in the order given. A recording that was cut off is read up to its last whole chunk.

      --json           the same for programs
      --serve          shows the recording in the console, again and again, at the pace at which it was taken; nothing can be driven
      --port N         HTTP port, 0: any free one                (8000)
      --bind ADDRESS   HTTP address; others than this machine's own loopback need the token that is printed   (127.0.0.1)
      --console DIR    the folder of the console's files

    Status 1: a file cannot be read, or is no recording.
    """

func runReplay(_ arguments: [String]) -> Never {
    let files = Array(arguments.prefix { !$0.hasPrefix("-") })
    let line = CommandLineOptions(
        Array(arguments.dropFirst(files.count)), known: ["port", "bind", "console"], switches: ["json", "serve"], usage: replayUsage)
    guard !files.isEmpty else { fail("expected a FILE to replay", usage: replayUsage) }
    if line.isOn("serve") { serve(files, line) }
    do throws(RecordingReplay.Failure) {
        let (summary, read) = try RecordingReplay.summarise(files)
        if line.isOn("json") {
            guard case .object(var object) = summary.json else { exit(1) }
            object["files"] = .array(
                read.map { ["path": .string($0.path), "bytes": .integer(Int64($0.bytes)), "complete": .bool($0.isComplete)] })
            say(JSON.object(object).description)
        } else {
            for file in read { say("\(file.path): \(file.bytes) bytes" + (file.isComplete ? "" : ", cut off: its writer did not end it")) }
            say(summary.text)
        }
        exit(0)
    } catch {
        let text = "waldo: \(error)\n"
        _ = unsafe write(2, text, text.utf8.count)
        exit(1)
    }
}

/// A station whose only robot is the recording.
private func serve(_ files: [String], _ line: CommandLineOptions) -> Never {
    guard files.count == 1 else { fail("--serve: expected one FILE, got \(files.count)", usage: replayUsage) }
    guard let address = IPAddress(line.text("bind") ?? "127.0.0.1") else { fail("--bind: expected an IP address") }
    var options = StationOptions(console: line.text("console") ?? installationFolder() + "/console")
    options.port = UInt16(line.number("port", 0...65_535, default: 8000))
    options.bind = [address]
    options.log = Logger("replay")
    // What a robot saw is not for everybody in the network.
    if !address.isLoopback { options.token = UpSettings.makeToken() }
    var end = EndSignals()
    let station: Station, robot: RobotUnit
    do {
        robot = RobotUnit(id: "recording", recorded: try RecordedDrive(path: files[0], log: options.log))
        station = try Station(options)
    } catch { failToStart(error) }
    let query = options.token.map { "/?token=\($0)" } ?? "/"
    _ = Task {
        do {
            let port = try await station.start([robot]).port
            say("Waldo replay: \(files[0])")
            say("Open http://\(host(of: address)):\(port)\(query) in a browser. Ctrl+C ends it.")
        } catch { failToStart(error) }
    }
    end.wait { await station.stop() }
}
