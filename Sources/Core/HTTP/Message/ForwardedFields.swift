import Wire

/// Whose request it is when a trusted proxy handed it on: `Forwarded` (RFC 7239), else `X-Forwarded-For` and `X-Forwarded-Proto`.
///
/// Only what a trusted proxy wrote counts: the list is read from its end, over the proxies that are trusted, to the first address that is
/// not. What stands before it anybody could have written.
///
/// A proxy writes one of the two forms and hands the other on as it came, from anybody: where both are there and name two addresses, neither is
/// believed, and the request is the proxy's own.
public struct ForwardedClient: Sendable, Hashable {
    public var address: IPAddress
    /// Whether the client spoke TLS to the outermost trusted proxy.
    public var isSecure: Bool

    public init(address: IPAddress, isSecure: Bool) { (self.address, self.isSecure) = (address, isSecure) }

    /// `peer`: who is at the other end of the connection; `isSecure`: whether that is TLS.
    public init(_ fields: HTTPFields, peer: IPAddress, isSecure: Bool, isTrusted: (IPAddress) -> Bool) {
        (address, self.isSecure) = (peer, isSecure)
        guard isTrusted(peer) else { return }
        var usual = self
        if fields.contains("forwarded") {
            follow(fields.list("forwarded").suffix(Self.most).map(Self.parse), isTrusted)
            guard fields.contains("x-forwarded-for") else { return }
            usual.follow(Self.usualHops(fields), isTrusted)
            if usual.address != address { address = peer }
            self.isSecure = self.isSecure && usual.isSecure
        } else {
            follow(Self.usualHops(fields), isTrusted)
        }
    }

    private mutating func follow(_ hops: [Hop], _ isTrusted: (IPAddress) -> Bool) {
        for hop in hops.reversed() {
            if let scheme = hop.scheme { isSecure = scheme.lowercased() == "https" || scheme.lowercased() == "wss" }
            guard let next = hop.address else { return }
            address = next
            guard isTrusted(next) else { return }
        }
    }

    private struct Hop {
        var address: IPAddress?
        var scheme: String?
    }

    /// Longest first proxy chain that is looked at.
    private static let most = 32

    private static func usualHops(_ fields: HTTPFields) -> [Hop] {
        let schemes = fields.list("x-forwarded-proto").suffix(most)
        let addresses = fields.list("x-forwarded-for").suffix(most).map { IPAddress(node: $0) }
        // Some say only this of the client.
        guard !addresses.isEmpty else { return schemes.suffix(1).map { Hop(scheme: $0) } }
        // One scheme for all is what most proxies write; else they go in pairs from the end.
        return addresses.enumerated().map { index, address in
            let fromEnd = addresses.count - 1 - index
            return Hop(
                address: address,
                scheme: schemes.count == 1 ? schemes.first : fromEnd < schemes.count ? schemes[schemes.endIndex - 1 - fromEnd] : nil)
        }
    }

    /// `for=192.0.2.60;proto=https`, `for="[2001:db8::1]:4711"` (RFC 7239 clause 4).
    private static func parse(_ element: String) -> Hop {
        var hop = Hop()
        for pair in element.split(separator: ";") {
            guard let equals = pair.utf8.firstIndex(of: UInt8(ascii: "=")) else { continue }
            let name = pair[..<equals].trimmingBlanks().lowercased()
            var value = pair[pair.index(after: equals)...].trimmingBlanks()
            if value.count >= 2, value.hasPrefix("\""), value.hasSuffix("\"") { value = String(value.dropFirst().dropLast()) }
            if name == "for" { hop.address = IPAddress(node: value) }
            if name == "proto" { hop.scheme = value }
        }
        return hop
    }
}

extension IPAddress {
    /// An address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
    fileprivate init?(node: String) {
        if node.hasPrefix("[") {
            guard let end = node.utf8.firstIndex(of: UInt8(ascii: "]")) else { return nil }
            self.init(String(node[node.index(after: node.startIndex)..<end]))
        } else if node.utf8.count(where: { $0 == UInt8(ascii: ":") }) == 1, let colon = node.utf8.firstIndex(of: UInt8(ascii: ":")) {
            self.init(String(node[..<colon]))
        } else {
            self.init(node)
        }
    }
}
