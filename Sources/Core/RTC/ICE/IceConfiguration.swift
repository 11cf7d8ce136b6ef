import Wire

/// User-name fragment (4…256 characters) and password (22…256) of one side and generation (RFC 8839 clause 5.4).
public struct IceCredentials: Sendable, Hashable {
    public var usernameFragment: String
    public var password: String

    public init(usernameFragment: String, password: String) {
        self.usernameFragment = usernameFragment
        self.password = password
    }

    /// 8 and 24 random characters: 48 and 144 bits (RFC 8445 clause 5.3 asks for 24 and 128).
    public init(_ environment: any Environment) {
        self.init(
            usernameFragment: Self.randomText(8, environment),
            password: Self.randomText(24, environment))
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private static func randomText(_ count: Int, _ environment: any Environment) -> String {
        var bytes: [UInt8] = []
        while bytes.count < count {
            var bits = environment.random()
            for _ in 0..<min(10, count - bytes.count) {
                bytes.append(alphabet[Int(bits & 63)])
                bits >>= 6
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

public enum IceMode: Sendable, Hashable {
    case full
    /// Only host candidates, only answers (RFC 8445 clause 2.5): for a side that everybody reaches.
    case lite
}

/// One local socket that the agent may use.
public struct LocalTransport: Sendable, Hashable {
    public enum Kind: Sendable, Hashable {
        case udp
        /// A listener for ICE-TCP (RFC 6544 passive). What it accepts has transports of its own, which the agent meets at their first check.
        case tcpPassive
    }

    public var id: TransportID
    public var kind: Kind
    /// Bound, with a concrete address.
    public var address: SocketAddress
    /// Replaces `address` in the candidates when not empty: a NAT's or a container host's outer addresses.
    public var advertised: [SocketAddress]

    public init(id: TransportID, kind: Kind = .udp, address: SocketAddress, advertised: [SocketAddress] = []) {
        self.id = id
        self.kind = kind
        self.address = address
        self.advertised = advertised
    }
}

public struct IceConfiguration: Sendable {
    public var mode: IceMode
    public var transports: [LocalTransport]
    public var servers: [IceServer]
    /// Offer and use relayed candidates only.
    public var relayOnly: Bool
    /// Ask for the addresses behind peers' `.local` names; otherwise such candidates are ignored.
    public var resolvesMDNS: Bool
    /// Ta: between two ordinary checks, and two gathering requests (RFC 8445 clause 14.2).
    public var pacing = Duration.milliseconds(50)
    /// The first ordinary checks of a generation follow each other faster: RFC 8445 clause 14.2 allows down to 5 ms, and with a few
    /// interfaces on both sides the right pair is among the first ten.
    public var quickChecks = 10
    public var quickPacing = Duration.milliseconds(5)
    /// Between two requests to STUN servers.
    public var gatheringPacing = Duration.milliseconds(20)
    /// How long a STUN server may take.
    public var gatheringTimeout = Duration.seconds(10)
    /// RTO of a check (RFC 8445 clause 14.3 asks for at least 500 ms).
    public var retransmissionTimeout = Duration.milliseconds(500)
    /// How long the controlling side lets better pairs go on once a direct pair is valid.
    public var nominationDelay = Duration.milliseconds(100)
    /// The same where the best valid pair is relayed.
    public var relayNominationDelay = Duration.milliseconds(400)
    /// Mean time between consent checks, randomised by ±20 % (RFC 7675 clause 5.1).
    public var consentInterval = Duration.seconds(5)
    /// Consent's end without a reply (RFC 7675 clause 5.1).
    public var consentTimeout = Duration.seconds(30)
    /// How long a consent check may stay unanswered before the state is `disconnected`.
    public var disconnectTimeout = Duration.seconds(5)
    /// How long a lite agent hears nothing before the state is `disconnected`: longer than the peer's consent interval.
    public var liteDisconnectTimeout = Duration.seconds(8)
    /// Silence on a path that just carried data, after which one check is sent early.
    public var silenceProbe = Duration.seconds(1)
    /// How long checking goes on at least before it is said to have failed: peer-reflexive candidates may still come (RFC 8863 clause 3).
    public var patience = Duration.milliseconds(39_500)

    public init(
        mode: IceMode = .full, transports: [LocalTransport] = [], servers: [IceServer] = [], relayOnly: Bool = false,
        resolvesMDNS: Bool = false
    ) {
        self.mode = mode
        self.transports = transports
        self.servers = servers
        self.relayOnly = relayOnly
        self.resolvesMDNS = resolvesMDNS
    }
}

/// What an agent holds at most, whatever the peer sends.
public enum IceLimits {
    public static let remoteCandidates = 100
    public static let pairs = 200
    public static let outstandingChecks = 100
    /// Addresses that a lite agent asks at a time, and checks on their way to each.
    public static let questions = 16, questionsForPair = 4
    public static let validatedPaths = 32
    public static let names = 16
    public static let relays = 8
    public static let outputs = 1024
}
