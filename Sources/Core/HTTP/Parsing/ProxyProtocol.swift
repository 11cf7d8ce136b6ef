import Wire

/// The header that a TCP proxy puts before a connection's own bytes, version 1 (text) or 2 (binary), to say whose it is
/// (haproxy.org, "The PROXY protocol"). Read only from proxies that are trusted.
public enum ProxyProtocol {
    public enum Outcome: Equatable, Sendable {
        /// More bytes are needed.
        case incomplete
        /// `source` is nil where the proxy speaks for itself (health checks).
        case header(source: SocketAddress?, length: Int)
    }

    private static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
    private static let longestText = 107
    private static let longestBinary = 16 + 2048

    public static func parse(_ bytes: Span<UInt8>) throws(HTTPError) -> Outcome {
        guard bytes.count > 0 else { return .incomplete }
        return bytes[0] == signature[0] ? try parseBinary(bytes) : try parseText(bytes)
    }

    private static func wrong(_ what: String) -> HTTPError {
        HTTPError(.requestLine, "expected a PROXY header from the trusted proxy, got \(what)")
    }

    /// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n`
    private static func parseText(_ bytes: Span<UInt8>) throws(HTTPError) -> Outcome {
        let prefix = Array("PROXY ".utf8)
        for index in 0..<min(prefix.count, bytes.count) where bytes[index] != prefix[index] { throw wrong("other bytes") }
        var end = 0
        while end < bytes.count, bytes[end] != 0x0A {
            end += 1
            guard end < longestText else { throw wrong("a line of over \(longestText) bytes") }
        }
        guard end < bytes.count else { return .incomplete }
        guard end > 0, bytes[end - 1] == 0x0D else { throw wrong("a line that ends with LF alone") }
        let line = String(decoding: Array(copying: bytes.extracting(0..<(end - 1))), as: UTF8.self)
        let parts = line.split(separator: " ", omittingEmptySubsequences: false)
        if parts.count >= 2, parts[1] == "UNKNOWN" { return .header(source: nil, length: end + 1) }
        guard parts.count == 6, parts[1] == "TCP4" || parts[1] == "TCP6", let ip = IPAddress(String(parts[2])),
            IPAddress(String(parts[3])) != nil, (ip.family == .v4) == (parts[1] == "TCP4"), let port = UInt16(parts[4]),
            UInt16(parts[5]) != nil
        else { throw wrong("a line with other parts") }
        return .header(source: SocketAddress(ip, port), length: end + 1)
    }

    private static func parseBinary(_ bytes: Span<UInt8>) throws(HTTPError) -> Outcome {
        for index in 0..<min(signature.count, bytes.count) where bytes[index] != signature[index] { throw wrong("other bytes") }
        guard bytes.count >= 16 else { return .incomplete }
        guard bytes[12] >> 4 == 2, bytes[12] & 15 <= 1 else { throw wrong("another version or command") }
        let length = 16 + Int(bytes[14]) << 8 + Int(bytes[15])
        guard length <= longestBinary else { throw wrong("\(length) bytes") }
        guard bytes.count >= length else { return .incomplete }
        guard bytes[12] & 15 == 1 else { return .header(source: nil, length: length) }
        switch bytes[13] {
        case 0x11:
            guard length >= 28 else { throw wrong("too few bytes for IPv4") }
            let ip = (16..<20).reduce(UInt32(0)) { $0 << 8 | UInt32(bytes[$1]) }
            return .header(source: SocketAddress(IPAddress(v4: ip), UInt16(bytes[24]) << 8 | UInt16(bytes[25])), length: length)
        case 0x21:
            guard length >= 52, let ip = IPAddress(bytes: bytes.extracting(16..<32)) else { throw wrong("too few bytes for IPv6") }
            return .header(source: SocketAddress(ip, UInt16(bytes[48]) << 8 | UInt16(bytes[49])), length: length)
        default: return .header(source: nil, length: length)
        }
    }
}
