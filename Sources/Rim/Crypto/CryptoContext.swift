internal import COpenSSL
public import RTC

/// What all DTLS endpoints of one certificate share, and the maker of everything cryptographic that `Environment` asks for.
/// It and all that it makes live on one thread.
@safe public final class CryptoContext {
    public let certificate: Certificate
    /// SHA-256 of the certificate, for `a=fingerprint`.
    public let fingerprints: [Fingerprint]
    public let digests: any Digests = OpenSSLDigests()
    let tls: OpaquePointer
    let datagramMethod: OpaquePointer
    /// Where a record is decrypted to before it is known how long it is: RFC 6347 clause 4.1 allows 2^14 bytes.
    let scratch = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 16_384)

    public init(certificate: Certificate) throws(CryptoError) {
        guard let method = unsafe DatagramBIO.makeMethod() else { throw CryptoError("cannot make a BIO method") }
        guard let tls = unsafe SSL_CTX_new(DTLS_method()) else {
            unsafe BIO_meth_free(method)
            throw CryptoError("cannot make a DTLS context")
        }
        self.certificate = certificate
        fingerprints = [certificate.fingerprint(.sha256)]
        unsafe self.tls = tls
        unsafe datagramMethod = method
        try configure()
    }

    deinit {
        unsafe SSL_CTX_free(tls)
        unsafe BIO_meth_free(datagramMethod)
        unsafe scratch.deallocate()
    }

    public func makeDTLS() -> any DTLSEndpoint { OpenSSLDTLSEndpoint(context: self) }
    public func makeSRTP(_ keys: SRTPKeyingMaterial) -> any SRTPSession { OpenSSLSRTPSession(keys) }
    public func random() -> UInt64 { Entropy.random() }

    /// RFC 8827 clause 6.5 asks for ECDHE with AES-128-GCM; only AEAD suites keep an SCTP packet of 1163 bytes within a datagram of 1200.
    private static let ciphers =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
        + "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"

    private func configure() throws(CryptoError) {
        let options: UInt64 =
            1 << 12  // SSL_OP_NO_QUERY_MTU
            | 1 << 14  // SSL_OP_NO_TICKET
            | 1 << 17  // SSL_OP_NO_COMPRESSION
            | 1 << 22  // SSL_OP_CIPHER_SERVER_PREFERENCE
            | 1 << 30  // SSL_OP_NO_RENEGOTIATION
        unsafe SSL_CTX_set_options(tls, options)
        guard unsafe SSL_CTX_ctrl(tls, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(DTLS1_2_VERSION), nil) == 1,
            unsafe SSL_CTX_ctrl(tls, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(DTLS1_2_VERSION), nil) == 1
        else { throw CryptoError("OpenSSL refuses DTLS 1.2") }
        guard unsafe SSL_CTX_use_certificate(tls, certificate.x509) == 1, unsafe SSL_CTX_use_PrivateKey(tls, certificate.key) == 1
        else { throw CryptoError("OpenSSL refuses the certificate") }
        guard unsafe SSL_CTX_set_cipher_list(tls, Self.ciphers) == 1 else { throw CryptoError("OpenSSL lacks the cipher suites") }
        // RFC 5764 clause 4.1.2; answers 0 when all is well.
        guard unsafe SSL_CTX_set_tlsext_use_srtp(tls, "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80") == 0
        else { throw CryptoError("OpenSSL lacks the SRTP profiles") }
        var groups = Array("X25519:P-256:P-384".utf8CString)
        guard unsafe groups.withUnsafeMutableBytes({ unsafe SSL_CTX_ctrl(tls, SSL_CTRL_SET_GROUPS_LIST, 0, $0.baseAddress) }) == 1
        else { throw CryptoError("OpenSSL lacks the curves") }
        unsafe SSL_CTX_ctrl(tls, SSL_CTRL_MODE, Int(SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN), nil)
        unsafe SSL_CTX_ctrl(tls, SSL_CTRL_SET_MAX_SEND_FRAGMENT, 2048, nil)  // sizes the write buffer
        unsafe SSL_CTX_ctrl(tls, SSL_CTRL_SET_SESS_CACHE_MODE, Int(SSL_SESS_CACHE_OFF), nil)
        unsafe SSL_CTX_set_verify(tls, Constant.verifyPeer, nil)
        unsafe SSL_CTX_set_cert_verify_callback(tls, verifyPeerCertificate, nil)
    }
}
