/// What a control message is for, by the words of section 8.2.
public enum CommandType: Sendable, Equatable {
    case movement, stop, emergencyStop, mode
}

/// The words that a control message is known by, each packed into 16 bytes so that it is compared at once.
struct CommandWords: Sendable {
    struct Word: Sendable, Equatable {
        var text: String
        var type: CommandType
    }

    /// A word of at most 16 bytes in lower case, built up byte by byte.
    struct Packed: Sendable, Equatable {
        private(set) var high: UInt64 = 0
        private(set) var low: UInt64 = 0
        private(set) var count = 0

        init() {}

        init(_ text: String) {
            for byte in text.utf8 { append(byte) }
        }

        mutating func append(_ byte: UInt8) {
            high = high << 8 | low >> 56
            low = low << 8 | UInt64(byte | ((65...90).contains(byte) ? 0x20 : 0))
            count &+= 1
        }
    }

    private static let spellings: [(CommandType, [String])] = [
        (
            .movement,
            ["move", "drive", "velocity", "vel", "cmd_vel", "twist", "joystick", "joint", "arm", "gripper", "base"]
        ),
        (.stop, ["stop", "halt"]), (.emergencyStop, ["estop", "emergency_stop"]), (.mode, ["mode", "set_mode"]),
    ]

    private let packed: [Packed]
    private let words: [Word]
    /// Bit n: a word begins with the n-th letter, or is `operator`.
    private let firstLetters: UInt32
    private let operatorWord = Packed("operator")

    init() {
        let words = Self.spellings.flatMap { type, texts in texts.map { Word(text: $0, type: type) } }
        self.words = words
        packed = words.map { Packed($0.text) }
        var letters: UInt32 = 1 << UInt32(UInt8(ascii: "o") - 97)
        for word in words { letters |= 1 << (UInt32(word.text.utf8.first ?? 97) - 97) }
        firstLetters = letters
    }

    /// A word that begins with this byte may be one of ours; the others need no look.
    func mayBegin(with byte: UInt8) -> Bool {
        let letter = byte | 0x20
        return (97...122).contains(letter) && firstLetters >> UInt32(letter - 97) & 1 == 1
    }

    subscript(_ word: Packed) -> Word? {
        guard word.count >= 3, word.count <= 14 else { return nil }
        for index in packed.indices where packed[index] == word { return words[index] }
        return nil
    }

    func isOperator(_ word: Packed) -> Bool { word == operatorWord }
}

extension UInt8 {
    /// Of a word: a letter, a digit, `_`, or part of a letter beyond ASCII.
    var isOfWord: Bool {
        switch self {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x80...0xFF: true
        default: false
        }
    }

    /// White space of JSON.
    var isSpace: Bool { self == 0x20 || self == 0x0A || self == 0x0D || self == 0x09 }
}
