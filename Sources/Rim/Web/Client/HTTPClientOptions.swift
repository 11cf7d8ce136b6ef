import HTTP
import Wire

/// What a client takes, how long it waits, and how many connections it keeps.
public struct HTTPClientOptions: Sendable {
    /// Connections to one server (scheme, host, port, proxy), and in all.
    public var connectionsPerServer = 8
    public var connections = 64
    /// Requests that wait for a connection.
    public var waiting = 256
    /// WebSockets that are open or being opened.
    public var webSockets = 256
    /// How long a connection is kept for a next request; shorter where the server says so (`Keep-Alive: timeout=5`).
    public var idleTimeout = Duration.seconds(30)
    /// For the name, TCP, the proxy and TLS together.
    public var connectTimeout = Duration.seconds(10)
    /// From the call to the end of the response, redirections and waiting for a connection included.
    public var requestTimeout = Duration.seconds(60)
    /// Without a byte in either direction.
    public var silenceTimeout = Duration.seconds(30)
    /// How long one address is tried before the next one is tried beside it (RFC 8305 clause 5).
    public var attemptDelay = Duration.milliseconds(250)
    /// Of a response's head and body.
    public var limits = HTTPLimits(body: 16 << 20)
    /// Followed one after another; 0: the redirection itself is the answer.
    public var redirects = 5
    /// Whether a redirection may lead from https to http.
    public var allowsDowngrade = false
    /// Bodies longer than this are sent when the server has said that it wants them (RFC 9110 clause 10.1.1), or nothing for `continueTimeout`.
    public var continueAbove = 1 << 20
    public var continueTimeout = Duration.seconds(1)
    /// Which servers are asked through which proxy: none of them, unless `ProxyEnvironment.ofProcess()` or another stands here.
    public var proxies = ProxyEnvironment()
    /// The value of `User-Agent`.
    public var userAgent = "waldo"

    public init() {}
}
