import Wire

/// What the engine needs from outside and does not import: cryptography, SCTP and randomness. The rim conforms; simulations have their own.
public protocol Environment: AnyObject {
    var digests: any Digests { get }
    /// SHA-256 (and others, if the rim has them) of the certificate that `makeDTLS` presents, for `a=fingerprint` (RFC 8122).
    var fingerprints: [Fingerprint] { get }
    func makeDTLS() -> any DTLSEndpoint
    func makeSRTP(_ keys: SRTPKeyingMaterial) -> any SRTPSession
    func makeSCTP(_ parameters: SCTPParameters) -> any SCTPAssociation
    /// 64 random bits: from the kernel in a rim, from a seed in a simulation.
    func random() -> UInt64
}

/// Lets an environment's randomness be used where Swift asks for a generator.
public struct EnvironmentRandom: RandomNumberGenerator {
    private let environment: any Environment
    public init(_ environment: any Environment) { self.environment = environment }
    public func next() -> UInt64 { environment.random() }
}

/// The digests of STUN and TURN (RFC 8489 clause 9).
public protocol Digests: AnyObject {
    /// 20 bytes.
    func hmacSHA1(key: [UInt8], _ message: Span<UInt8>) -> [UInt8]
    /// 32 bytes.
    func hmacSHA256(key: [UInt8], _ message: Span<UInt8>) -> [UInt8]
    /// 16 bytes: the long-term credential key of RFC 8489 clause 9.2.2.
    func md5(_ message: [UInt8]) -> [UInt8]
    /// 32 bytes.
    func sha256(_ message: [UInt8]) -> [UInt8]
}
