import RTC
import Wire

/// The outside of one simulated peer: randomness from a seed, and stand-ins for DTLS, SRTP and SCTP that behave as the real ones do where
/// the engine can tell, at a fraction of their cost.
public final class SimulatedEnvironment: Environment {
    public let digests: any Digests = SimulatedDigests()
    public let fingerprints: [Fingerprint]
    private var generator: SeededRandom

    public init(seed: UInt64) {
        generator = SeededRandom(seed: seed)
        var certificate: [UInt8] = []
        for _ in 0..<8 { certificate.append(u32: UInt32(truncatingIfNeeded: generator.next())) }
        fingerprints = [Fingerprint(algorithm: .sha256, digest: certificate)]
    }

    public func random() -> UInt64 { generator.next() }
    public func makeDTLS() -> any DTLSEndpoint { SimulatedDTLS(certificate: fingerprints[0], secret: generator.next()) }
    public func makeSRTP(_ keys: SRTPKeyingMaterial) -> any SRTPSession { SimulatedSRTP(keys) }
    public func makeSCTP(_ parameters: SCTPParameters) -> any SCTPAssociation { SimulatedSCTP(parameters) }
}
