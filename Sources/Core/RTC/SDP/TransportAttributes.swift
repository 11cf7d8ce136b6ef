/// The lines that say how to reach and trust the other side: ICE (RFC 8839) and DTLS (RFC 8842).
public struct TransportAttributes: Sendable, Hashable {
    /// `a=setup` (RFC 4145 clause 4).
    public enum Setup: String, Sendable, Hashable {
        case active, passive, actpass, holdconn
    }

    public var usernameFragment: String?
    public var password: String?
    /// `a=ice-options`, as `trickle`.
    public var options: [String] = []
    /// Those of algorithms that we verify; others are left out (RFC 8122 clause 5).
    public var fingerprints: [Fingerprint] = []
    public var setup: Setup?

    public init() {}

    public var credentials: IceCredentials? {
        guard let usernameFragment, let password else { return nil }
        return IceCredentials(usernameFragment: usernameFragment, password: password)
    }
}
