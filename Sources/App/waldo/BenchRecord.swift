import Glibc
import RTC
import Service
import Synchronization
import Wire

private let benchRecordUsage = """
    usage: waldo bench record FILE [OPTIONS]

    Records a synthetic drive with a test picture as MCAP: for tests of the recorder, and of what reads recordings.

      --seconds N    how long                                        (3)
      --limit MB     what the files may take together; the oldest part goes  (no bound)
      --size WxH     pixels                                          (640x480)
      --bitrate N    kbit/s                                          (1500)
      --codec NAME   h264 or vp8                                     (h264)

    Status 1: the recording could not go on.
    """

func runBenchRecord(_ arguments: [String]) -> Never {
    guard let path = arguments.first, !path.hasPrefix("--") else { fail("expected a FILE to record to", usage: benchRecordUsage) }
    let line = CommandLineOptions(
        Array(arguments.dropFirst()), known: ["seconds", "limit", "size", "bitrate", "codec"], usage: benchRecordUsage)
    var options = RecordBench.Options()
    options.path = path
    options.bitrate = line.number("bitrate", 50...100_000, default: 1500) * 1000
    if let size = line.size("size") { (options.width, options.height) = size }
    if line.text("limit") != nil { options.limit = line.number("limit", 1...1_000_000, default: 1) << 20 }
    if let name = line.text("codec") {
        guard let codec = CodecKind(rawValue: name), codec.media == .video else { fail("--codec: expected h264 or vp8, got `\(name)`") }
        options.codec = codec
    }
    let seconds = line.number("seconds", 1...86_400, default: 3)
    let bench: RecordBench
    do {
        bench = try RecordBench(options) { error in
            let text = "waldo: \(error)\n"
            _ = unsafe write(2, text, text.utf8.count)
        }
    } catch { failToStart(error) }
    _ = Task {
        do {
            try await bench.start()
            say("recording to \(path)")
            try await Task.sleep(for: .seconds(seconds))
            let figures = await bench.finish()
            say(
                "\(figures.messages) messages, \(figures.bytes) bytes in \(figures.files) files, \(figures.removed) removed, \(figures.dropped) dropped"
            )
            exit(figures.failure == nil ? 0 : 1)
        } catch { failToStart(error) }
    }
    while true { pause() }
}
