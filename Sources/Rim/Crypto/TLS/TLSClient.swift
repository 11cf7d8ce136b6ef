internal import COpenSSL
import Wire

/// Whose word a server's certificate needs.
public enum TLSTrust: Sendable, Hashable {
    /// The system's certificate authorities.
    case system
    /// Only the certificates in this PEM file.
    case file(String)
    /// Anybody's: for tests only. Neither the certificate nor the name is looked at.
    case anyone
}

/// Makes the client's side of TLS connections. It and all that it makes live on one thread.
@safe public final class TLSClient {
    private let context: TLSContext
    private let trust: TLSTrust

    /// `protocols`: what is offered to speak inside (ALPN), best first: `http/1.1`.
    public init(trust: TLSTrust = .system, protocols: [String] = []) throws(CryptoError) {
        context = unsafe try TLSContext(TLS_client_method(), protocols: protocols)
        self.trust = trust
        try context.trust(trust)
        context.offerProtocols()
    }

    /// `serverName`: a DNS name, sent as SNI, or an IP address; the server's certificate must bear it.
    public func makeStream(serverName: String) throws(CryptoError) -> TLSStream {
        let stream = unsafe try TLSStream(context, context.context, as: .client, serverName: serverName)
        let isAddress = IPAddress(serverName) != nil
        guard isAddress || stream.announce(serverName) else { throw CryptoError("\(serverName) cannot be sent as the server's name") }
        guard trust == .anyone || stream.expect(serverName, isAddress: isAddress) else {
            throw CryptoError("\(serverName) is no name that a certificate can bear")
        }
        return stream
    }
}
