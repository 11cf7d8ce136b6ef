import Crypto
import DataLink
import RTC
import Reactor

/// The engine's environment in the real world: OpenSSL, usrsctp and the kernel's randomness. Lives on one thread.
public final class EngineEnvironment: Environment {
    private let crypto: CryptoContext

    public init(_ crypto: CryptoContext) { self.crypto = crypto }

    /// With a certificate of its own, made now: browsers do the same for every page.
    public convenience init(unixTime: Int64) throws(CryptoError) {
        self.init(try CryptoContext(certificate: .selfSigned(unixTime: unixTime)))
    }

    /// The same, for a program that begins now.
    public convenience init() throws(CryptoError) { try self.init(unixTime: MonotonicClock.unixSeconds()) }

    public var digests: any Digests { crypto.digests }
    public var fingerprints: [Fingerprint] { crypto.fingerprints }
    public func makeDTLS() -> any DTLSEndpoint { crypto.makeDTLS() }
    public func makeSRTP(_ keys: SRTPKeyingMaterial) -> any SRTPSession { crypto.makeSRTP(keys) }
    public func makeSCTP(_ parameters: SCTPParameters) -> any SCTPAssociation { SCTPStack.makeAssociation(parameters) }
    public func random() -> UInt64 { crypto.random() }
}
