import Glibc
import Reactor
import Service
import Wire

let usage = """
    Waldo: WebRTC teleoperation for robots.

    usage: waldo COMMAND [OPTIONS]

      up             a simulated robot to drive from a browser: the main thing
      config         the settings of `up` that are in effect, and where they come from
      replay         what a recording shows
      client         a robot or an operator that meet on a signalling server
      operator       the same as `client --role operator`
      signal         a WebSocket server that repeats every message to everybody else: robots and operators find one another
      monitor        tells whether somebody teleoperates this machine, and who (the program waldo-monitor)
      bench source   serve a live test picture to browsers, and measure it
      bench viewers  many viewers of a WHEP server, and what they receive
      bench operator drive a robot without a screen, to measure how it stops
      bench web      the web server with one of each thing that it does
      bench web-load many clients of a web server, and what they get
      bench signal-load many clients of a signalling server, who all talk
      bench get      fetch with the HTTP client
      bench ws       talk over a WebSocket
      bench peer     one peer that is driven by lines: for measurements and interoperability tests
      bench record   record a synthetic drive, for tests
      bench window   the test picture in a window, and what is done in it
      version        which one this is
      help           this text; `waldo COMMAND --help` says more
    """

/// Says what was wrong on standard error and ends, with status 2 as for every mistake on the command line.
func fail(_ message: String, usage: String? = nil, status: Int32 = 2) -> Never {
    let text = "waldo: \(message)\n" + (usage.map { "\n\($0)\n" } ?? "")
    _ = unsafe write(2, text, text.utf8.count)
    exit(status)
}

/// Ends because the parts could not be made or begin.
func failToStart(_ error: any Error, status: Int32 = 2) -> Never {
    let isTaken = (error as? SystemError).map { $0.call == "bind" && $0.code == EADDRINUSE } ?? false
    fail("cannot start: \(error)" + (isTaken ? ". Another program has the port: choose one with --port" : ""), status: status)
}

/// What a browser on this machine is told to open for a server that listens there.
func host(of address: IPAddress) -> String {
    address.isUnspecified ? "localhost" : address.family == .v6 ? "[\(address)]" : "\(address)"
}

/// One line on standard output at once, also into a pipe.
func say(_ line: String) {
    let text = line + "\n"
    _ = unsafe write(1, text, text.utf8.count)
}

/// `--name value` and `--name=value` pairs, and `--name` alone for switches, each name known beforehand.
struct CommandLineOptions {
    private var values: [String: [String]] = [:]

    init(_ arguments: [String], known: Set<String>, switches: Set<String> = [], usage: String) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--help" || argument == "-h" {
                print(usage)
                exit(0)
            }
            let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
            guard let option = parts.first, option.hasPrefix("--"), case let name = String(option.dropFirst(2)),
                known.contains(name) || switches.contains(name)
            else { fail("expected an option, got `\(argument)`", usage: usage) }
            if switches.contains(name) {
                guard parts.count == 1 else { fail("\(option): takes no value, got `\(parts[1])`", usage: usage) }
                values[name] = [""]
            } else {
                guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
                    fail("\(option): expected a value after it", usage: usage)
                }
                values[name, default: []].append(value)
            }
        }
    }

    func isOn(_ name: String) -> Bool { values[name] != nil }

    /// The last one given.
    func text(_ name: String) -> String? { values[name]?.last }

    /// All, for options that may be repeated.
    func texts(_ name: String) -> [String] { values[name] ?? [] }

    func number(_ name: String, _ range: ClosedRange<Int>, default standard: Int) -> Int {
        guard let text = text(name) else { return standard }
        guard let number = Int(text), range.contains(number) else {
            fail("--\(name): expected a whole number from \(range.lowerBound) to \(range.upperBound), got `\(text)`")
        }
        return number
    }

    /// WIDTHxHEIGHT.
    func size(_ name: String) -> (width: Int, height: Int)? {
        guard let text = text(name) else { return nil }
        let parts = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 2, let width = parts[0], let height = parts[1], width % 2 == 0, height % 2 == 0,
            (64...4096).contains(width), (64...4096).contains(height)
        else { fail("--\(name): expected WIDTHxHEIGHT, even numbers from 64 to 4096, got `\(text)`") }
        return (width, height)
    }

    /// What `--tls-certificate`, `--tls-key` and `--tls-self-signed` ask for.
    func tls() -> TLSSettings? {
        let (certificates, keys) = (texts("tls-certificate"), texts("tls-key"))
        guard certificates.count == keys.count else {
            fail("--tls-certificate and --tls-key: expected as many of both, got \(certificates.count) and \(keys.count)")
        }
        if !certificates.isEmpty, isOn("tls-self-signed") { fail("expected either --tls-self-signed or files, got both") }
        if isOn("tls-self-signed") { return .selfSigned }
        return certificates.isEmpty ? nil : .files(Array(zip(certificates, keys)))
    }
}
