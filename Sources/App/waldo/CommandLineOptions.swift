import Glibc

let usage = """
    Waldo: WebRTC teleoperation for robots.

    usage: waldo COMMAND [OPTIONS]

      bench source   serve a live test picture to browsers, and measure it
      bench viewers  many viewers of a WHEP server, and what they receive
      help           this text; `waldo COMMAND --help` says more
    """

/// Says what was wrong on standard error and ends with status 2, as for every mistake on the command line.
func fail(_ message: String, usage: String? = nil) -> Never {
    let text = "waldo: \(message)\n" + (usage.map { "\n\($0)\n" } ?? "")
    _ = unsafe write(2, text, text.utf8.count)
    exit(2)
}

/// One line on standard output at once, also into a pipe.
func say(_ line: String) {
    let text = line + "\n"
    _ = unsafe write(1, text, text.utf8.count)
}

/// `--name value` and `--name=value` pairs, each name known beforehand.
struct CommandLineOptions {
    private var values: [String: String] = [:]

    init(_ arguments: [String], known: Set<String>, usage: String) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--help" || argument == "-h" {
                print(usage)
                exit(0)
            }
            let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
            guard let name = parts.first, name.hasPrefix("--"), known.contains(String(name.dropFirst(2))) else {
                fail("expected an option, got `\(argument)`", usage: usage)
            }
            guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
                fail("\(name): expected a value after it", usage: usage)
            }
            values[String(name.dropFirst(2))] = value
        }
    }

    func text(_ name: String) -> String? { values[name] }

    func number(_ name: String, _ range: ClosedRange<Int>, default standard: Int) -> Int {
        guard let text = values[name] else { return standard }
        guard let number = Int(text), range.contains(number) else {
            fail("--\(name): expected a whole number from \(range.lowerBound) to \(range.upperBound), got `\(text)`")
        }
        return number
    }
}
