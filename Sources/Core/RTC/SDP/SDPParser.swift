import Wire

extension SessionDescription {
    /// Reads a description; lines end in CRLF or LF.
    public init(parsing text: String) throws(SDPError) {
        try self.init(parsing: Array(text.utf8))
    }

    public init(parsing bytes: [UInt8]) throws(SDPError) {
        var parser = SDPParser()
        for line in try SDPLines.split(bytes) { try parser.read(line) }
        self = try parser.finish()
    }
}

/// One line: its letter, and for attributes the name and value parted at the first colon.
struct SDPLine {
    let number: Int
    let letter: UInt8
    let value: SDPText
    let name: String
    /// What follows the colon of an attribute; nil for a bare flag.
    let argument: SDPText?

    var field: String {
        let letter = String(decoding: [letter], as: UTF8.self)
        return name.isEmpty ? "\(letter)=" : "\(letter)=\(name)"
    }

    func broken(_ rule: SDPError.Rule) -> SDPError { SDPError(line: number, field: field, rule: rule) }
}

enum SDPLines {
    /// The lines of a text, within the limits; empty lines are passed over.
    static func split(_ bytes: [UInt8]) throws(SDPError) -> [SDPLine] {
        guard bytes.count <= SDPLimit.bytes else { throw SDPError(line: 0, field: "text", rule: .tooLong) }
        var lines: [SDPLine] = []
        var number = 0
        for var text in bytes.split(separator: 10, omittingEmptySubsequences: false) {
            number += 1
            if text.last == 13 { text = text.dropLast() }
            guard !text.isEmpty else { continue }
            guard lines.count < SDPLimit.lines else { throw SDPError(line: number, field: "text", rule: .tooManyLines) }
            lines.append(try line(text, number: number))
        }
        return lines
    }

    private static func line(_ text: SDPText, number: Int) throws(SDPError) -> SDPLine {
        guard text.count <= SDPLimit.lineBytes else { throw SDPError(line: number, field: "line", rule: .tooLong) }
        guard !text.contains(0), !text.contains(13) else { throw SDPError(line: number, field: "line", rule: .control) }
        guard let letter = text.first, letter >= UInt8(ascii: "a"), letter <= UInt8(ascii: "z"), text.dropFirst().first == UInt8(ascii: "=")
        else { throw SDPError(line: number, field: "line", rule: .lineForm) }
        let value = text.dropFirst(2)
        guard letter == UInt8(ascii: "a") else { return SDPLine(number: number, letter: letter, value: value, name: "", argument: nil) }
        let (name, argument): (SDPText, SDPText?) = value.parted(at: ":").map { ($0, $1) } ?? (value.trimmed, nil)
        return SDPLine(number: number, letter: letter, value: value, name: name.prefix(64).text, argument: argument)
    }
}

/// Reads line after line; the last `m=` line says where an attribute belongs.
private struct SDPParser {
    private var description: SessionDescription?
    private var hasVersion = false
    private var hasName = false
    private var section: MediaSectionParser?
    private var mids: Set<String> = []

    mutating func read(_ line: SDPLine) throws(SDPError) {
        guard hasVersion else {
            guard line.letter == UInt8(ascii: "v"), line.value.trimmed.elementsEqual([UInt8(ascii: "0")]) else {
                throw line.broken(.version)
            }
            hasVersion = true
            return
        }
        switch line.letter {
        case UInt8(ascii: "v"): throw line.broken(.order)
        case UInt8(ascii: "o"): try readOrigin(line)
        case UInt8(ascii: "s"):
            guard !hasName, section == nil else { throw line.broken(.order) }
            hasName = true
            description?.name = line.value.text
        case UInt8(ascii: "m"): try beginSection(line)
        case UInt8(ascii: "c"): section?.section.connection = line.value.text
        case UInt8(ascii: "b"): section?.readBandwidth(line)
        case UInt8(ascii: "a"): try readAttribute(line)
        default: break  // t=, r=, z=, k=, i=, u=, e=, p=: nothing that we need
        }
    }

    mutating func finish() throws(SDPError) -> SessionDescription {
        try endSection()
        guard hasVersion else { throw SDPError(line: 0, field: "v=", rule: .missing) }
        guard let description else { throw SDPError(line: 0, field: "o=", rule: .missing) }
        guard hasName else { throw SDPError(line: 0, field: "s=", rule: .missing) }
        return description
    }

    private mutating func readOrigin(_ line: SDPLine) throws(SDPError) {
        guard description == nil else { throw line.broken(.order) }
        let words = line.value.words()
        // Session ids beyond 64 bits are seen; a version must be comparable.
        guard words.count == 6, words[1].count <= 64, words[1].allSatisfy({ $0 >= 48 && $0 <= 57 }),
            let version: UInt64 = words[2].decimal()
        else { throw line.broken(.origin) }
        description = SessionDescription(
            origin: .init(
                user: words[0].text, sessionID: words[1].text, version: version, address: words[3...].map(\.text).joined(separator: " ")))
    }

    private mutating func beginSection(_ line: SDPLine) throws(SDPError) {
        try endSection()
        guard description != nil else { throw SDPError(line: line.number, field: "o=", rule: .missing) }
        guard (description?.media.count ?? 0) < SDPLimit.sections else { throw line.broken(.tooManySections) }
        section = try MediaSectionParser(line)
    }

    private mutating func endSection() throws(SDPError) {
        guard let ended = section?.finish() else { return }
        description?.media.append(ended)
        section = nil
    }

    private mutating func readAttribute(_ line: SDPLine) throws(SDPError) {
        guard description != nil else { throw SDPError(line: line.number, field: "o=", rule: .missing) }
        if section != nil {
            try section?.readAttribute(line)
            if line.name == "mid", let mid = section?.section.mid {
                guard mids.insert(mid).inserted else { throw line.broken(.duplicateMid) }
            }
            return
        }
        if try description?.transport.read(line) == true { return }
        switch line.name {
        case "group":
            let group = try group(line)
            description?.groups.append(group)
        case "extmap-allow-mixed": description?.allowsMixedExtensions = true
        case "ice-lite": description?.isICELite = true
        case "msid-semantic": description?.msidSemantic = line.argument?.trimmed.text
        case "end-of-candidates": description?.endOfCandidates = true
        case "sendrecv", "sendonly", "recvonly", "inactive": description?.direction = MediaDirection(rawValue: line.name)
        default: description?.otherAttributes.append(line.value.text)
        }
    }

    private func group(_ line: SDPLine) throws(SDPError) -> SessionDescription.Group {
        guard let words = line.argument?.words(), let semantics = words.first, semantics.isToken else { throw line.broken(.group) }
        guard words.count <= SDPLimit.values, (description?.groups.count ?? 0) < SDPLimit.values else { throw line.broken(.tooManyValues) }
        return .init(semantics: semantics.text, mids: words.dropFirst().map(\.text))
    }
}

extension TransportAttributes {
    /// True when the line was one of these.
    mutating func read(_ line: SDPLine) throws(SDPError) -> Bool {
        let argument = line.argument?.trimmed ?? []
        switch line.name {
        case "ice-ufrag":
            guard (4...256).contains(argument.count), argument.isICEText else { throw line.broken(.userFragment) }
            usernameFragment = argument.text
        case "ice-pwd":
            guard (22...256).contains(argument.count), argument.isICEText else { throw line.broken(.password) }
            password = argument.text
        case "ice-options":
            options = argument.words().prefix(SDPLimit.values).map(\.text)
        case "fingerprint":
            guard fingerprints.count < SDPLimit.values else { throw line.broken(.tooManyValues) }
            if let fingerprint = try Self.fingerprint(line, argument), !fingerprints.contains(fingerprint) {
                fingerprints.append(fingerprint)
            }
        case "setup":
            guard let setup = Setup(rawValue: argument.text) else { throw line.broken(.setup) }
            self.setup = setup
        default:
            return false
        }
        return true
    }

    /// Nil for algorithms that we do not verify.
    private static func fingerprint(_ line: SDPLine, _ argument: SDPText) throws(SDPError) -> Fingerprint? {
        let words = argument.words()
        guard words.count == 2 else { throw line.broken(.fingerprint) }
        guard let algorithm = Fingerprint.Algorithm(rawValue: lowercasedASCII(words[0].text)) else { return nil }
        let digits = words[1].split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard digits.count == algorithm.length else { throw line.broken(.fingerprint) }
        var digest: [UInt8] = []
        for pair in digits {
            guard pair.count == 2, let high = pair.first.flatMap(Hex.value), let low = pair.last.flatMap(Hex.value)
            else { throw line.broken(.fingerprint) }
            digest.append(high << 4 | low)
        }
        return Fingerprint(algorithm: algorithm, digest: digest)
    }
}
