import Glibc
import Reactor
import Service
import Wire

/// What can be set about a command: on the command line, by the environment, in a JSON file, in this order of precedence.
struct Settings {
    struct Option {
        /// `media-port`: `--media-port`, `WALDO_MEDIA_PORT`, and `"media-port"` in the file.
        var name: String
        /// What stands for the value in the help; nil: a switch.
        var value: String?
        /// For people; a line end begins another line of the help.
        var help: String
        var standard: String?

        init(_ name: String, _ value: String?, _ help: String, _ standard: String? = nil) {
            (self.name, self.value, self.help, self.standard) = (name, value, help, standard)
        }

        var variable: String { "WALDO_" + name.uppercased().map { $0 == "-" ? "_" : String($0) }.joined() }
    }

    /// Where a value comes from, as messages and `waldo config` call it.
    enum Source: Equatable, CustomStringConvertible {
        case standard
        case file(String)
        case environment(String)
        case commandLine(String)

        var description: String {
            switch self {
            case .standard: "default"
            case .file(let path): path
            case .environment(let name): name
            case .commandLine(let option): option
            }
        }
    }

    let options: [Option]
    private var values: [String: (text: String, source: Source)] = [:]

    /// Ends the program with what is wrong, or with `help`.
    init(_ options: [Option], _ arguments: [String], usage: String) {
        self.options = options
        for option in options { if let standard = option.standard { values[option.name] = (standard, .standard) } }
        let given = CommandLineOptions(
            arguments, known: Set(options.filter { $0.value != nil }.map(\.name)),
            switches: Set(options.filter { $0.value == nil }.map(\.name)),
            usage: usage + "\n\n" + Self.table(options))
        let variables = environment()
        if let path = given.text("config") ?? variables["WALDO_CONFIG"] { read(file: path) }
        for option in options {
            if let text = variables[option.variable] { set(option, text, .environment(option.variable)) }
            if option.value == nil, given.isOn(option.name) { values[option.name] = ("true", .commandLine("--" + option.name)) }
            if option.value != nil, let text = given.text(option.name) { values[option.name] = (text, .commandLine("--" + option.name)) }
        }
    }

    private mutating func set(_ option: Option, _ text: String, _ source: Source) {
        if option.value == nil {
            guard ["true", "false", "1", "0", "yes", "no"].contains(text) else { fail("\(source): expected true or false, got `\(text)`") }
            values[option.name] = ["true", "1", "yes"].contains(text) ? ("true", source) : nil
        } else {
            values[option.name] = (text, source)
        }
    }

    private mutating func read(file path: String) {
        let members: JSONObject
        do {
            let field = JSONField(try JSON(parsing: try readFile(path, limit: 1 << 20).span))
            members = try field.object()
        } catch { fail("configuration \(path): \(error)") }
        for (name, value) in members.members {
            guard let option = options.first(where: { $0.name == name }) else {
                fail("configuration \(path): `\(name)` is not known; known are \(options.map(\.name).joined(separator: ", "))")
            }
            switch value {
            case .string(let text): set(option, text, .file("\(path): \(name)"))
            case .bool, .integer, .double: set(option, value.description, .file("\(path): \(name)"))
            default: fail("configuration \(path): \(name): expected a text, a number, true or false")
            }
        }
    }

    // MARK: Reading

    func isOn(_ name: String) -> Bool { values[name]?.text == "true" }
    func text(_ name: String) -> String? { values[name]?.text }
    func source(_ name: String) -> Source { values[name]?.source ?? .standard }

    func number(_ name: String, _ range: ClosedRange<Int>) -> Int {
        guard let text = text(name), let number = Int(text), range.contains(number) else {
            fail("\(source(name)): expected a whole number from \(range.lowerBound) to \(range.upperBound), got `\(text(name) ?? "")`")
        }
        return number
    }

    func choice(_ name: String, _ choices: [String]) -> String {
        guard let text = text(name), choices.contains(text) else {
            fail("\(source(name)): expected one of \(choices.joined(separator: ", ")), got `\(text(name) ?? "")`")
        }
        return text
    }

    func addresses(_ name: String) -> [IPAddress] {
        (text(name) ?? "").split(separator: ",").map { part in
            guard let address = IPAddress(String(part)) else {
                fail("\(source(name)): expected IP addresses, comma-separated, got `\(part)`")
            }
            return address
        }
    }

    /// WIDTHxHEIGHT.
    func size(_ name: String) -> (width: Int, height: Int) {
        let parts = (text(name) ?? "").split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 2, let width = parts[0], let height = parts[1], width % 2 == 0, height % 2 == 0,
            (64...4096).contains(width), (64...4096).contains(height)
        else { fail("\(source(name)): expected WIDTHxHEIGHT, even numbers from 64 to 4096, got `\(text(name) ?? "")`") }
        return (width, height)
    }

    /// Everything that is in effect and where it comes from; secrets are not shown.
    func report(secrets: Set<String>) -> String {
        let width = options.map(\.name.count).max() ?? 0
        return options.map { option in
            let value = values[option.name]
            let text = value.map { secrets.contains(option.name) ? "(set)" : $0.text } ?? (option.value == nil ? "false" : "(none)")
            let name = option.name + String(repeating: " ", count: width - option.name.count)
            return "\(name)  \(text)  [\(value?.source ?? .standard)]"
        }.joined(separator: "\n")
    }

    static func table(_ options: [Option]) -> String {
        let heads = options.map { "  --\($0.name)" + ($0.value.map { " " + $0 } ?? "") }
        let width = (heads.map(\.count).max() ?? 0) + 2
        return zip(options, heads).map { option, head in
            let standard = option.standard.map { " (\($0))" } ?? ""
            let lines = (option.help + standard).split(separator: "\n", omittingEmptySubsequences: false)
            let first = head + String(repeating: " ", count: width - head.count) + (lines.first ?? "")
            return ([first] + lines.dropFirst().map { String(repeating: " ", count: width) + $0 }).joined(separator: "\n")
        }.joined(separator: "\n")
    }
}

/// The process's own variables.
private func environment() -> [String: String] {
    var found: [String: String] = [:]
    var entry = unsafe environ
    while let text = unsafe entry.pointee {
        let parts = unsafe String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2 { found[String(parts[0])] = String(parts[1]) }
        unsafe entry += 1
    }
    return found
}

/// A small file's bytes.
func readFile(_ path: String, limit: Int) throws -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SystemError("open", path) }
    defer { close(descriptor) }
    var bytes: [UInt8] = [], piece = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = unsafe read(descriptor, &piece, piece.count)
        guard count >= 0 else { throw SystemError("read", path) }
        if count == 0 { return bytes }
        bytes.append(contentsOf: piece.prefix(count))
        guard bytes.count <= limit else { throw SystemError("read", path, code: EFBIG) }
    }
}
