import Wire

/// The DTLS 1.0–1.2 records of a datagram (RFC 6347 clause 4.1), as far as they were captured.
struct DTLSRecords: Sendable, Equatable {
    private static let headerLength = 13

    /// Records of encrypted application data.
    var applicationData = 0
    /// A ClientHello or ServerHello, not encrypted.
    var hasHello = false
    /// An alert after which nothing more comes: encrypted, where what it says is hidden, or in the open `close_notify` or a fatal one.
    var hasClosingAlert = false

    /// nil: not DTLS.
    /// - Parameter length: bytes on the wire, of which `bytes` are the first.
    init?(_ bytes: Span<UInt8>, length: Int) {
        var start = 0
        while bytes.count - start >= Self.headerLength {
            let body = Int(bytes.u16(at: start + 11))
            guard DTLSRecords.isHeader(bytes, at: start), body > 0, start + Self.headerLength + body <= length else { break }
            note(bytes, at: start, length: body)
            start += Self.headerLength + body
        }
        if start == 0 { return nil }
    }

    private static func isHeader(_ bytes: Span<UInt8>, at start: Int) -> Bool {
        let version = bytes.u16(at: start + 1)
        // Change of cipher, alert, handshake, data, heartbeat; the high bytes of a sequence number stay zero for years.
        return (20...24).contains(bytes[start]) && (version == 0xFEFD || version == 0xFEFF) && bytes.u16(at: start + 5) == 0
    }

    private mutating func note(_ bytes: Span<UInt8>, at start: Int, length: Int) {
        let isEncrypted = bytes.u16(at: start + 3) > 0
        let body = start + Self.headerLength
        switch bytes[start] {
        case 21:
            let isClosing = isEncrypted || bytes.count >= body + 2 && (bytes[body] == 2 || bytes[body + 1] == 0)
            if isClosing { hasClosingAlert = true }
        case 22: if !isEncrypted, bytes.count > body, bytes[body] == 1 || bytes[body] == 2 { hasHello = true }
        case 23: if isEncrypted { applicationData += 1 }
        default: break
        }
    }
}
