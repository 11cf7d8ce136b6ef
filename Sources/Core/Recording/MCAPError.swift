/// Why bytes are not an MCAP file that we read, or cannot become one.
public enum MCAPError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The first eight bytes are not those of MCAP.
    case notMCAP
    /// A record claims to be longer than we read; bytes.
    case tooLong(opcode: UInt8, length: UInt64, limit: Int)
    /// A record ends before its fields do; which field.
    case truncated(opcode: UInt8, field: String)
    case notUTF8(opcode: UInt8, field: String)
    case checksum(expected: UInt32, got: UInt32)
    case compression(String)
    /// A message of a channel, or a channel of a schema, that was not told before.
    case unknown(String, id: UInt16)
    /// There are 65,535 of them at most.
    case tooMany(String)

    public var description: String {
        switch self {
        case .notMCAP: "expected an MCAP file, which begins with 89 4D 43 41 50 30 0D 0A"
        case .tooLong(let opcode, let length, let limit):
            "a record of kind \(opcode) claims \(length) bytes; expected at most \(limit)"
        case .truncated(let opcode, let field): "a record of kind \(opcode) ends within its field `\(field)`"
        case .notUTF8(let opcode, let field): "expected UTF-8 in the field `\(field)` of a record of kind \(opcode)"
        case .checksum(let expected, let got): "a chunk is damaged: expected the checksum \(expected), got \(got)"
        case .compression(let name): "expected chunks without compression, got `\(name)`"
        case .unknown(let what, let id): "the \(what) \(id) was not told before it is used"
        case .tooMany(let what): "expected at most 65535 \(what)"
        }
    }
}
