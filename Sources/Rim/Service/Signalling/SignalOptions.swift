import HTTP
import Reactor
import Web
import Wire

/// What a signalling server is told when it begins.
public struct SignalOptions: Sendable {
    /// 0: any free one, the same for all addresses.
    public var port: UInt16 = 8080
    /// Nil: all interfaces, IPv4 and, where the machine has it, IPv6.
    public var bind: [IPAddress]?
    public var limits = Relay.Limits()
    /// Bytes of a message; a longer one ends its connection with 1009.
    public var messageLimit = 256 << 10
    /// Bytes that a receiver has not taken; with more it is closed with 1013.
    public var unsentLimit = 1 << 20
    /// How often each is asked whether it is still there.
    public var pingInterval = Duration.seconds(30)
    /// How long the answer may take.
    public var pongTimeout = Duration.seconds(10)
    /// The path of a request is a room of its own; else all are in one.
    public var hasRooms = false
    /// Who may join; nil: everybody.
    public var tokens: RelayTokens?
    public var tls: TLSSettings?
    /// Whose word is taken for where a client is.
    public var trustedProxies: [IPNetwork] = []
    public var log = Logger("signal")
    /// A line for each request.
    public var logsRequests = false

    public init() {}

    var webSocket: WebSocketConnection.Configuration {
        var configuration = WebSocketConnection.Configuration()
        configuration.messageLimit = messageLimit
        configuration.queueLimit = unsentLimit
        configuration.pingAfter = pingInterval
        configuration.goneAfter = pingInterval + pongTimeout
        configuration.countsOnlyPongs = true
        return configuration
    }

    /// Room for requests that are none of a WebSocket, and for handshakes that are answered with a refusal.
    private static let beside = 400

    var server: HTTPServerOptions {
        var options = HTTPServerOptions()
        options.connections = limits.connections + Self.beside
        // All may come through one proxy or from one laboratory.
        options.connectionsPerAddress = options.connections
        options.trustedProxies = trustedProxies
        // Whoever takes nothing is asked whether it is there, and that is what decides.
        options.stallTimeout = pingInterval + pongTimeout + .seconds(5)
        options.drainTimeout = .seconds(1)
        return options
    }
}
