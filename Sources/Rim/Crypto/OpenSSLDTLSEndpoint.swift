internal import COpenSSL
public import RTC
public import Wire

/// DTLS 1.2 (RFC 6347) on OpenSSL, as a machine that is told datagrams and the time.
@safe public final class OpenSSLDTLSEndpoint: DTLSEndpoint {
    private enum State {
        case idle, handshaking, connected, ended
    }

    /// First retransmission this long after a flight: links of robots are short, and RFC 6347 clause 4.2.4.1 leaves the value to profiles
    /// for time-sensitive uses. It doubles up to `longestInterval`.
    static let firstInterval = Duration.milliseconds(150)
    static let longestInterval = Duration.milliseconds(4000)
    static let handshakeLimit = Duration.milliseconds(30_000)
    /// Larger datagrams are no handshake or SCTP packet of a WebRTC peer.
    static let largestInput = 4096
    /// Largest `send`: 1200 bytes less the record's header, explicit nonce and tag.
    public static let largestRecord = 1163
    /// Data events that wait for `nextEvent`; further records are lost, and SCTP repeats them. The rest is for the events that end things.
    static let dataEventLimit = 252

    private let context: CryptoContext
    private let port = DatagramPort()
    private var ssl: OpaquePointer?
    private var state = State.idle
    private var role = DTLSRole.client
    private var expected: [Fingerprint] = []
    private var mismatch: String?
    private var events = Ring<DTLSEvent>(limit: 256)
    private var interval = OpenSSLDTLSEndpoint.firstInterval
    private var retransmitAt: Instant?
    private var giveUpAt: Instant?
    /// Why the last ClientHello, or what looked like one, was not answered.
    private var lastNoise: String?
    /// Inputs and outputs that a bound discarded.
    public private(set) var dropped = 0

    init(context: CryptoContext) { self.context = context }

    deinit { unsafe SSL_free(ssl) }

    public func start(role: DTLSRole, peerFingerprints: [Fingerprint], at now: Instant) {
        guard state == .idle else { return }
        self.role = role
        expected = peerFingerprints
        guard makeSSL() else { return fail("OpenSSL cannot make an association: \(OpenSSLError.drain() ?? "no reason given")") }
        state = .handshaking
        giveUpAt = now + Self.handshakeLimit
        if role == .client { drive(at: now) }
    }

    public func receive(_ datagram: Span<UInt8>, at now: Instant) {
        guard state == .handshaking || state == .connected else { return }
        guard datagram.count <= Self.largestInput, isRecord(datagram) else {
            dropped += 1
            return
        }
        unsafe datagram.withUnsafeBufferPointer { bytes in
            unsafe port.input = bytes
            drive(at: now)
            unsafe port.input = nil
        }
    }

    public func send(_ data: Span<UInt8>, at now: Instant) {
        guard state == .connected else { return }
        guard data.count > 0, data.count <= Self.largestRecord, !port.output.isFull else {
            dropped += 1
            return
        }
        ERR_clear_error()
        unsafe SSL_alloc_buffers(ssl)  // DTLS writes through a null pointer without
        let written = unsafe data.withUnsafeBufferPointer { unsafe SSL_write(ssl, $0.baseAddress, Int32($0.count)) }
        if written <= 0 { fail("OpenSSL cannot encrypt a record: \(OpenSSLError.drain() ?? "no reason given")") }
        releaseBuffers()
    }

    public func advance(to now: Instant) {
        guard state == .handshaking else { return }
        if let giveUpAt, now >= giveUpAt {
            let waited = role == .client ? "for an answer to the ClientHello" : "for a ClientHello or the rest of the handshake"
            let noise = lastNoise.map { "; what came was not understood: \($0)" } ?? ""
            return fail("DTLS handshake: waited \(Self.handshakeLimit.seconds) s \(waited); is UDP in both directions open?\(noise)")
        }
        guard let retransmitAt, now >= retransmitAt else { return }
        self.retransmitAt = nil
        interval = min(interval * 2, Self.longestInterval)
        if let deadline = unsafe port.libraryDeadline { unsafe deadline.pointee = timeval(tv_sec: 1, tv_usec: 0) }
        ERR_clear_error()
        // Below zero: OpenSSL has had enough of repeating.
        if unsafe SSL_ctrl(ssl, DTLS_CTRL_HANDLE_TIMEOUT, 0, nil) < 0 {
            return fail("DTLS handshake: the peer answered none of our repetitions")
        }
        followTimer(at: now)
        if state == .handshaking && self.retransmitAt == nil { self.retransmitAt = now + interval }
    }

    public func close(at now: Instant) {
        guard state == .connected || state == .handshaking else { return end() }
        if state == .connected { sendCloseNotify() }
        end()
    }

    public var deadline: Instant? { state == .handshaking ? earlier(retransmitAt, giveUpAt) : nil }

    public func nextDatagram() -> [UInt8]? { port.output.popFirst() }

    public func nextEvent() -> DTLSEvent? { events.popFirst() }

    // MARK: - Driving OpenSSL

    private func makeSSL() -> Bool {
        guard let fresh = unsafe SSL_new(context.tls) else { return false }
        guard let bio = unsafe BIO_new(context.datagramMethod) else {
            unsafe SSL_free(fresh)
            return false
        }
        // Unretained: the port outlives the association, which `deinit` frees.
        unsafe BIO_set_data(bio, Unmanaged.passUnretained(port).toOpaque())
        unsafe SSL_set_bio(fresh, bio, bio)
        unsafe SSL_ctrl(fresh, SSL_CTRL_SET_MTU, DatagramBIO.pathMTU, nil)
        unsafe DTLS_set_timer_cb(fresh) { _, last in
            last == 0
                ? UInt32(OpenSSLDTLSEndpoint.firstInterval.wholeMicroseconds)
                : min(last * 2, UInt32(OpenSSLDTLSEndpoint.longestInterval.wholeMicroseconds))
        }
        switch role {
        case .client: unsafe SSL_set_connect_state(fresh)
        case .server: unsafe SSL_set_accept_state(fresh)
        }
        unsafe port.accepts = { [unowned self] x509 in unsafe self.accepts(x509) }
        unsafe SSL_free(ssl)
        unsafe ssl = fresh
        return true
    }

    private func drive(at now: Instant) {
        if state == .handshaking { shakeHands(at: now) }
        if state == .connected { readRecords() }
        followTimer(at: now)
        releaseBuffers()
    }

    private func shakeHands(at now: Instant) {
        ERR_clear_error()
        let result = unsafe SSL_do_handshake(ssl)
        if result == 1 { return finishHandshake() }
        switch unsafe SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return
        case SSL_ERROR_ZERO_RETURN: fail("DTLS handshake: the peer closed before it was done")
        default:
            if beginsAnew() { return }
            fail("DTLS handshake: \(mismatch ?? OpenSSLError.drain() ?? "the peer broke it off")")
        }
    }

    /// A server that has answered nothing yet cannot have been talking to its peer: what failed was noise, and the real ClientHello may still come.
    /// Not so a ClientHello that was understood and asks for what we do not have.
    private func beginsAnew() -> Bool {
        guard role == .server, !port.hasSentFlight, mismatch == nil, !OpenSSLError.saysIncompatible else { return false }
        lastNoise = OpenSSLError.drain()
        dropped += 1
        while port.output.popFirst() != nil {}  // the alert for the noise
        unsafe port.libraryDeadline = nil
        return makeSSL()
    }

    private func finishHandshake() {
        unsafe port.accepts = nil
        state = .connected
        retransmitAt = nil
        giveUpAt = nil
        post(.connected(exportKeys()))
    }

    private func readRecords() {
        while state == .connected {
            ERR_clear_error()
            let count = unsafe SSL_read(ssl, context.scratch.baseAddress, Int32(context.scratch.count))
            if count > 0 {
                if events.count < Self.dataEventLimit {
                    post(.data(unsafe Array(context.scratch[..<Int(count)])))
                } else {
                    dropped += 1
                }
                continue
            }
            switch unsafe SSL_get_error(ssl, count) {
            case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return
            case SSL_ERROR_ZERO_RETURN:
                sendCloseNotify()
                post(.closed)
                end()
            default: fail("DTLS: \(OpenSSLError.drain() ?? "the association broke")")
            }
        }
    }

    private func sendCloseNotify() {
        unsafe SSL_alloc_buffers(ssl)
        unsafe SSL_shutdown(ssl)
    }

    private func followTimer(at now: Instant) {
        guard port.timerChanged else { return }
        port.timerChanged = false
        // An answer shows a path that works: earlier losses were of a peer that was not ready, and say nothing about the next flight.
        if port.flightWasAnswered { interval = Self.firstInterval }
        port.flightWasAnswered = false
        retransmitAt = port.timer == .started && state == .handshaking ? now + interval : nil
    }

    /// 17 kB for a record that is read and another for one that is written come back at the next use.
    private func releaseBuffers() {
        if state == .connected { unsafe SSL_free_buffers(ssl) }
    }

    private func fail(_ reason: String) {
        post(.failed(reason: reason))
        end()
    }

    private func end() {
        state = .ended
        retransmitAt = nil
        giveUpAt = nil
        unsafe port.accepts = nil
        unsafe port.libraryDeadline = nil
        unsafe SSL_free(ssl)
        unsafe ssl = nil
    }

    private func post(_ event: DTLSEvent) {
        if !events.append(event) { dropped += 1 }
    }

    /// Cheap look at the first record's header (RFC 6347 clause 4.3.1): content type 20…25 and a DTLS version.
    private func isRecord(_ datagram: Span<UInt8>) -> Bool {
        datagram.count >= 13 && (20...25).contains(datagram[0]) && datagram[1] == 0xFE
    }
}

// MARK: - The peer's certificate and the keys

extension OpenSSLDTLSEndpoint {
    /// RFC 8122 clause 6.2: of the algorithms that were signalled the strongest counts.
    private func accepts(_ x509: OpaquePointer) -> Bool {
        guard let algorithm = expected.map(\.algorithm).max(by: { $0.length < $1.length }) else {
            mismatch = "no fingerprint was signalled for the peer's certificate: the description needs an a=fingerprint line"
            return false
        }
        let shown = unsafe Fingerprint(of: x509, algorithm)
        let candidates = expected.filter { $0.algorithm == algorithm }
        var matches = false
        for candidate in candidates where candidate.digest.count == shown.digest.count {
            let difference = unsafe CRYPTO_memcmp(candidate.digest, shown.digest, shown.digest.count)
            matches = matches || difference == 0
        }
        if !matches {
            let wanted = candidates.map { Hex.encode($0.digest, separator: ":") }.joined(separator: " or ")
            mismatch =
                "the peer's certificate has the \(algorithm.rawValue) fingerprint \(Hex.encode(shown.digest, separator: ":")), "
                + "but \(wanted) was signalled: it is another peer, or the signalling was changed on its way"
        }
        return matches
    }

    /// RFC 5764 clause 4.2: both sides' keys, then both sides' salts, the client's first.
    private func exportKeys() -> SRTPKeyingMaterial? {
        guard let chosen = unsafe SSL_get_selected_srtp_profile(ssl) else { return nil }
        let profile: SRTPProfile = unsafe chosen.pointee.id == UInt(SRTP_AEAD_AES_128_GCM) ? .aeadAES128GCM : .aes128CMHMACSHA1_80
        let salt = profile == .aeadAES128GCM ? 12 : 14
        var block = [UInt8](repeating: 0, count: 2 * (16 + salt))
        let label = "EXTRACTOR-dtls_srtp"
        guard unsafe SSL_export_keying_material(ssl, &block, block.count, label, label.utf8.count, nil, 0, 0) == 1 else { return nil }
        let clientKey = Array(block[..<16]), serverKey = Array(block[16..<32])
        let clientSalt = Array(block[32..<32 + salt]), serverSalt = Array(block[(32 + salt)...])
        switch role {
        case .client:
            return SRTPKeyingMaterial(
                profile: profile, sendKey: clientKey, sendSalt: clientSalt, receiveKey: serverKey, receiveSalt: serverSalt)
        case .server:
            return SRTPKeyingMaterial(
                profile: profile, sendKey: serverKey, sendSalt: serverSalt, receiveKey: clientKey, receiveSalt: clientSalt)
        }
    }
}

/// Called by OpenSSL for the peer's certificate, instead of the checks of a public key infrastructure; 1 accepts.
func verifyPeerCertificate(_ store: OpaquePointer?, _: UnsafeMutableRawPointer?) -> Int32 {
    guard let ssl = unsafe X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()),
        let x509 = unsafe X509_STORE_CTX_get0_cert(store),
        let port = unsafe DatagramBIO.port(SSL_get_rbio(OpaquePointer(ssl))),
        let accepts = unsafe port.accepts, unsafe accepts(x509)
    else {
        unsafe X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION)
        return 0
    }
    return 1
}
