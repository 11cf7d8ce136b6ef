internal import COpenSSL

/// What TLS connections of one kind share: the library's context, and a place for a record's plain bytes. It and all that it makes live on one thread.
@safe final class TLSContext {
    let context: OpaquePointer
    /// Of the BIOs between the library and a stream's bytes.
    let method: OpaquePointer
    /// A record holds no more (RFC 8446 clause 5.1).
    let scratch = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 16_384)
    /// In their order of preference, as ALPN writes them.
    private let protocols: UnsafeMutableBufferPointer<UInt8>
    /// For a server: others of the same server, by whose certificate a client's wish is met.
    var others: [TLSContext] = []

    /// RFC 9325 clause 4.2: forward secrecy and AEAD for TLS 1.2; the suites of 1.3 are all so.
    private static let ciphers =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
        + "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

    init(_ method: OpaquePointer?, protocols names: [String]) throws(CryptoError) {
        guard let bioMethod = unsafe StreamBIO.makeMethod() else { throw CryptoError("cannot make a BIO method") }
        guard let context = unsafe SSL_CTX_new(method) else {
            unsafe BIO_meth_free(bioMethod)
            throw CryptoError("cannot make a TLS context")
        }
        unsafe (self.context, self.method) = (context, bioMethod)
        let list = names.flatMap { name in [UInt8(clamping: name.utf8.count)] + name.utf8.prefix(255) }
        unsafe protocols = .allocate(capacity: list.count)
        _ = unsafe protocols.initialize(from: list)
        let options: UInt64 =
            1 << 17  // SSL_OP_NO_COMPRESSION
            | 1 << 30  // SSL_OP_NO_RENEGOTIATION
        unsafe SSL_CTX_set_options(context, options)
        guard unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(TLS1_2_VERSION), nil) == 1,
            unsafe SSL_CTX_set_cipher_list(context, Self.ciphers) == 1
        else { throw CryptoError("OpenSSL lacks TLS 1.2 or its cipher suites") }
        // Not the large finite fields that the library takes, too: with one hello a client would have the server reckon for a tenth of a second.
        var groups = Array("X25519:P-256:P-384:P-521".utf8CString)
        guard unsafe groups.withUnsafeMutableBytes({ unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_GROUPS_LIST, 0, $0.baseAddress) }) == 1
        else { throw CryptoError("OpenSSL lacks the curves") }
        // Idle connections hold no buffers; what is written may lie elsewhere at the next try.
        let mode = Int(SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER)
        unsafe SSL_CTX_ctrl(context, SSL_CTRL_MODE, mode, nil)
        unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, Int(SSL_SESS_CACHE_OFF), nil)
    }

    deinit {
        unsafe SSL_CTX_free(context)
        unsafe BIO_meth_free(method)
        unsafe scratch.deallocate()
        unsafe protocols.deallocate()
    }

    // MARK: a client's

    func trust(_ trust: TLSTrust) throws(CryptoError) {
        switch trust {
        case .anyone: return unsafe SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
        case .system:
            guard unsafe SSL_CTX_set_default_verify_paths(context) == 1 else { throw CryptoError("cannot read the system's certificates") }
        case .file(let path):
            guard unsafe SSL_CTX_load_verify_file(context, path) == 1 else { throw CryptoError("cannot read certificates from \(path)") }
        }
        unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
    }

    func offerProtocols() {
        guard unsafe !protocols.isEmpty else { return }
        _ = unsafe SSL_CTX_set_alpn_protos(context, protocols.baseAddress, UInt32(protocols.count))
    }

    // MARK: a server's

    func use(_ identity: TLSIdentity) throws(CryptoError) {
        switch identity {
        case .files(let certificate, let key):
            guard unsafe SSL_CTX_use_certificate_chain_file(context, certificate) == 1 else {
                throw CryptoError("cannot use the certificate in \(certificate) (expected PEM, the server's own first)")
            }
            guard unsafe SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1 else {
                throw CryptoError("cannot use the private key in \(key) (expected PEM without a password, and the certificate's own)")
            }
        case .certificate(let certificate):
            guard unsafe SSL_CTX_use_certificate(context, certificate.x509) == 1,
                unsafe SSL_CTX_use_PrivateKey(context, certificate.key) == 1
            else { throw CryptoError("OpenSSL refuses the certificate") }
        }
    }

    /// The names and protocols that clients ask for are met. `self` must outlive all that is made from the context.
    func answerClients() {
        let here = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe SSL_CTX_set_alpn_select_cb(context, selectProtocol, here)
        // SSL_CTX_set_tlsext_servername_callback and its argument
        unsafe SSL_CTX_callback_ctrl(
            context, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB, unsafeBitCast(selectCertificate, to: (@convention(c) () -> Void).self))
        unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_TLSEXT_SERVERNAME_ARG, 0, here)
        // A second ticket would serve clients that open several connections at once, and costs memory in each.
        _ = unsafe SSL_CTX_set_num_tickets(context, 1)
    }

    /// RFC 7301 clause 3.2: a client that offers protocols and has none in common learns it by an alert.
    fileprivate func chooseProtocol(_ offered: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8>? {
        guard unsafe !protocols.isEmpty else { return nil }
        var chosen: UnsafeMutablePointer<UInt8>?
        var length: UInt8 = 0
        let result = unsafe SSL_select_next_proto(
            &chosen, &length, protocols.baseAddress, UInt32(protocols.count), offered.baseAddress, UInt32(offered.count))
        guard result == OPENSSL_NPN_NEGOTIATED else { return nil }
        return unsafe UnsafeBufferPointer(start: chosen, count: Int(length))
    }

    fileprivate func bears(_ name: UnsafePointer<CChar>) -> Bool {
        guard let certificate = unsafe SSL_CTX_get0_certificate(context) else { return false }
        return unsafe X509_check_host(certificate, name, 0, 0, nil) == 1
    }
}

private func selectProtocol(
    _: OpaquePointer?, _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?, _ length: UnsafeMutablePointer<UInt8>?,
    _ offered: UnsafePointer<UInt8>?, _ count: UInt32, _ argument: UnsafeMutableRawPointer?
) -> Int32 {
    guard let argument = unsafe argument else { return SSL_TLSEXT_ERR_NOACK }
    let context = unsafe Unmanaged<TLSContext>.fromOpaque(argument).takeUnretainedValue()
    guard let name = unsafe context.chooseProtocol(UnsafeBufferPointer(start: offered, count: Int(count))) else {
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }
    unsafe chosen?.pointee = name.baseAddress
    unsafe length?.pointee = UInt8(name.count)
    return SSL_TLSEXT_ERR_OK
}

private let selectCertificate: @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutableRawPointer?) -> Int32 = {
    ssl, _, argument in
    guard let argument = unsafe argument, let name = unsafe SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) else {
        return SSL_TLSEXT_ERR_NOACK
    }
    let context = unsafe Unmanaged<TLSContext>.fromOpaque(argument).takeUnretainedValue()
    // A name that none bears gets the first: the client judges by itself.
    guard unsafe !context.bears(name) else { return SSL_TLSEXT_ERR_OK }
    if let other = context.others.first(where: { unsafe $0.bears(name) }) { unsafe SSL_set_SSL_CTX(ssl, other.context) }
    return SSL_TLSEXT_ERR_OK
}
