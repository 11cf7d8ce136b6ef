/// The attribute types that the engine knows (RFC 8489 clause 18.3, RFC 8445 clause 16.1, RFC 8656 clause 18).
public struct STUNAttributeType: RawRepresentable, Sendable, Hashable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let mappedAddress = Self(rawValue: 0x0001)
    public static let username = Self(rawValue: 0x0006)
    public static let messageIntegrity = Self(rawValue: 0x0008)
    public static let errorCode = Self(rawValue: 0x0009)
    public static let unknownAttributes = Self(rawValue: 0x000A)
    public static let channelNumber = Self(rawValue: 0x000C)
    public static let lifetime = Self(rawValue: 0x000D)
    public static let xorPeerAddress = Self(rawValue: 0x0012)
    public static let data = Self(rawValue: 0x0013)
    public static let realm = Self(rawValue: 0x0014)
    public static let nonce = Self(rawValue: 0x0015)
    public static let xorRelayedAddress = Self(rawValue: 0x0016)
    public static let requestedAddressFamily = Self(rawValue: 0x0017)
    public static let evenPort = Self(rawValue: 0x0018)
    public static let requestedTransport = Self(rawValue: 0x0019)
    public static let dontFragment = Self(rawValue: 0x001A)
    public static let messageIntegritySHA256 = Self(rawValue: 0x001C)
    public static let passwordAlgorithm = Self(rawValue: 0x001D)
    public static let xorMappedAddress = Self(rawValue: 0x0020)
    public static let reservationToken = Self(rawValue: 0x0022)
    public static let priority = Self(rawValue: 0x0024)
    public static let useCandidate = Self(rawValue: 0x0025)
    public static let passwordAlgorithms = Self(rawValue: 0x8002)
    public static let software = Self(rawValue: 0x8022)
    public static let alternateServer = Self(rawValue: 0x8023)
    public static let fingerprint = Self(rawValue: 0x8028)
    public static let iceControlled = Self(rawValue: 0x8029)
    public static let iceControlling = Self(rawValue: 0x802A)

    /// An agent that does not know such an attribute refuses the message (RFC 8489 clause 14).
    public var isComprehensionRequired: Bool { rawValue < 0x8000 }

    var isKnown: Bool {
        switch self {
        case .mappedAddress, .username, .messageIntegrity, .errorCode, .unknownAttributes, .channelNumber, .lifetime, .xorPeerAddress,
            .data, .realm, .nonce, .xorRelayedAddress, .requestedAddressFamily, .evenPort, .requestedTransport, .dontFragment,
            .messageIntegritySHA256, .passwordAlgorithm, .xorMappedAddress, .reservationToken, .priority, .useCandidate,
            .passwordAlgorithms, .software, .alternateServer, .fingerprint, .iceControlled, .iceControlling:
            true
        default: false
        }
    }

    /// Addresses of these types are masked with the cookie and the transaction (RFC 8489 clause 14.2).
    var isXored: Bool {
        switch self {
        case .xorMappedAddress, .xorPeerAddress, .xorRelayedAddress: true
        default: false
        }
    }
}

public struct STUNAttribute: Sendable, Hashable {
    public var type: STUNAttributeType
    public var value: [UInt8]
    /// Index of the value in the message that was parsed; 0 in a message that was made here.
    public var offset: Int

    public init(_ type: STUNAttributeType, _ value: [UInt8], offset: Int = 0) {
        self.type = type
        self.value = value
        self.offset = offset
    }
}
