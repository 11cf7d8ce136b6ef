import Wire

/// What tells one STUN transaction from another (RFC 8489 clause 5).
struct STUNTransactionID: Sendable, Hashable {
    var high: UInt32
    var low: UInt64
}

/// The header of a STUN or TURN message that carries the magic cookie (RFC 8489 clause 5).
struct STUNHeader: Sendable, Equatable {
    enum Class: UInt8, Sendable { case request, indication, success, error }

    static let length = 20
    static let cookie: UInt32 = 0x2112_A442
    static let binding: UInt16 = 1
    /// RFC 8656 clause 18.
    static let send: UInt16 = 6, data: UInt16 = 7

    var messageClass: Class
    var method: UInt16
    var id: STUNTransactionID
    /// Of the attributes, bytes.
    var bodyLength: Int

    /// - Parameter length: bytes on the wire, of which `bytes` are the first.
    init?(_ bytes: Span<UInt8>, length: Int) {
        guard bytes.count >= Self.length, bytes[0] < 4, bytes.u32(at: 4) == Self.cookie else { return nil }
        let type = bytes.u16(at: 0)
        bodyLength = Int(bytes.u16(at: 2))
        guard bodyLength % 4 == 0, Self.length + bodyLength <= length else { return nil }
        messageClass = Class(rawValue: UInt8(type >> 7 & 2 | type >> 4 & 1))!
        method = type & 0xF | type >> 1 & 0x70 | type >> 2 & 0xF80
        id = STUNTransactionID(
            high: bytes.u32(at: 8), low: UInt64(bytes.u32(at: 12)) << 32 | UInt64(bytes.u32(at: 16)))
    }

    var isBinding: Bool { method == Self.binding }
    /// A message that carries a peer's datagram to or from a relay (RFC 8656 clause 11).
    var isRelayed: Bool { messageClass == .indication && (method == Self.send || method == Self.data) }
}
