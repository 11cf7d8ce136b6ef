/// `application/trickle-ice-sdpfrag` (RFC 8840 clause 9): candidates that follow a description, as WHIP and WHEP carry them by PATCH (RFC 9725
/// clause 4.3).
public struct TrickleFragment: Sendable, Hashable {
    public struct Section: Sendable, Hashable {
        /// What follows `m=`; nil for candidates in front of all sections, which then belong to the bundle.
        public var mLine: String?
        public var mid: String?
        public var credentials: IceCredentials?
        /// With `candidate:` in front.
        public var candidates: [String] = []
        public var endOfCandidates = false

        public init(mLine: String? = "audio 9 UDP/TLS/RTP/SAVPF 0", mid: String? = nil) {
            self.mLine = mLine
            self.mid = mid
        }
    }

    /// For all sections that have none of their own.
    public var credentials: IceCredentials?
    public var options: [String] = []
    public var isICELite = false
    /// For all sections.
    public var endOfCandidates = false
    public var sections: [Section] = []

    public init() {}

    public init(parsing text: String) throws(SDPError) {
        var own = TransportAttributes(), whole = TransportAttributes()
        var current: Section?
        for line in try SDPLines.split(Array(text.utf8)) {
            switch line.letter {
            case UInt8(ascii: "m"):
                end(&current, own)
                guard sections.count < SDPLimit.sections else { throw line.broken(.tooManySections) }
                guard line.value.words().count >= 3 else { throw line.broken(.media) }
                current = Section(mLine: line.value.text)
                own = TransportAttributes()
            case UInt8(ascii: "a"):
                if current?.mLine == nil {
                    if try whole.read(line) { continue }
                } else if try own.read(line) {
                    continue
                }
                try read(line, &current)
            case UInt8(ascii: "b"), UInt8(ascii: "c"): break
            default: throw line.broken(.fragment)
            }
        }
        end(&current, own)
        credentials = whole.credentials
        options = whole.options
    }

    private mutating func end(_ current: inout Section?, _ transport: TransportAttributes) {
        guard var section = current else { return }
        section.credentials = transport.credentials
        sections.append(section)
        current = nil
    }

    private mutating func read(_ line: SDPLine, _ current: inout Section?) throws(SDPError) {
        switch line.name {
        case "ice-lite": isICELite = true
        case "mid":
            guard let mid = line.argument?.trimmed, mid.isToken else { throw line.broken(.token) }
            if current == nil { current = Section(mLine: nil) }
            current?.mid = mid.text
        case "candidate":
            if current == nil { current = Section(mLine: nil) }
            guard (current?.candidates.count ?? 0) < SDPLimit.values else { return }
            current?.candidates.append(line.value.trimmed.text)
        case "end-of-candidates":
            if current == nil { endOfCandidates = true } else { current?.endOfCandidates = true }
        default: break
        }
    }
}

extension TrickleFragment: CustomStringConvertible {
    /// The text, with CRLF at the end of each line.
    public var description: String {
        var printer = SDPPrinter()
        if isICELite { printer.line("a=ice-lite") }
        printer.print(transport(credentials, options))
        if endOfCandidates { printer.line("a=end-of-candidates") }
        for section in sections {
            if let mLine = section.mLine { printer.line("m=\(mLine)") }
            if let mid = section.mid { printer.line("a=mid:\(mid)") }
            printer.print(transport(section.credentials, []))
            for candidate in section.candidates { printer.line(SDPPrinter.candidate(candidate)) }
            if section.endOfCandidates { printer.line("a=end-of-candidates") }
        }
        return printer.text
    }

    private func transport(_ credentials: IceCredentials?, _ options: [String]) -> TransportAttributes {
        var transport = TransportAttributes()
        transport.usernameFragment = credentials?.usernameFragment
        transport.password = credentials?.password
        transport.options = options
        return transport
    }
}
