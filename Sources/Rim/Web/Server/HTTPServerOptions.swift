import HTTP
import Wire

/// What a server takes, and how long it waits.
public struct HTTPServerOptions: Sendable {
    /// Of a request's head and body.
    public var limits = HTTPLimits()
    /// Connections in all, and from one address, of IPv6 from one network of 64 bits (after trusted proxies none: they are one address for many).
    public var connections = 20_000
    public var connectionsPerAddress = 512
    /// From a connection's or a request's first byte to the end of its head.
    public var headTimeout = Duration.seconds(10)
    /// Between requests.
    public var idleTimeout = Duration.seconds(60)
    /// A body that comes slower, after the first ten seconds, ends with 408; bytes a second.
    public var slowestBody = 1000
    /// A reader that takes nothing for so long is cut off.
    public var stallTimeout = Duration.seconds(30)
    /// Bytes that the kernel holds at most for a reader that is behind; nil: what it thinks right, some megabytes.
    public var kernelBuffer: Int?
    /// How long requests under way may still take after `drain`.
    public var drainTimeout = Duration.seconds(10)
    /// Whose `X-Forwarded-For`, `Forwarded` and PROXY headers are believed.
    public var trustedProxies: [IPNetwork] = []
    /// Trusted proxies begin each connection with a PROXY header.
    public var expectsProxyHeader = false

    public init() {}

    func trusts(_ address: IPAddress) -> Bool { trustedProxies.contains { $0.contains(address) } }
}
