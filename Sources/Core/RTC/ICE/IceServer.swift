import Wire

public enum IceServerError: Error, Sendable, Hashable {
    /// Neither stun:, stuns:, turn: nor turns:.
    case scheme(String)
    case host(String)
    case port(String)
    case transport(String)
    /// TURN without a user name or password (RFC 8656 clause 9.2 and the WebRTC API demand both).
    case missingCredentials
}

/// A STUN or TURN server (RFC 7064, RFC 7065).
public struct IceServer: Sendable, Hashable {
    public enum Kind: Sendable, Hashable { case stun, turn }
    public enum Transport: Sendable, Hashable { case udp, tcp, tls }

    public let url: String
    public let kind: Kind
    /// An IP address as text or a name.
    public let host: String
    public let port: UInt16
    public let transport: Transport
    public let username: String
    public let credential: String

    /// `url` as in `turn:example.org:3478?transport=tcp`.
    public init(url: String, username: String = "", credential: String = "") throws(IceServerError) {
        guard url.utf8.count <= 512, let colon = url.firstIndex(of: ":") else { throw .scheme(String(url.prefix(32))) }
        let isSecure: Bool
        switch url[..<colon].lowercased() {
        case "stun": (kind, isSecure) = (.stun, false)
        case "stuns": (kind, isSecure) = (.stun, true)
        case "turn": (kind, isSecure) = (.turn, false)
        case "turns": (kind, isSecure) = (.turn, true)
        default: throw .scheme(String(url[..<colon].prefix(32)))
        }
        let parts = url[url.index(after: colon)...].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        transport = try Self.parseTransport(parts.count > 1 ? String(parts[1]) : nil, isSecure: isSecure)
        (host, port) = try Self.parseHostPort(String(parts.first ?? ""), defaultPort: isSecure ? 5349 : 3478)
        guard kind == .stun || !username.isEmpty && !credential.isEmpty else { throw .missingCredentials }
        self.url = url
        self.username = username
        self.credential = credential
    }

    private static func parseTransport(_ query: String?, isSecure: Bool) throws(IceServerError) -> Transport {
        switch query {
        case nil: return isSecure ? .tls : .udp
        case "transport=udp" where !isSecure: return .udp
        case "transport=tcp": return isSecure ? .tls : .tcp
        // DTLS to the server is not offered: RFC 7065's `turns` over UDP falls to TLS nowhere.
        default: throw .transport(String((query ?? "").prefix(64)))
        }
    }

    private static func parseHostPort(_ text: String, defaultPort: UInt16) throws(IceServerError) -> (String, UInt16) {
        var host = Substring(text), portText: Substring?
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]") else { throw .host(text) }
            let after = host[host.index(after: end)...]
            guard after.isEmpty || after.hasPrefix(":") else { throw .host(text) }
            portText = after.isEmpty ? nil : after.dropFirst()
            host = host[..<end].dropFirst()
            guard IPAddress(String(host))?.family == .v6 else { throw .host(text) }
        } else if let colon = host.lastIndex(of: ":") {
            portText = host[host.index(after: colon)...]
            host = host[..<colon]
        }
        guard !host.isEmpty, host.utf8.count <= 253, host.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "/") }) else {
            throw .host(text)
        }
        guard let portText else { return (String(host), defaultPort) }
        guard let port = UInt16(portText), port > 0 else { throw .port(String(portText)) }
        return (String(host), port)
    }
}
