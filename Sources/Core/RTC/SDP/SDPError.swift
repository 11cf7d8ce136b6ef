/// Why a text is no session description: which line, which field of it, and the rule that it breaks.
public struct SDPError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Rule: String, Sendable, Hashable {
        case tooLong = "at most 256 KiB in all and 8192 bytes a line"
        case tooManyLines = "at most 4096 lines"
        case tooManySections = "at most 64 media sections"
        case tooManyValues = "at most 256 values of one kind in a section"
        case lineForm = "a letter, '=' and a value (RFC 8866 clause 5)"
        case control = "no NUL, and CR only before LF (RFC 8866 clause 9)"
        case version = "'v=0' first (RFC 8866 clause 5.1)"
        case origin = "'o=' with six fields, the second and third numbers (RFC 8866 clause 5.2)"
        case order = "'v=', 'o=' and 's=' once, before the media sections (RFC 8866 clause 5)"
        case missing = "this line must be present (RFC 8866 clause 5)"
        case media = "'m=' kind, port, protocol, formats (RFC 8866 clause 5.14)"
        case payloadType = "payload type 0…127 (RFC 3551 clause 3)"
        case mapping = "rtpmap: payload type, name '/' clock rate, channels (RFC 8866 clause 6.6)"
        case userFragment = "4…256 ICE characters (RFC 8839 clause 5.4)"
        case password = "22…256 ICE characters (RFC 8839 clause 5.4)"
        case fingerprint = "hash name, then as many hexadecimal pairs as it has bytes (RFC 8122 clause 5)"
        case setup = "active, passive, actpass or holdconn (RFC 4145 clause 4)"
        case token = "one token (RFC 5888 clause 4)"
        case duplicateMid = "each identification tag once (RFC 5888 clause 4)"
        case group = "semantics, then identification tags (RFC 5888 clause 5)"
        case extensionMap = "id 1…255 with optional direction, then a URI (RFC 8285 clause 8)"
        case source = "a 32-bit source number and an attribute (RFC 5576 clause 4.1)"
        case port = "a port 0…65535 (RFC 8841 clause 5)"
        case messageSize = "a decimal number (RFC 8841 clause 6)"
        case fragment = "'m=' and 'a=' only in a trickle fragment (RFC 8840 clause 9)"
    }

    /// 1 for the first line; 0 where the text as a whole is meant.
    public let line: Int
    /// As in `m=` or `a=setup`.
    public let field: String
    public let rule: Rule

    public init(line: Int, field: String, rule: Rule) {
        self.line = line
        self.field = field
        self.rule = rule
    }

    public var description: String { "SDP line \(line), \(field): expected \(rule.rawValue)" }
}

enum SDPLimit {
    static let bytes = 262_144
    static let lines = 4096
    static let lineBytes = 8192
    static let sections = 64
    static let values = 256
}
