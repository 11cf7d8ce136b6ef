import Wire

/// A certificate digest as in `a=fingerprint` (RFC 8122 clause 5).
public struct Fingerprint: Sendable, Hashable {
    public enum Algorithm: String, Sendable, Hashable, CaseIterable {
        case sha256 = "sha-256"
        case sha384 = "sha-384"
        case sha512 = "sha-512"

        /// Digest length in bytes.
        public var length: Int {
            switch self {
            case .sha256: 32
            case .sha384: 48
            case .sha512: 64
            }
        }
    }

    public let algorithm: Algorithm
    public let digest: [UInt8]

    public init(algorithm: Algorithm, digest: [UInt8]) {
        self.algorithm = algorithm
        self.digest = digest
    }
}

public enum DTLSRole: Sendable, Hashable {
    /// Sends the ClientHello (`a=setup:active`).
    case client
    /// Waits for it (`a=setup:passive`).
    case server
}

public enum SRTPProfile: Sendable, Hashable {
    /// RFC 7714: 16-byte tag.
    case aeadAES128GCM
    /// RFC 3711: 10-byte tag.
    case aes128CMHMACSHA1_80
}

/// Exported by RFC 5764 clause 4.2, split by direction.
public struct SRTPKeyingMaterial: Sendable {
    public var profile: SRTPProfile
    /// Master key and salt for what this side sends and receives: 16 + 12 bytes with GCM, 16 + 14 with CM.
    public var sendKey: [UInt8]
    public var sendSalt: [UInt8]
    public var receiveKey: [UInt8]
    public var receiveSalt: [UInt8]

    public init(profile: SRTPProfile, sendKey: [UInt8], sendSalt: [UInt8], receiveKey: [UInt8], receiveSalt: [UInt8]) {
        self.profile = profile
        self.sendKey = sendKey
        self.sendSalt = sendSalt
        self.receiveKey = receiveKey
        self.receiveSalt = receiveSalt
    }
}

public enum DTLSEvent: Sendable {
    /// The handshake is done and the peer's certificate matches one of the fingerprints. The keys are nil where the peer negotiated no SRTP.
    case connected(SRTPKeyingMaterial?)
    /// One decrypted record (an SCTP packet).
    case data([UInt8])
    /// close_notify arrived.
    case closed
    /// Nothing more will come; says what was expected, what came and what to do.
    case failed(reason: String)
}

/// One DTLS 1.2 association as a machine that is told datagrams and the time.
public protocol DTLSEndpoint: AnyObject {
    /// Begins; the client's first flight is then in `nextDatagram`. A peer whose certificate matches none of `fingerprints` fails the handshake
    /// (RFC 8122 clause 6.2: at least one fingerprint of the strongest supported algorithm present must match).
    func start(role: DTLSRole, peerFingerprints: [Fingerprint], at now: Instant)
    func receive(_ datagram: Span<UInt8>, at now: Instant)
    /// Encrypts one record. Ignored before `connected` and after the end.
    func send(_ data: Span<UInt8>, at now: Instant)
    /// Retransmits what is due.
    func advance(to now: Instant)
    /// Queues close_notify.
    func close(at now: Instant)
    /// When `advance` wants to be called next; nil: not before the next input.
    var deadline: Instant? { get }
    /// Each at most 1200 bytes (the path's limit); drained after every call above.
    func nextDatagram() -> [UInt8]?
    func nextEvent() -> DTLSEvent?
}
