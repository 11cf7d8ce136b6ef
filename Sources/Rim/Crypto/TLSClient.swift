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

public enum TLSEvent: Sendable, Hashable {
    case connected
    case data([UInt8])
    /// The server said goodbye.
    case closed
    case failed(reason: String)
}

/// The client's side of TLS 1.2 or 1.3, told bytes and asked for bytes. The server's certificate must bear `serverName`.
@safe public final class TLSClient {
    private enum State { case handshaking, connected, ended }

    private let context: OpaquePointer
    private let ssl: OpaquePointer
    private let input: OpaquePointer
    private let output: OpaquePointer
    private let serverName: String
    private var state = State.handshaking
    private var events: [TLSEvent] = []

    /// `serverName`: a DNS name, sent as SNI, or an IP address. The ClientHello is ready at once.
    public init(serverName: String, trust: TLSTrust) throws(CryptoError) {
        self.serverName = serverName
        guard let context = unsafe SSL_CTX_new(TLS_client_method()) else { throw CryptoError("cannot make a TLS context") }
        guard let ssl = unsafe SSL_new(context) else {
            unsafe SSL_CTX_free(context)
            throw CryptoError("cannot make a TLS connection")
        }
        guard let input = unsafe BIO_new(BIO_s_mem()), let output = unsafe BIO_new(BIO_s_mem()) else {
            unsafe SSL_free(ssl)
            unsafe SSL_CTX_free(context)
            throw CryptoError("no memory for TLS")
        }
        unsafe SSL_set_bio(ssl, input, output)
        unsafe self.context = context
        unsafe self.ssl = ssl
        unsafe self.input = input
        unsafe self.output = output
        try configure(trust)
        unsafe SSL_set_connect_state(ssl)
        drive()
    }

    deinit {
        unsafe SSL_free(ssl)
        unsafe SSL_CTX_free(context)
    }

    private func configure(_ trust: TLSTrust) throws(CryptoError) {
        unsafe SSL_ctrl(ssl, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(TLS1_2_VERSION), nil)
        let isAddress = IPAddress(serverName) != nil
        if !isAddress {
            // RFC 6066 clause 3: names only.
            var name = Array(serverName.utf8CString)
            let kind = Int(TLSEXT_NAMETYPE_host_name)
            guard unsafe name.withUnsafeMutableBytes({ unsafe SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, kind, $0.baseAddress) }) == 1
            else { throw CryptoError("\(serverName) cannot be sent as the server's name") }
        }
        switch trust {
        case .anyone:
            unsafe SSL_set_verify(ssl, SSL_VERIFY_NONE, nil)
            return
        case .system:
            guard unsafe SSL_CTX_set_default_verify_paths(context) == 1 else { throw CryptoError("cannot read the system's certificates") }
        case .file(let path):
            guard unsafe SSL_CTX_load_verify_file(context, path) == 1 else { throw CryptoError("cannot read certificates from \(path)") }
        }
        unsafe SSL_set_verify(ssl, SSL_VERIFY_PEER, nil)
        let parameters = unsafe SSL_get0_param(ssl)
        let done =
            isAddress
            ? unsafe X509_VERIFY_PARAM_set1_ip_asc(parameters, serverName) : unsafe X509_VERIFY_PARAM_set1_host(parameters, serverName, 0)
        guard done == 1 else { throw CryptoError("\(serverName) is no name that a certificate can bear") }
    }

    // MARK: Bytes in and out

    public func receive(_ bytes: Span<UInt8>) {
        guard state != .ended, bytes.count > 0 else { return }
        let written = unsafe bytes.withUnsafeBufferPointer { unsafe BIO_write(input, $0.baseAddress, Int32(clamping: $0.count)) }
        guard written == bytes.count else { return fail("no memory for what came") }
        drive()
    }

    /// Encrypts. Ignored before `connected` and after the end.
    public func send(_ bytes: [UInt8]) {
        guard state == .connected, !bytes.isEmpty else { return }
        ERR_clear_error()
        // The output is memory: it takes everything.
        let written = unsafe bytes.withNonNullPointer { unsafe SSL_write(ssl, $0, Int32(clamping: $1)) }
        if written != bytes.count { fail(OpenSSLError.drain() ?? "cannot encrypt") }
    }

    /// All that is to be sent to the server now.
    public func takeOutput() -> [UInt8] {
        let count = unsafe BIO_ctrl_pending(output)
        guard count > 0 else { return [] }
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = max(0, Int(unsafe BIO_read(output, buffer.baseAddress, Int32(clamping: count))))
        }
    }

    public func nextEvent() -> TLSEvent? { events.isEmpty ? nil : events.removeFirst() }

    /// Queues close_notify.
    public func close() {
        if state == .connected { unsafe SSL_shutdown(ssl) }
        state = .ended
    }

    // MARK: Driving OpenSSL

    private func drive() {
        ERR_clear_error()
        if state == .handshaking { shakeHands() }
        if state == .connected { readRecords() }
    }

    private func shakeHands() {
        let result = unsafe SSL_do_handshake(ssl)
        if result == 1 {
            state = .connected
            events.append(.connected)
            return
        }
        switch unsafe SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return
        default: fail(certificateFault() ?? OpenSSLError.drain() ?? "the server broke the handshake off")
        }
    }

    private func certificateFault() -> String? {
        let code = unsafe SSL_get_verify_result(ssl)
        guard code != Int(X509_V_OK), let text = unsafe X509_verify_cert_error_string(code) else { return nil }
        return "the certificate shown for \(serverName) is not trusted: \(unsafe String(cString: text))"
    }

    private func readRecords() {
        while state == .connected {
            var buffer = [UInt8](repeating: 0, count: 16_384)  // a record holds no more (RFC 8446 clause 5.1)
            let count = unsafe SSL_read(ssl, &buffer, Int32(buffer.count))
            if count > 0 {
                events.append(.data(Array(buffer.prefix(Int(count)))))
                continue
            }
            switch unsafe SSL_get_error(ssl, count) {
            case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return
            case SSL_ERROR_ZERO_RETURN:
                events.append(.closed)
                state = .ended
            default: fail(OpenSSLError.drain() ?? "the connection broke")
            }
        }
    }

    private func fail(_ reason: String) {
        events.append(.failed(reason: reason))
        state = .ended
    }
}
