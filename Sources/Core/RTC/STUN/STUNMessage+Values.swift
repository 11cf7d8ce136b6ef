import Wire

/// Reading and adding typed attribute values.
extension STUNMessage {
    /// The first attribute of the type: of duplicates only the first counts (RFC 8489 clause 14).
    public subscript(type: STUNAttributeType) -> [UInt8]? { attributes.first { $0.type == type }?.value }

    public func has(_ type: STUNAttributeType) -> Bool { attributes.contains { $0.type == type } }

    /// UTF-8 text of at most 763 bytes, the longest that RFC 8489 clause 14 allows; `nil` when absent or longer.
    public func text(_ type: STUNAttributeType) -> String? {
        guard let value = self[type], value.count <= 763 else { return nil }
        return String(decoding: value, as: UTF8.self)
    }

    public func u32(_ type: STUNAttributeType) -> UInt32? {
        guard let value = self[type], value.count == 4 else { return nil }
        return value.span.u32(at: 0)
    }

    public func u64(_ type: STUNAttributeType) -> UInt64? {
        guard let value = self[type], value.count == 8 else { return nil }
        return UInt64(value.span.u32(at: 0)) << 32 | UInt64(value.span.u32(at: 4))
    }

    /// An address attribute, unmasked where its type is a masked one (RFC 8489 clauses 14.1 and 14.2).
    public func address(_ type: STUNAttributeType) -> SocketAddress? {
        guard let value = self[type] else { return nil }
        return decodeAddress(value, isXored: type.isXored)
    }

    /// XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS from an old server.
    public var mappedAddress: SocketAddress? { address(.xorMappedAddress) ?? address(.mappedAddress) }

    /// ERROR-CODE: 300…699 and its reason (RFC 8489 clause 14.8).
    public var errorCode: (code: Int, reason: String)? {
        guard let value = self[.errorCode], value.count >= 4, value.count <= 767 else { return nil }
        let hundreds = Int(value[2] & 7), number = Int(value[3])
        guard (3...6).contains(hundreds), number < 100 else { return nil }
        return (hundreds * 100 + number, String(decoding: value[4...], as: UTF8.self))
    }

    /// The types listed in UNKNOWN-ATTRIBUTES (RFC 8489 clause 14.13).
    public var unknownAttributes: [UInt16] {
        guard let value = self[.unknownAttributes] else { return [] }
        return (0..<(value.count / 2)).map { value.span.u16(at: 2 * $0) }
    }

    /// Comprehension-required attributes that the engine does not know: a request with any is answered by 420, a response discarded
    /// (RFC 8489 clauses 6.3.1 and 6.3.3).
    public var notUnderstood: [UInt16] {
        attributes.filter { $0.type.isComprehensionRequired && !$0.type.isKnown }.map(\.type.rawValue)
    }

    public mutating func add(_ type: STUNAttributeType, _ value: [UInt8] = []) {
        attributes.append(STUNAttribute(type, value))
    }

    public mutating func add(_ type: STUNAttributeType, text: String) {
        add(type, Array(text.utf8.prefix(763)))
    }

    public mutating func add(_ type: STUNAttributeType, u32 value: UInt32) {
        var bytes: [UInt8] = []
        bytes.append(u32: value)
        add(type, bytes)
    }

    public mutating func add(_ type: STUNAttributeType, u64 value: UInt64) {
        var bytes: [UInt8] = []
        bytes.append(u32: UInt32(truncatingIfNeeded: value >> 32))
        bytes.append(u32: UInt32(truncatingIfNeeded: value))
        add(type, bytes)
    }

    public mutating func add(_ type: STUNAttributeType, address: SocketAddress) {
        let mask = type.isXored ? addressMask : Array(repeating: 0, count: 16)
        let port = type.isXored ? address.port ^ UInt16(Self.magicCookie >> 16) : address.port
        var bytes: [UInt8] = [0, address.ip.family == .v4 ? 1 : 2]
        bytes.append(u16: port)
        for (byte, m) in zip(address.ip.bytes, mask) { bytes.append(byte ^ m) }
        add(type, bytes)
    }

    public mutating func addError(_ code: Int, _ reason: String) {
        add(.errorCode, [0, 0, UInt8(code / 100), UInt8(code % 100)] + Array(reason.utf8.prefix(120)))
    }

    public mutating func addUnknownAttributes(_ types: [UInt16]) {
        var bytes: [UInt8] = []
        for type in types { bytes.append(u16: type) }
        add(.unknownAttributes, bytes)
    }

    private func decodeAddress(_ value: [UInt8], isXored: Bool) -> SocketAddress? {
        guard value.count == 8 && value[1] == 1 || value.count == 20 && value[1] == 2 else { return nil }
        var port = value.span.u16(at: 2)
        var address = Array(value[4...])
        if isXored {
            port ^= UInt16(Self.magicCookie >> 16)
            let mask = addressMask
            for i in 0..<address.count { address[i] ^= mask[i] }
        }
        guard let ip = IPAddress(bytes: address.span) else { return nil }
        return SocketAddress(ip, port)
    }

    /// Cookie and transaction id, which mask 4 or 16 address bytes.
    private var addressMask: [UInt8] {
        var mask: [UInt8] = []
        mask.append(u32: Self.magicCookie)
        mask.append(u32: transactionID.high)
        mask.append(u32: UInt32(truncatingIfNeeded: transactionID.low >> 32))
        mask.append(u32: UInt32(truncatingIfNeeded: transactionID.low))
        return mask
    }

    /// Reads from a Binding request, without parsing the rest, the receiver's own user-name fragment: what stands before the colon in
    /// USERNAME (RFC 8445 clause 7.2.2). `nil`: not such a request. It is a hint of whom to ask, not a proof.
    public static func localUsernameFragment(of bytes: Span<UInt8>) -> String? {
        guard looksLikeSTUN(bytes), bytes.u16(at: 0) == 0x0001 else { return nil }
        var offset = headerLength
        for _ in 0..<attributeLimit {
            guard bytes.count - offset >= 4 else { return nil }
            let length = Int(bytes.u16(at: offset + 2))
            guard bytes.count - offset - 4 >= length else { return nil }
            if bytes.u16(at: offset) == STUNAttributeType.username.rawValue {
                var end = offset + 4
                while end < offset + 4 + length, bytes[end] != UInt8(ascii: ":") { end += 1 }
                guard end < offset + 4 + length, end > offset + 4, end - offset - 4 <= 256 else { return nil }
                return String(decoding: bytes.extracting((offset + 4)..<end).array, as: UTF8.self)
            }
            offset += 4 + ((length + 3) & ~3)
            guard offset <= bytes.count else { return nil }
        }
        return nil
    }
}
