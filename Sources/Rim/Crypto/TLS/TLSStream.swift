internal import COpenSSL
public import Wire

/// One end of a TLS connection, 1.2 or 1.3 (RFC 5246, RFC 8446). `TLSServer` and `TLSClient` make them.
@safe public final class TLSStream: SecureStream {
    public private(set) var state = SecureStreamState.handshaking
    public private(set) var agreement: SecureStreamAgreement?
    public var output: ((Span<UInt8>) -> Void)?

    private let ssl: OpaquePointer
    /// What the connection was made from, kept as long as it: OpenSSL calls back into it.
    private let owner: TLSContext
    /// Whom the other side's certificate must name, for the reason of a failure.
    private let serverName: String?
    /// New keys that the other side took since it last sent so many bytes; see `mostKeyUpdates`.
    private var keyUpdates = 0
    private var plainSinceThen = 0
    /// What `receive` was given and OpenSSL has not read yet; empty outside of it.
    private var input = unsafe UnsafeRawBufferPointer(start: nil, count: 0)

    enum Role { case client, server }

    /// For each 64 KiB of content: a new key costs a thousand times what its few bytes cost the sender (RFC 8446 clause 4.6.3).
    private static let mostKeyUpdates = 32
    private static let contentOfKeyUpdates = 64 << 10

    init(_ owner: TLSContext, _ context: OpaquePointer, as role: Role, serverName: String? = nil) throws(CryptoError) {
        guard let ssl = unsafe SSL_new(context), let bio = unsafe BIO_new(owner.method) else { throw CryptoError("no memory for TLS") }
        (self.owner, self.serverName) = (owner, serverName)
        unsafe self.ssl = ssl
        unsafe BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
        unsafe SSL_set_bio(ssl, bio, bio)
        switch role {
        case .client: unsafe SSL_set_connect_state(ssl)
        case .server: unsafe SSL_set_accept_state(ssl)
        }
    }

    deinit { unsafe SSL_free(ssl) }

    /// Tells the server which of its names is meant (SNI, RFC 6066 clause 3); false when it cannot be told.
    func announce(_ name: String) -> Bool {
        var name = Array(name.utf8CString)
        let kind = Int(TLSEXT_NAMETYPE_host_name)
        return unsafe name.withUnsafeMutableBytes { unsafe SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, kind, $0.baseAddress) } == 1
    }

    /// The other side's certificate must bear this name or address; false when none can.
    func expect(_ name: String, isAddress: Bool) -> Bool {
        let parameters = unsafe SSL_get0_param(ssl)
        // RFC 9525 clause 6: names stand among the alternative ones, and `*` for a whole label.
        unsafe X509_VERIFY_PARAM_set_hostflags(
            parameters, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
        let result =
            isAddress ? unsafe X509_VERIFY_PARAM_set1_ip_asc(parameters, name) : unsafe X509_VERIFY_PARAM_set1_host(parameters, name, 0)
        return result == 1
    }

    // MARK: bytes in and out

    public func begin() { shakeHands() }

    public func receive(_ bytes: Span<UInt8>, _ deliver: (inout MutableSpan<UInt8>) -> Void) {
        unsafe bytes.withUnsafeBytes { bytes in
            unsafe input = bytes
            shakeHands()
            readRecords(deliver)
            unsafe input = UnsafeRawBufferPointer(start: nil, count: 0)
        }
    }

    public func send(_ bytes: Span<UInt8>) {
        guard state == .open || state == .ended, bytes.count > 0 else { return }
        ERR_clear_error()
        // The output takes everything.
        let written = unsafe bytes.withUnsafeBytes { unsafe SSL_write(ssl, $0.baseAddress, Int32(clamping: $0.count)) }
        if Int(written) != bytes.count { fail(OpenSSLError.drain() ?? "cannot encrypt") }
    }

    public func close() {
        guard state == .open || state == .ended else { return }
        ERR_clear_error()
        _ = unsafe SSL_shutdown(ssl)
        ERR_clear_error()
    }

    // MARK: driving OpenSSL

    private func shakeHands() {
        guard state == .handshaking else { return }
        ERR_clear_error()
        let result = unsafe SSL_do_handshake(ssl)
        if result == 1 {
            agreement = unsafe SecureStreamAgreement(of: ssl)
            state = .open
            watchKeyUpdates()
            return
        }
        switch unsafe SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return
        default: fail(certificateFault() ?? OpenSSLError.drain() ?? "the other side broke the handshake off")
        }
    }

    private func certificateFault() -> String? {
        guard let serverName else { return nil }
        let code = unsafe SSL_get_verify_result(ssl)
        guard code != Int(X509_V_OK), let text = unsafe X509_verify_cert_error_string(code) else { return nil }
        return "the certificate shown for \(serverName) is not trusted: \(unsafe String(cString: text))"
    }

    private func readRecords(_ deliver: (inout MutableSpan<UInt8>) -> Void) {
        guard state == .open else { return }
        let buffer = unsafe owner.scratch
        while state == .open {
            ERR_clear_error()
            let count = unsafe SSL_read(ssl, buffer.baseAddress, Int32(buffer.count))
            guard !isFloodedWithKeys else { return fail("the other side changes its keys without sending anything") }
            guard count > 0 else { return stopReading(count) }
            countContent(Int(count))
            var plain = unsafe MutableSpan(_unsafeElements: UnsafeMutableBufferPointer(rebasing: buffer[..<Int(count)]))
            deliver(&plain)
        }
    }

    private func stopReading(_ result: Int32) {
        switch unsafe SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: break
        case SSL_ERROR_ZERO_RETURN: state = .ended
        default: fail(OpenSSLError.drain() ?? "the connection broke")
        }
    }

    private var isFloodedWithKeys: Bool { keyUpdates > Self.mostKeyUpdates }

    private func countContent(_ count: Int) {
        plainSinceThen += count
        if plainSinceThen >= Self.contentOfKeyUpdates { (keyUpdates, plainSinceThen) = (0, 0) }
    }

    private func watchKeyUpdates() {
        unsafe SSL_ctrl(ssl, SSL_CTRL_SET_MSG_CALLBACK_ARG, 0, Unmanaged.passUnretained(self).toOpaque())
        unsafe SSL_set_msg_callback(ssl) { isWritten, _, type, bytes, count, _, argument in
            guard isWritten == 0, type == SSL3_RT_HANDSHAKE, count > 0, let bytes = unsafe bytes, let argument = unsafe argument,
                unsafe bytes.load(as: UInt8.self) == UInt8(SSL3_MT_KEY_UPDATE)
            else { return }
            unsafe Unmanaged<TLSStream>.fromOpaque(argument).takeUnretainedValue().keyUpdates += 1
        }
    }

    private func fail(_ reason: String) { state = .failed(reason) }

    // MARK: for the BIO

    fileprivate func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = unsafe min(buffer.count, input.count)
        guard count > 0, !isFloodedWithKeys else { return 0 }
        unsafe buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: input[..<count]))
        unsafe input = UnsafeRawBufferPointer(rebasing: input[count...])
        return count
    }

    fileprivate func write(_ bytes: UnsafeRawBufferPointer) {
        unsafe output?(Span(_unsafeElements: bytes.assumingMemoryBound(to: UInt8.self)))
    }
}

extension SecureStreamAgreement {
    fileprivate init(of ssl: OpaquePointer) {
        var name: UnsafePointer<UInt8>?
        var length: UInt32 = 0
        unsafe SSL_get0_alpn_selected(ssl, &name, &length)
        let alpn = unsafe name.map { unsafe String(decoding: UnsafeBufferPointer(start: $0, count: Int(length)), as: UTF8.self) }
        let asked = unsafe SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { unsafe String(cString: $0) }
        self.init(
            version: unsafe String(cString: SSL_get_version(ssl)),
            cipher: unsafe String(cString: SSL_CIPHER_get_name(SSL_get_current_cipher(ssl))),
            applicationProtocol: alpn, serverName: asked)
    }
}

/// Through this OpenSSL reads what `receive` was given and writes to `output`: its own memory BIOs keep buffers for every connection.
enum StreamBIO {
    /// One number for all: the library has 127.
    private static let kind = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK

    static func makeMethod() -> OpaquePointer? {
        guard let method = unsafe BIO_meth_new(kind, "stream") else { return nil }
        unsafe BIO_meth_set_create(method) { bio in
            unsafe BIO_set_init(bio, 1)
            return 1
        }
        unsafe BIO_meth_set_write(method) { bio, bytes, count in
            guard let stream = unsafe StreamBIO.stream(bio), let bytes = unsafe bytes, count > 0 else { return -1 }
            unsafe stream.write(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
            return count
        }
        unsafe BIO_meth_set_read(method) { bio, bytes, count in
            unsafe BIO_clear_flags(bio, Constant.anyRetry)
            guard let stream = unsafe StreamBIO.stream(bio), let bytes = unsafe bytes, count > 0 else { return -1 }
            let taken = unsafe stream.read(into: UnsafeMutableRawBufferPointer(start: bytes, count: Int(count)))
            if taken > 0 { return Int32(taken) }
            unsafe BIO_set_flags(bio, Constant.retryRead)
            return -1
        }
        unsafe BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
        return unsafe method
    }

    private static func stream(_ bio: OpaquePointer?) -> TLSStream? {
        guard let data = unsafe BIO_get_data(bio) else { return nil }
        return unsafe Unmanaged<TLSStream>.fromOpaque(data).takeUnretainedValue()
    }
}
