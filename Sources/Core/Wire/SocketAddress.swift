/// An IPv4 or IPv6 address. IPv4-mapped IPv6 addresses are turned into IPv4, so that one host has one form.
public struct IPAddress: Sendable, Hashable {
    public enum Family: Sendable, Hashable { case v4, v6 }

    public let family: Family
    /// The address in network order; an IPv4 address stands in the low 32 bits of `low`.
    public let high: UInt64
    public let low: UInt64

    public init(v4 address: UInt32) {
        self.init(family: .v4, high: 0, low: UInt64(address))
    }

    public init(high: UInt64, low: UInt64) {
        if high == 0, low >> 32 == 0xFFFF {
            self.init(v4: UInt32(truncatingIfNeeded: low))
        } else {
            self.init(family: .v6, high: high, low: low)
        }
    }

    private init(family: Family, high: UInt64, low: UInt64) {
        self.family = family
        self.high = high
        self.low = low
    }

    public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
        self.init(v4: UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d))
    }

    /// From 4 or 16 bytes in network order; `nil` for other lengths.
    public init?(bytes: Span<UInt8>) {
        switch bytes.count {
        case 4: self.init(v4: bytes.u32(at: 0))
        case 16:
            self.init(
                high: UInt64(bytes.u32(at: 0)) << 32 | UInt64(bytes.u32(at: 4)),
                low: UInt64(bytes.u32(at: 8)) << 32 | UInt64(bytes.u32(at: 12)))
        default: return nil
        }
    }

    /// 4 or 16 bytes in network order.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        if family == .v6 {
            bytes.append(u32: UInt32(truncatingIfNeeded: high >> 32))
            bytes.append(u32: UInt32(truncatingIfNeeded: high))
            bytes.append(u32: UInt32(truncatingIfNeeded: low >> 32))
        }
        bytes.append(u32: UInt32(truncatingIfNeeded: low))
        return bytes
    }

    /// Whose it is, where hosts are counted: an IPv4 address itself; of IPv6 the network of 64 bits, as one host has all of its addresses.
    public var site: IPAddress { family == .v4 ? self : IPAddress(high: high, low: 0) }

    public var isLoopback: Bool { family == .v4 ? low >> 24 == 127 : high == 0 && low == 1 }
    /// fe80::/10 (RFC 4291) or 169.254/16 (RFC 3927).
    public var isLinkLocal: Bool { family == .v4 ? low >> 16 == 0xA9FE : high >> 54 == 0x3FA }
    public var isUnspecified: Bool { high == 0 && low == 0 }
    public var isMulticast: Bool { family == .v4 ? low >> 28 == 0xE : high >> 56 == 0xFF }
}

/// Where a datagram comes from or goes to.
public struct SocketAddress: Sendable, Hashable {
    public var ip: IPAddress
    public var port: UInt16

    public init(_ ip: IPAddress, _ port: UInt16) {
        self.ip = ip
        self.port = port
    }
}

extension IPAddress: CustomStringConvertible {
    /// Dotted quad, or RFC 5952 text for IPv6.
    public var description: String {
        if family == .v4 { return (0..<4).map { String(low >> (24 - 8 * $0) & 255) }.joined(separator: ".") }
        let groups = (0..<8).map { i in (i < 4 ? high >> (48 - 16 * i) : low >> (48 - 16 * (i - 4))) & 0xFFFF }
        guard let zeros = IPAddress.longestZeroRun(groups) else {
            return groups.map { String($0, radix: 16) }.joined(separator: ":")
        }
        let before = groups[..<zeros.lowerBound].map { String($0, radix: 16) }.joined(separator: ":")
        let after = groups[zeros.upperBound...].map { String($0, radix: 16) }.joined(separator: ":")
        return before + "::" + after
    }

    private static func longestZeroRun(_ groups: [UInt64]) -> Range<Int>? {
        var best: Range<Int>?
        var start = 0
        while start < groups.count {
            guard groups[start] == 0 else { start += 1; continue }
            let end = groups[start...].firstIndex { $0 != 0 } ?? groups.count
            if end - start >= 2, end - start > best?.count ?? 0 { best = start..<end }
            start = end
        }
        return best
    }

    /// Parses a dotted quad or RFC 4291 text (with `::`, an embedded dotted quad, a zone after `%` ignored). `nil` when it is neither.
    public init?(_ text: String) {
        let bytes = Array(text.utf8.prefix(64))
        if bytes.contains(UInt8(ascii: ":")) {
            guard let address = IPAddress.parseV6(bytes) else { return nil }
            self = address
        } else {
            guard let address = IPAddress.parseV4(bytes[...]) else { return nil }
            self.init(v4: address)
        }
    }

    private static func parseV4(_ text: ArraySlice<UInt8>) -> UInt32? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.count), part.allSatisfy({ $0 >= 48 && $0 <= 57 }) else { return nil }
            let value = part.reduce(0) { $0 * 10 + UInt32($1 - 48) }
            guard value <= 255 else { return nil }
            address = address << 8 | value
        }
        return address
    }

    private static func parseV6(_ text: [UInt8]) -> IPAddress? {
        let address = text.prefix { $0 != UInt8(ascii: "%") }
        var head: [UInt64] = [], tail: [UInt64] = [], compressed = false, rest = address
        while !rest.isEmpty {
            if rest.starts(with: Array("::".utf8)) {
                guard !compressed else { return nil }
                compressed = true
                rest = rest.dropFirst(2)
                continue
            }
            if rest.first == UInt8(ascii: ":") {
                guard !(head.isEmpty && tail.isEmpty) else { return nil }
                rest = rest.dropFirst()
            }
            let group = rest.prefix { $0 != UInt8(ascii: ":") }
            rest = rest.dropFirst(group.count)
            var values: [UInt64]
            if rest.isEmpty, let v4 = parseV4(group) {
                values = [UInt64(v4 >> 16), UInt64(v4 & 0xFFFF)]
            } else {
                guard (1...4).contains(group.count) else { return nil }
                var value: UInt64 = 0
                for digit in group {
                    guard let nibble = Hex.value(of: digit) else { return nil }
                    value = value << 4 | UInt64(nibble)
                }
                values = [value]
            }
            if compressed { tail += values } else { head += values }
            guard head.count + tail.count <= 8 else { return nil }
        }
        guard compressed ? head.count + tail.count < 8 : head.count == 8 else { return nil }
        let groups = head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail
        return IPAddress(
            high: groups[0..<4].reduce(0) { $0 << 16 | $1 }, low: groups[4..<8].reduce(0) { $0 << 16 | $1 })
    }
}

extension SocketAddress: CustomStringConvertible {
    /// Reads what `description` writes; nil when it is neither form.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
        var host = text[..<colon]
        if host.first == "[", host.last == "]" { host = host.dropFirst().dropLast() } else if host.contains(":") { return nil }
        guard let ip = IPAddress(String(host)) else { return nil }
        self.init(ip, port)
    }

    /// `192.0.2.1:5000` or `[2001:db8::1]:5000`.
    public var description: String { ip.family == .v4 ? "\(ip):\(port)" : "[\(ip)]:\(port)" }
}
