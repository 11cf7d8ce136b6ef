import RTC
import Wire

/// Four messages in place of a DTLS handshake, repeated until answered; then records with DTLS 1.2's header, explicit nonce and tag length.
public final class SimulatedDTLS: DTLSEndpoint {
    private enum Message: UInt8 { case clientHello = 1, serverHello, clientFinished, serverFinished }
    private enum State { case idle, waiting, connected, ended }

    /// 13 header, 8 nonce, 16 tag: as AES-128-GCM in DTLS 1.2.
    private static let overhead = 37
    private static let firstTimeout = Duration.milliseconds(100)

    private let certificate: Fingerprint
    private let secret: UInt64
    private var peerSecret: UInt64?
    private var state = State.idle
    private var role = DTLSRole.client
    private var expected: [Fingerprint] = []
    private var flight: [UInt8] = []
    private var retransmitAt: Instant?
    private var timeout = SimulatedDTLS.firstTimeout
    private var sent = 0
    private var key: [UInt8] = []
    private var nextRecord: UInt64 = 0
    private var replay = ReplayWindow()
    private var datagrams: [[UInt8]] = []
    private var events: [DTLSEvent] = []

    init(certificate: Fingerprint, secret: UInt64) {
        self.certificate = certificate
        self.secret = secret
    }

    public var deadline: Instant? { retransmitAt }
    public func nextDatagram() -> [UInt8]? { datagrams.isEmpty ? nil : datagrams.removeFirst() }
    public func nextEvent() -> DTLSEvent? { events.isEmpty ? nil : events.removeFirst() }

    public func start(role: DTLSRole, peerFingerprints: [Fingerprint], at now: Instant) {
        guard state == .idle else { return }
        self.role = role
        expected = peerFingerprints
        state = .waiting
        if role == .client { sendFlight(.clientHello, at: now) }
    }

    public func advance(to now: Instant) {
        guard let at = retransmitAt, now >= at else { return }
        guard sent < 12 else { return fail("expected the peer's next handshake message, none came in twelve attempts") }
        sent += 1
        timeout = min(timeout * 2, .seconds(2))
        retransmitAt = now + timeout
        datagrams.append(flight)
    }

    public func close(at now: Instant) {
        guard state == .connected else { return }
        datagrams.append(record(type: 21, [1, 0].span))
        state = .ended
        retransmitAt = nil
    }

    public func send(_ data: Span<UInt8>, at now: Instant) {
        guard state == .connected else { return }
        datagrams.append(record(type: 23, data))
    }

    // MARK: receiving

    public func receive(_ datagram: Span<UInt8>, at now: Instant) {
        guard state == .waiting || state == .connected, datagram.count >= 13, Int(datagram.u16(at: 11)) == datagram.count - 13 else {
            return
        }
        if datagram[0] == 22 { return receiveHandshake(datagram, at: now) }
        guard state == .connected, datagram.count >= Self.overhead else { return }
        guard SimulatedDigests.hasTag(key: key, datagram, end: datagram.count - 16),
            replay.accept(UInt64(datagram.u32(at: 13)) << 32 | UInt64(datagram.u32(at: 17)))
        else { return }
        switch datagram[0] {
        case 23: events.append(.data(datagram.extracting(21..<(datagram.count - 16)).array))
        case 21:
            state = .ended
            retransmitAt = nil
            events.append(.closed)
        default: break
        }
    }

    private func receiveHandshake(_ datagram: Span<UInt8>, at now: Instant) {
        guard datagram.count == 13 + 1 + 8 + 32, let message = Message(rawValue: datagram[13]) else { return }
        let theirs = UInt64(datagram.u32(at: 14)) << 32 | UInt64(datagram.u32(at: 18))
        let digest = datagram.extracting(22..<54).array
        switch (role, message) {
        case (.server, .clientHello) where state == .waiting && (peerSecret == nil || peerSecret == theirs):
            guard isExpected(digest) else { return }
            peerSecret = theirs
            sendFlight(.serverHello, at: now)
        case (.client, .serverHello) where state == .waiting:
            guard peerSecret == nil || peerSecret == theirs, isExpected(digest) else { return }
            peerSecret = theirs
            sendFlight(.clientFinished, at: now)
        case (.server, .clientFinished) where peerSecret == theirs:
            // Said again to a client that did not hear it.
            datagrams.append(handshake(.serverFinished))
            connect()
        case (.client, .serverFinished) where peerSecret == theirs: connect()
        default: break
        }
    }

    private func isExpected(_ digest: [UInt8]) -> Bool {
        if expected.contains(where: { $0.algorithm == .sha256 && $0.digest == digest }) { return true }
        fail("expected a certificate with one of \(expected.count) fingerprints, came \(Hex.encode(digest, separator: ":"))")
        return false
    }

    private func connect() {
        guard state == .waiting, let peerSecret else { return }
        state = .connected
        retransmitAt = nil
        var shared: [UInt8] = []
        for half in role == .client ? [secret, peerSecret] : [peerSecret, secret] {
            shared.append(u32: UInt32(truncatingIfNeeded: half >> 32))
            shared.append(u32: UInt32(truncatingIfNeeded: half))
        }
        key = shared
        let client = SimulatedDigests.digest(key: shared.span, [0].span, length: 28)
        let server = SimulatedDigests.digest(key: shared.span, [1].span, length: 28)
        let (ours, theirs) = role == .client ? (client, server) : (server, client)
        events.append(
            .connected(
                SRTPKeyingMaterial(
                    profile: .aeadAES128GCM, sendKey: Array(ours[..<16]), sendSalt: Array(ours[16...]), receiveKey: Array(theirs[..<16]),
                    receiveSalt: Array(theirs[16...]))))
    }

    private func fail(_ reason: String) {
        state = .ended
        retransmitAt = nil
        events.append(.failed(reason: reason))
    }

    // MARK: sending

    private func sendFlight(_ message: Message, at now: Instant) {
        flight = handshake(message)
        datagrams.append(flight)
        timeout = Self.firstTimeout
        sent = 1
        retransmitAt = now + timeout
    }

    private func handshake(_ message: Message) -> [UInt8] {
        var bytes: [UInt8] = [22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 41, message.rawValue]
        bytes.append(u32: UInt32(truncatingIfNeeded: secret >> 32))
        bytes.append(u32: UInt32(truncatingIfNeeded: secret))
        return bytes + certificate.digest
    }

    private func record(type: UInt8, _ data: Span<UInt8>) -> [UInt8] {
        nextRecord += 1
        // The roles count apart, so that neither takes the other's records for its own come back.
        let number = nextRecord << 1 | (role == .client ? 1 : 0)
        var bytes: [UInt8] = [type, 0xFE, 0xFD, 0, 1, 0, 0]
        bytes.append(u32: UInt32(truncatingIfNeeded: number))
        bytes.append(u16: UInt16(truncatingIfNeeded: data.count + 24))
        bytes.append(u32: UInt32(truncatingIfNeeded: number >> 32))
        bytes.append(u32: UInt32(truncatingIfNeeded: number))
        bytes.append(span: data)
        SimulatedDigests.appendTag(key: key, to: &bytes, from: 0)
        return bytes
    }
}
