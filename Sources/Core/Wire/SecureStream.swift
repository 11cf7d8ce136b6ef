/// What protects one stream of bytes, TLS: told bytes and asked for bytes. Whoever carries streams asks for this; who has the cryptography conforms.
///
/// It lives on one thread. `output` may be called inside every other call.
public protocol SecureStream: AnyObject {
    var state: SecureStreamState { get }
    /// What the two sides agreed on; nil before `state` is `open`.
    var agreement: SecureStreamAgreement? { get }
    /// Where protected bytes go, to be sent to the other side in this order. Set before `begin`.
    var output: ((Span<UInt8>) -> Void)? { get set }

    /// Says the first word, where this side has it.
    func begin()
    /// Takes bytes from the other side; `deliver` gets the plain bytes of each record, which are its own to change, once `state` is `open`.
    func receive(_ bytes: Span<UInt8>, _ deliver: (inout MutableSpan<UInt8>) -> Void)
    /// Protects and puts out. Without effect unless `state` is `open`.
    func send(_ bytes: Span<UInt8>)
    /// Says that this side will send no more.
    func close()
}

public enum SecureStreamState: Sendable, Hashable {
    case handshaking
    case open
    /// The other side said that it will send no more; this side may.
    case ended
    /// It is over; why, for people.
    case failed(String)
}

/// What the two sides of a protected stream agreed on.
public struct SecureStreamAgreement: Sendable, Hashable {
    /// `TLSv1.3`.
    public var version: String
    /// `TLS_AES_128_GCM_SHA256`.
    public var cipher: String
    /// The protocol inside that both speak (ALPN, RFC 7301): `http/1.1`; nil when none was asked for.
    public var applicationProtocol: String?
    /// The server's name as the client asked for it (SNI, RFC 6066 clause 3).
    public var serverName: String?

    public init(version: String, cipher: String, applicationProtocol: String?, serverName: String?) {
        (self.version, self.cipher) = (version, cipher)
        (self.applicationProtocol, self.serverName) = (applicationProtocol, serverName)
    }
}
