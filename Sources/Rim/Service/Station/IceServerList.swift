import RTC
import Wire

/// The STUN and TURN servers that a station names to its clients (RFC 9725 clause 4.6). The station itself needs none: who can reach its
/// media port from somewhere can reach it through a relay.
public struct IceServerList: Sendable {
    /// What TURN servers ask for.
    public enum Credentials: Sendable, Hashable {
        case fixed(user: String, password: String)
        /// Made anew for each client and good for `lifetime`, by a secret that the servers know: coturn's `use-auth-secret`.
        case shared(secret: String, lifetime: Duration)
    }

    /// A list as one client is told it.
    struct Entry {
        var url: String
        var login: (user: String, password: String)?
    }

    private let servers: [IceServer]
    private let credentials: Credentials?
    public static let most = 8

    public init() { (servers, credentials) = ([], nil) }

    public init(_ urls: [String], credentials: Credentials? = nil) throws(Failure) {
        guard urls.count <= Self.most else { throw .tooMany(urls.count) }
        var servers: [IceServer] = []
        for url in urls { servers.append(try Self.server(url, hasCredentials: credentials != nil)) }
        if credentials != nil, !servers.contains(where: { $0.kind == .turn }) { throw .nobodyAsks }
        (self.servers, self.credentials) = (servers, credentials)
    }

    public var isEmpty: Bool { servers.isEmpty }

    /// What one browser would refuse must not reach any: it would make no connection at all.
    private static func server(_ text: String, hasCredentials: Bool) throws(Failure) -> IceServer {
        let scheme = text.prefix { $0 != ":" }
        let url = scheme.lowercased() + text.dropFirst(scheme.count), stand = hasCredentials ? "-" : ""
        do throws(IceServerError) {
            let server = try IceServer(url: url, username: stand, credential: stand)
            // RFC 7064 clause 3.1 knows no query.
            if server.kind == .stun, let query = url.split(separator: "?", maxSplits: 1).dropFirst().first {
                throw IceServerError.transport(String(query))
            }
            let isName = server.host.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: ":"):
                    true
                default: byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
                }
            }
            guard isName else { throw IceServerError.host(server.host) }
            return server
        } catch { throw .url(text, error) }
    }

    /// For one client. `number` tells clients apart for a server that counts what each of them has.
    func entries(unixSeconds now: Int64, number: UInt32, _ digests: any Digests) -> [Entry] {
        let login = login(unixSeconds: now, number, digests)
        return servers.map { Entry(url: $0.url, login: $0.kind == .turn ? login : nil) }
    }

    private func login(unixSeconds now: Int64, _ number: UInt32, _ digests: any Digests) -> (String, String)? {
        switch credentials {
        case nil: return nil
        case .fixed(let user, let password): return (user, password)
        case .shared(let secret, let lifetime):
            let user = "\(now + lifetime.nanoseconds / 1_000_000_000):\(number)"
            return (user, Base64.encode(digests.hmacSHA1(key: Array(secret.utf8), user.utf8.span)))
        }
    }

    /// Why a list is not taken.
    public enum Failure: Error, Sendable, Hashable, CustomStringConvertible {
        case url(String, IceServerError)
        case tooMany(Int)
        /// There are credentials, and no TURN server to show them to.
        case nobodyAsks

        public var description: String {
            switch self {
            case .url(let url, let error):
                "expected STUN and TURN URLs, as stun:stun.example.org or turn:turn.example.org:3478?transport=tcp, got `\(url)`: "
                    + Self.reason(error)
            case .tooMany(let count): "expected at most \(IceServerList.most) URLs, got \(count)"
            case .nobodyAsks: "expected a turn: or turns: URL for the credentials that are given, got none"
            }
        }

        private static func reason(_ error: IceServerError) -> String {
            switch error {
            case .scheme: "it begins with none of stun:, stuns:, turn: and turns:"
            case .host: "what follows is no name and no address (IPv6 in brackets)"
            case .port(let port): "the port is to be 1 to 65535, not `\(port)`"
            case .transport(let query):
                "`?\(query)`: turn: takes ?transport=udp and ?transport=tcp, turns: takes ?transport=tcp, stun: takes none"
            case .missingCredentials: "TURN asks for credentials: a shared secret, or a user and a password"
            }
        }
    }
}

extension IceServerList.Entry {
    /// As the value of a `Link` field (RFC 9725 clause 4.6, RFC 8288 clause 3).
    var link: String {
        var text = "<\(url)>; rel=\"ice-server\""
        if let login {
            text += "; username=\(Self.quoted(login.user)); credential=\(Self.quoted(login.password)); credential-type=\"password\""
        }
        return text
    }

    /// As a member of a browser's `iceServers`.
    var json: JSON {
        var object: JSONObject = ["urls": .string(url)]
        if let login { (object["username"], object["credential"]) = (.string(login.user), .string(login.password)) }
        return .object(object)
    }

    /// RFC 9110 clause 5.6.4.
    private static func quoted(_ text: String) -> String {
        "\"" + text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : "\($0)" }.joined() + "\""
    }
}
