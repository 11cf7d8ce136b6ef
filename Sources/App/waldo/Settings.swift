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
        /// May be given several times: in the environment one a line, in the file as an array.
        var isRepeatable: Bool
        /// Another variable that says the same, where the usual one does not: `PORT`. Its text is one value.
        var alias: String?

        init(
            _ name: String, _ value: String?, _ help: String, _ standard: String? = nil, isRepeatable: Bool = false, alias: String? = nil
        ) {
            (self.name, self.value, self.help, self.standard, self.isRepeatable) = (name, value, help, standard, isRepeatable)
            self.alias = alias
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
    private var values: [String: Value] = [:]

    private struct Value {
        /// Several only of what may be repeated.
        var texts: [String]
        var source: Source

        init(_ texts: [String], _ source: Source) { (self.texts, self.source) = (texts, source) }
    }

    /// Ends the program with what is wrong, or with `help`.
    init(_ options: [Option], _ arguments: [String], usage: String) {
        self.options = options
        for option in options { if let standard = option.standard { values[option.name] = Value([standard], .standard) } }
        let given = CommandLineOptions(
            arguments, known: Set(options.filter { $0.value != nil }.map(\.name)),
            switches: Set(options.filter { $0.value == nil }.map(\.name)),
            usage: usage + "\n\n" + Self.table(options))
        let variables = environment()
        if let path = given.text("config") ?? variables["WALDO_CONFIG"] { read(file: path) }
        for option in options {
            if let name = option.alias, let text = variables[name] { set(option, [text], .environment(name)) }
            if let text = variables[option.variable] {
                set(option, option.isRepeatable ? text.split(separator: "\n").map(String.init) : [text], .environment(option.variable))
            }
            let source = Source.commandLine("--" + option.name), texts = given.texts(option.name)
            if option.value == nil, given.isOn(option.name) { values[option.name] = Value(["true"], source) }
            if option.value != nil, !texts.isEmpty { values[option.name] = Value(option.isRepeatable ? texts : texts.suffix(1), source) }
        }
    }

    private mutating func set(_ option: Option, _ texts: [String], _ source: Source) {
        if option.value == nil {
            let text = texts.last ?? ""
            guard ["true", "false", "1", "0", "yes", "no"].contains(text) else { fail("\(source): expected true or false, got `\(text)`") }
            values[option.name] = Value([["true", "1", "yes"].contains(text) ? "true" : "false"], source)
        } else {
            values[option.name] = Value(texts, source)
        }
    }

    private mutating func read(file path: String) {
        for (name, value) in members(ofFile: path) {
            guard let option = options.first(where: { $0.name == name }) else {
                fail("configuration \(path): `\(name)` is not known; known are \(options.map(\.name).joined(separator: ", "))")
            }
            let all = option.isRepeatable ? value.array ?? [value] : [value]
            if all.contains(where: { $0.object != nil || $0.array != nil || $0 == .null }) {
                fail(
                    "configuration \(path): \(name): expected a text, a number, true or false" + (option.isRepeatable ? ", or a list" : ""))
            }
            set(option, all.map { $0.string ?? $0.description }, .file("\(path): \(name)"))
        }
    }

    private func members(ofFile path: String) -> Zip2Sequence<[String], [JSON]> {
        do {
            let bytes = try readFile(path, limit: 1 << 20)
            return try JSONField(try JSON(parsing: bytes.span)).object().members
        } catch { fail("configuration \(path): \(error)") }
    }

    // MARK: Reading

    func isOn(_ name: String) -> Bool { text(name) == "true" }
    func text(_ name: String) -> String? { values[name]?.texts.last }
    func texts(_ name: String) -> [String] { values[name]?.texts ?? [] }
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

    /// Everything that is in effect and where it comes from; secrets are not shown, nor passwords in pipelines and addresses.
    func report(secrets: Set<String>) -> String {
        let width = options.map(\.name.count).max() ?? 0
        return options.map { option in
            let name = option.name + String(repeating: " ", count: width - option.name.count)
            guard let value = values[option.name] else { return "\(name)  \(option.value == nil ? "false" : "(none)")  [default]" }
            let shown = secrets.contains(option.name) ? "(set)" : value.texts.map(\.withoutPasswords).joined(separator: " | ")
            return "\(name)  \(shown)  [\(value.source)]"
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

/// A file's bytes, at most so many.
func readFile(_ path: String, limit: Int) throws(SystemError) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SystemError("open", path) }
    defer { close(descriptor) }
    var bytes: [UInt8] = [], piece = [UInt8](repeating: 0, count: 65_536), count = 0
    repeat {
        count = unsafe read(descriptor, &piece, piece.count)
        bytes += piece.prefix(max(count, 0))
    } while count > 0 && bytes.count <= limit
    guard count >= 0 else { throw SystemError("read", path) }
    guard bytes.count <= limit else { throw SystemError("read", path, code: EFBIG) }
    return bytes
}
