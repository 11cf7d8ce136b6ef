import Glibc
import RTC
import Recording
import Service
import Wire

private let replayUsage = """
    usage: waldo replay FILE… [--json]
           waldo replay FILE --serve [--port N] [--bind ADDRESS] [--codec NAME]

    Says what recordings show: distance, stops by reason, commands and their verdicts, delays, video. Several files are taken as the parts
    of one recording, in the order given. A recording that was cut off is read up to its last whole chunk.

      --json           the same for programs
      --serve          plays the recording's video to browsers, again and again, at the pace at which it was taken
      --port N         HTTP port, 0: any free one                (8000)
      --bind ADDRESS   HTTP address                              (127.0.0.1)
      --codec NAME     vp8, which every browser takes, or h264   (vp8)

    Status 1: a file cannot be read, or is no recording.
    """

func runReplay(_ arguments: [String]) -> Never {
    let files = Array(arguments.prefix { !$0.hasPrefix("-") })
    let line = CommandLineOptions(
        Array(arguments.dropFirst(files.count)), known: ["port", "bind", "codec"], switches: ["json", "serve"], usage: replayUsage)
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

private func serve(_ files: [String], _ line: CommandLineOptions) -> Never {
    guard files.count == 1 else { fail("--serve: expected one FILE, got \(files.count)", usage: replayUsage) }
    var options = SourceServer.Options()
    options.recording = files[0]
    options.port = UInt16(line.number("port", 0...65_535, default: 8000))
    guard let address = IPAddress(line.text("bind") ?? "127.0.0.1") else { fail("--bind: expected an IP address") }
    options.bind = address
    options.codec = .vp8
    if let name = line.text("codec") {
        guard let codec = CodecKind(rawValue: name), codec.media == .video else { fail("--codec: expected h264 or vp8, got `\(name)`") }
        options.codec = codec
    }
    var end = EndSignals()
    let server: SourceServer
    do { server = try SourceServer(options) } catch { failToStart(error) }
    _ = Task {
        do {
            let port = try await server.start()
            say("Waldo replay: \(files[0])")
            say("Open http://\(host(of: address)):\(port)/ in a browser. Ctrl+C ends it.")
        } catch { failToStart(error) }
    }
    end.wait { await server.stop() }
}
