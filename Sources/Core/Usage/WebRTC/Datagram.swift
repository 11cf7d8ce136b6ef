import Wire

/// What one datagram of a WebRTC flow is (section 8.1; RFC 7983).
enum Datagram: Sendable, Equatable {
    case stun(STUNHeader)
    case dtls(DTLSRecords)
    /// A record of DTLS 1.3, whose header has no mark to know it by (RFC 9147 clause 4): believed where a handshake was seen.
    case bareDTLS
    case rtp(RTPHeader)
    case rtcp

    /// No network of robots carries more in a packet: a longer one is several that the kernel has not yet cut apart, or has put together.
    static let largestOnTheWire = 1500

    /// nil: none of them.
    /// - Parameters:
    ///   - bytes: the payload, as much of it as was captured.
    ///   - length: of the payload on the wire.
    init?(_ bytes: Span<UInt8>, length: Int) {
        guard bytes.count > 0 else { return nil }
        switch bytes[0] {
        case 64...79:
            guard let inner = RelayedData(channelData: bytes, length: length), let datagram = Datagram(bytes, relayed: inner) else {
                return nil
            }
            self = datagram
        case 0...3:
            guard let header = STUNHeader(bytes, length: length) else { return nil }
            if let inner = RelayedData(indication: bytes, header), let datagram = Datagram(bytes, relayed: inner) {
                self = datagram
            } else {
                self = .stun(header)
            }
        default:
            guard let datagram = Datagram(direct: bytes, length: length) else { return nil }
            self = datagram
        }
    }

    private init?(_ bytes: Span<UInt8>, relayed inner: RelayedData) {
        self.init(direct: bytes.extracting(inner.offset..<bytes.count), length: inner.length)
    }

    private init?(direct bytes: Span<UInt8>, length: Int) {
        guard bytes.count > 0 else { return nil }
        switch bytes[0] {
        case 0...3:
            guard let header = STUNHeader(bytes, length: length) else { return nil }
            self = .stun(header)
        case 20...63:
            if let records = DTLSRecords(bytes, length: length) {
                self = .dtls(records)
            } else if bytes[0] >= 32 {
                self = .bareDTLS
            } else {
                return nil
            }
        case 128...191:
            if let header = RTPHeader(bytes, length: length) {
                self = .rtp(header)
            } else if RTPHeader.isRTCP(bytes) {
                self = .rtcp
            } else {
                return nil
            }
        default: return nil
        }
    }

    /// Whether a flow is worth remembering for it.
    var opensFlow: Bool {
        switch self {
        case .stun, .dtls, .rtp: true
        case .bareDTLS, .rtcp: false
        }
    }
}
