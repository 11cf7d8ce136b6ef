import Glibc
import Recording
import Service
import Wire

private let replayUsage = """
    usage: waldo replay FILE… [--json]

    Says what recordings show: distance, stops by reason, commands and their verdicts, delays, video. Several files are taken as the parts
    of one recording, in the order given. A recording that was cut off is read up to its last whole chunk.

      --json   the same for programs

    Status 1: a file cannot be read, or is no recording.
    """

func runReplay(_ arguments: [String]) -> Never {
    let files = Array(arguments.prefix { !$0.hasPrefix("-") })
    let line = CommandLineOptions(Array(arguments.dropFirst(files.count)), known: [], switches: ["json"], usage: replayUsage)
    guard !files.isEmpty else { fail("expected a FILE to replay", usage: replayUsage) }
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
