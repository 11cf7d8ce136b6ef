import Wire

public enum STUNError: Error, Sendable, Hashable {
    /// Fewer bytes than a header, or another number than the header says.
    case length(expected: Int, actual: Int)
    /// The first two bits or the magic cookie are another protocol's.
    case notSTUN
    /// An attribute that reaches over the end of the message.
    case truncatedAttribute(type: UInt16)
    /// More attributes than any honest message carries.
    case tooManyAttributes(limit: Int)
    /// FINGERPRINT does not fit the bytes (RFC 8489 clause 14.7).
    case fingerprint
}

/// 96 bits that tie a response to its request (RFC 8489 clause 5).
public struct STUNTransactionID: Sendable, Hashable {
    public var high: UInt32
    public var low: UInt64

    public init(high: UInt32, low: UInt64) {
        self.high = high
        self.low = low
    }

    public init(_ environment: any Environment) {
        self.init(high: UInt32(truncatingIfNeeded: environment.random()), low: environment.random())
    }
}

/// One STUN message (RFC 8489 clause 5), parsed or being made.
public struct STUNMessage: Sendable, Hashable {
    public enum Class: UInt16, Sendable, Hashable {
        case request = 0, indication, success, error
    }

    public enum Method: UInt16, Sendable, Hashable {
        case binding = 0x001
        case allocate = 0x003
        case refresh = 0x004
        case send = 0x006
        case data = 0x007
        case createPermission = 0x008
        case channelBind = 0x009
    }

    public static let headerLength = 20
    public static let magicCookie: UInt32 = 0x2112_A442
    public static let attributeLimit = 48

    public var kind: Class
    /// The number of the method; see `method`.
    public var methodNumber: UInt16
    public var transactionID: STUNTransactionID
    /// In order; what follows MESSAGE-INTEGRITY is left out, but for its SHA-256 form and FINGERPRINT (RFC 8489 clause 14.5).
    public var attributes: [STUNAttribute] = []

    /// `nil`: a method that the engine does not know.
    public var method: Method? { Method(rawValue: methodNumber) }

    public init(_ kind: Class, _ method: Method, _ transactionID: STUNTransactionID) {
        self.kind = kind
        self.methodNumber = method.rawValue
        self.transactionID = transactionID
    }

    /// A success or error response to `request`.
    public init(_ kind: Class, to request: STUNMessage) {
        self.kind = kind
        self.methodNumber = request.methodNumber
        self.transactionID = request.transactionID
    }

    /// True when the bytes may be STUN: two zero bits, cookie, whole header (RFC 8489 clause 5, RFC 7983 clause 7).
    @inlinable public static func looksLikeSTUN(_ bytes: Span<UInt8>) -> Bool {
        bytes.count >= headerLength && bytes[0] < 4 && bytes.u32(at: 4) == magicCookie
    }

    public init(parsing bytes: Span<UInt8>) throws(STUNError) {
        guard bytes.count >= Self.headerLength else { throw .length(expected: Self.headerLength, actual: bytes.count) }
        let type = bytes.u16(at: 0)
        guard type & 0xC000 == 0, bytes.u32(at: 4) == Self.magicCookie else { throw .notSTUN }
        let length = Int(bytes.u16(at: 2))
        guard length % 4 == 0, bytes.count == Self.headerLength + length else {
            throw .length(expected: Self.headerLength + length, actual: bytes.count)
        }
        // RFC 8489 clause 5: the class is interleaved with the method.
        guard let kind = Class(rawValue: type >> 7 & 2 | type >> 4 & 1) else { throw .notSTUN }
        self.kind = kind
        methodNumber = type & 0xF | type >> 1 & 0x70 | type >> 2 & 0xF80
        transactionID = STUNTransactionID(
            high: bytes.u32(at: 8), low: UInt64(bytes.u32(at: 12)) << 32 | UInt64(bytes.u32(at: 16)))
        try parseAttributes(bytes)
    }

    private mutating func parseAttributes(_ bytes: Span<UInt8>) throws(STUNError) {
        var offset = Self.headerLength
        var isPastIntegrity = false
        while offset < bytes.count {
            guard bytes.count - offset >= 4 else { throw .truncatedAttribute(type: 0) }
            let type = STUNAttributeType(rawValue: bytes.u16(at: offset))
            let length = Int(bytes.u16(at: offset + 2))
            let padded = (length + 3) & ~3
            guard bytes.count - offset - 4 >= padded else { throw .truncatedAttribute(type: type.rawValue) }
            guard attributes.count < Self.attributeLimit else { throw .tooManyAttributes(limit: Self.attributeLimit) }
            if type == .fingerprint {
                guard length == 4, offset + 8 == bytes.count,
                    bytes.u32(at: offset + 4) == CRC32.checksum(bytes.extracting(0..<offset)) ^ Self.fingerprintMask
                else { throw .fingerprint }
            }
            if !isPastIntegrity || type == .fingerprint || type == .messageIntegritySHA256 {
                attributes.append(
                    STUNAttribute(type, bytes.extracting((offset + 4)..<(offset + 4 + length)).array, offset: offset + 4))
            }
            if type == .messageIntegrity || type == .messageIntegritySHA256 { isPastIntegrity = true }
            offset += 4 + padded
        }
    }

    static let fingerprintMask: UInt32 = 0x5354_554E

    // MARK: integrity

    /// Checks MESSAGE-INTEGRITY (or, where only that is there, MESSAGE-INTEGRITY-SHA256) of the bytes that this message was parsed from
    /// (RFC 8489 clauses 14.5 and 14.6). False when neither is there.
    public func hasIntegrity(key: [UInt8], in bytes: Span<UInt8>, _ digests: any Digests) -> Bool {
        let isSHA1 = self[.messageIntegrity] != nil
        guard let attribute = attributes.first(where: { $0.type == (isSHA1 ? .messageIntegrity : .messageIntegritySHA256) }) else {
            return false
        }
        let end = attribute.offset - 4
        guard end >= Self.headerLength, end <= bytes.count, attribute.value.count == (isSHA1 ? 20 : 32) else { return false }
        var covered = bytes.extracting(0..<end).array
        covered.setSTUNLength(end - Self.headerLength + 4 + attribute.value.count)
        let expected = isSHA1 ? digests.hmacSHA1(key: key, covered.span) : digests.hmacSHA256(key: key, covered.span)
        guard expected.count == attribute.value.count else { return false }
        // No early exit: the time must not tell how many bytes were right.
        return zip(expected, attribute.value).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    // MARK: writing

    /// The bytes without integrity.
    public func encoded(fingerprint: Bool = false) -> [UInt8] {
        var bytes = encodedAttributes()
        if fingerprint { bytes.appendSTUNFingerprint() }
        return bytes
    }

    /// The bytes with MESSAGE-INTEGRITY over `key` and, where asked, FINGERPRINT.
    public func encoded(key: [UInt8], _ digests: any Digests, fingerprint: Bool) -> [UInt8] {
        var bytes = encodedAttributes()
        bytes.setSTUNLength(bytes.count - Self.headerLength + 24)
        let mac = digests.hmacSHA1(key: key, bytes.span)
        bytes.append(u16: STUNAttributeType.messageIntegrity.rawValue)
        bytes.append(u16: 20)
        bytes.append(contentsOf: mac)
        if fingerprint { bytes.appendSTUNFingerprint() }
        return bytes
    }

    private func encodedAttributes() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.headerLength + attributes.reduce(40) { $0 + $1.value.count + 8 })
        let m = methodNumber, c = kind.rawValue
        bytes.append(u16: m & 0xF | (m & 0x70) << 1 | (m & 0xF80) << 2 | (c & 1) << 4 | (c & 2) << 7)
        bytes.append(u16: 0)
        bytes.append(u32: Self.magicCookie)
        bytes.append(u32: transactionID.high)
        bytes.append(u32: UInt32(truncatingIfNeeded: transactionID.low >> 32))
        bytes.append(u32: UInt32(truncatingIfNeeded: transactionID.low))
        for attribute in attributes {
            bytes.append(u16: attribute.type.rawValue)
            bytes.append(u16: UInt16(truncatingIfNeeded: attribute.value.count))
            bytes.append(contentsOf: attribute.value)
            bytes.append(contentsOf: repeatElement(0, count: -attribute.value.count & 3))
        }
        bytes.setSTUNLength(bytes.count - Self.headerLength)
        return bytes
    }
}

extension [UInt8] {
    fileprivate mutating func setSTUNLength(_ length: Int) {
        self[2] = UInt8(truncatingIfNeeded: length >> 8)
        self[3] = UInt8(truncatingIfNeeded: length)
    }

    fileprivate mutating func appendSTUNFingerprint() {
        setSTUNLength(count - STUNMessage.headerLength + 8)
        let checksum = CRC32.checksum(span) ^ STUNMessage.fingerprintMask
        append(u16: STUNAttributeType.fingerprint.rawValue)
        append(u16: 4)
        append(u32: checksum)
    }
}
