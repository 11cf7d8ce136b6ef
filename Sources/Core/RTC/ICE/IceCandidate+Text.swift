import Wire

public enum IceCandidateError: Error, Sendable, Hashable {
    case tooLong(limit: Int)
    /// The field that is missing, by its name in RFC 8839 clause 5.1.
    case missing(field: String)
    case invalid(field: String, value: String)
    /// A transport other than UDP and TCP.
    case unsupportedTransport(String)
}

/// The value of `a=candidate:` (RFC 8839 clause 5.1, RFC 6544 clause 4.5), also as `RTCIceCandidate.candidate` with its prefix `candidate:`.
extension IceCandidate {
    public static let textLimit = 1024

    public init(parsing text: String) throws(IceCandidateError) {
        guard text.utf8.count <= Self.textLimit else { throw .tooLong(limit: Self.textLimit) }
        var line = Substring(text)
        if line.hasPrefix("a=") { line = line.dropFirst(2) }
        if line.hasPrefix("candidate:") { line = line.dropFirst(10) }
        let fields = line.split(whereSeparator: { $0 == " " || $0.isNewline || $0 == "\t" })
        let names = ["foundation", "component-id", "transport", "priority", "connection-address", "port", "typ", "cand-type"]
        guard fields.count >= names.count else { throw .missing(field: names[fields.count]) }

        let foundation = String(fields[0])
        guard foundation.utf8.count <= 32, foundation.utf8.allSatisfy(Self.isIceCharacter) else {
            throw .invalid(field: "foundation", value: foundation)
        }
        guard let component = UInt16(fields[1]), (1...256).contains(component) else {
            throw .invalid(field: "component-id", value: String(fields[1]))
        }
        // RFC 8445 clause 5.1.2: 1…2^31 − 1; browsers' priorities use the whole 32 bits for some interfaces.
        guard let priority = UInt32(fields[3]) else { throw .invalid(field: "priority", value: String(fields[3])) }
        guard let port = UInt16(fields[5]) else { throw .invalid(field: "port", value: String(fields[5])) }
        guard fields[6] == "typ" else { throw .invalid(field: "typ", value: String(fields[6])) }
        guard let kind = Kind(rawValue: fields[7].lowercased()) else { throw .invalid(field: "cand-type", value: String(fields[7])) }
        let host = try Self.parseHost(fields[4])
        let extensions = Self.parseExtensions(fields.dropFirst(names.count))
        let transport = try Self.parseTransport(fields[2], tcpType: extensions.tcpType)
        self.init(
            foundation: foundation, component: component, transport: transport, priority: priority, host: host, port: port, kind: kind,
            related: extensions.related, usernameFragment: extensions.usernameFragment)
    }

    private static func parseHost(_ text: Substring) throws(IceCandidateError) -> Host {
        if let ip = IPAddress(String(text)) { return .ip(ip) }
        let name = text.lowercased()
        guard name.hasSuffix(".local"), name.utf8.count <= 253, name.utf8.count > 6, name.utf8.allSatisfy(isNameCharacter) else {
            throw .invalid(field: "connection-address", value: String(text))
        }
        return .name(name)
    }

    private static func parseTransport(_ text: Substring, tcpType: TCPType?) throws(IceCandidateError) -> Transport {
        switch text.lowercased() {
        case "udp": return .udp
        case "tcp", "ssltcp":
            guard let tcpType else { throw .missing(field: "tcptype") }
            return .tcp(tcpType)
        default: throw .unsupportedTransport(String(text))
        }
    }

    private struct Extensions {
        var related: SocketAddress?
        var tcpType: TCPType?
        var usernameFragment: String?
    }

    /// Name and value by turns; unknown ones are passed over.
    private static func parseExtensions(_ fields: ArraySlice<Substring>) -> Extensions {
        var extensions = Extensions(), relatedIP: IPAddress?, relatedPort: UInt16?
        var rest = fields
        while let name = rest.popFirst(), let value = rest.popFirst() {
            switch name {
            case "raddr": relatedIP = IPAddress(String(value))
            case "rport": relatedPort = UInt16(value)
            case "tcptype": extensions.tcpType = TCPType(rawValue: String(value))
            case "ufrag": if value.utf8.count <= 256, value.utf8.allSatisfy(isIceCharacter) { extensions.usernameFragment = String(value) }
            default: break
            }
        }
        if let relatedIP, let relatedPort { extensions.related = SocketAddress(relatedIP, relatedPort) }
        return extensions
    }

    /// ALPHA / DIGIT / "+" / "/" (RFC 8839 clause 5.1); "-" and "_" are heard from peers that use base64url.
    static func isIceCharacter(_ c: UInt8) -> Bool {
        switch c {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: c == UInt8(ascii: "+") || c == UInt8(ascii: "/") || c == UInt8(ascii: "-") || c == UInt8(ascii: "_")
        }
    }

    private static func isNameCharacter(_ c: UInt8) -> Bool {
        switch c {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: c == UInt8(ascii: "-") || c == UInt8(ascii: ".") || c == UInt8(ascii: "_")
        }
    }
}

extension IceCandidate: CustomStringConvertible {
    /// The value behind `a=`: `candidate:…`.
    public var description: String {
        let hostText =
            switch host {
            case .ip(let ip): ip.description
            case .name(let name): name
            }
        let isUDP = transport == .udp
        var text = "candidate:\(foundation) \(component) \(isUDP ? "udp" : "tcp") \(priority) \(hostText) \(port) typ \(kind.rawValue)"
        if let related { text += " raddr \(related.ip) rport \(related.port)" }
        if case .tcp(let type) = transport { text += " tcptype \(type.rawValue)" }
        if let usernameFragment { text += " ufrag \(usernameFragment)" }
        return text
    }
}
