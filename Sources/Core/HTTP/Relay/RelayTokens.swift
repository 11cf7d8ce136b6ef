import Wire

/// Who may join a relay, by the tokens of a file: one a line, with the room that it opens behind it or without; `#` begins a comment.
///
///     # everybody in the team
///     4f1c09d7aa52b3e8
///     # the robot of hall 3
///     0b8a6d5c77e19f24 /hall3
public struct RelayTokens: Sendable {
    private var entries: [Entry] = []

    private struct Entry {
        let token: [UInt8]
        /// Nil: every room.
        let room: String?
    }

    public enum Verdict: Sendable, Hashable {
        case admitted
        /// No token, or none of these.
        case unknown
        case otherRoom
    }

    public struct Failure: Error, Sendable, Hashable, CustomStringConvertible {
        /// From 1; 0: the whole.
        public let line: Int
        public let text: String

        public var description: String { line == 0 ? text : "line \(line): \(text)" }
    }

    private static let most = 10_000

    /// The text of a file; `allowsRooms`: whether a token may have a room.
    public init(parsing text: String, allowsRooms: Bool) throws(Failure) {
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let content = line.prefix { $0 != "#" }
            let parts = content.split { $0 == " " || $0 == "\t" }
            guard let token = parts.first else { continue }
            guard (8...256).contains(token.utf8.count), token.utf8.allSatisfy(Self.isFit) else {
                throw Failure(line: index + 1, text: "expected a token of 8 to 256 letters, digits, or - . _ ~")
            }
            guard parts.count <= 2 else {
                throw Failure(line: index + 1, text: "expected a token, or a token and a room, got \(parts.count) words")
            }
            if let room = parts.dropFirst().first {
                guard room.hasPrefix("/") else { throw Failure(line: index + 1, text: "expected a room as /name, got `\(room)`") }
                guard allowsRooms else { throw Failure(line: index + 1, text: "got a room, but there are none without --rooms") }
            }
            entries.append(Entry(token: Array(token.utf8), room: parts.count == 2 ? String(parts[1]) : nil))
        }
        guard !entries.isEmpty else { throw Failure(line: 0, text: "expected at least one token, got none: nobody could join") }
        guard entries.count <= Self.most else { throw Failure(line: 0, text: "expected at most \(Self.most) tokens, got \(entries.count)") }
    }

    public var count: Int { entries.count }

    /// What needs no escape in an address.
    private static func isFit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// Looks at all, so that the time tells nothing of which it was.
    public func judge(_ shown: String?, room: String) -> Verdict {
        let bytes = Array((shown ?? "").utf8)
        var verdict = Verdict.unknown
        for entry in entries where ConstantTime.isSame(bytes, entry.token) {
            let opens = entry.room == nil || entry.room == room
            if opens { verdict = .admitted } else if verdict == .unknown { verdict = .otherRoom }
        }
        return verdict
    }
}
