import HTTP
import Wire

/// What a server takes, and how long it waits.
public struct HTTPServerOptions: Sendable {
    public var limits = HTTPLimits()
    /// Connections in all, and from one address (after trusted proxies none: they are one address for many).
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
    /// How long requests under way may still take after `drain`.
    public var drainTimeout = Duration.seconds(10)
    /// Whose `X-Forwarded-For`, `Forwarded` and PROXY headers are believed.
    public var trustedProxies: [IPNetwork] = []
    /// Trusted proxies begin each connection with a PROXY header.
    public var expectsProxyHeader = false

    public init() {}

    func trusts(_ address: IPAddress) -> Bool { trustedProxies.contains { $0.contains(address) } }
}

/// A range of addresses: `10.0.0.0/8`, `::1`.
public struct IPNetwork: Sendable, Hashable {
    private let base: [UInt8]
    private let bits: Int

    /// Nil when the text is no address with a prefix length that fits.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1)
        guard let first = parts.first, let address = IPAddress(String(first)) else { return nil }
        base = address.bytes
        guard parts.count == 2 else {
            bits = base.count * 8
            return
        }
        guard let bits = Int(parts[1]), (0...base.count * 8).contains(bits) else { return nil }
        self.bits = bits
    }

    public func contains(_ address: IPAddress) -> Bool {
        let bytes = address.bytes
        guard bytes.count == base.count else { return false }
        for index in 0..<base.count {
            let left = bits - index * 8
            guard left > 0 else { return true }
            let mask = left >= 8 ? UInt8.max : UInt8.max << UInt8(8 - left)
            guard bytes[index] & mask == base[index] & mask else { return false }
        }
        return true
    }
}
