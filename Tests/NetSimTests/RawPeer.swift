import NetSim
import RTC
import Wire
import XCTest

/// The far side of a `Peer` made by hand, so that it can do what a peer of ours never would.
final class RawPeer {
    let environment = SimulatedEnvironment(seed: 11)
    var peer: Peer
    var now = Instant.zero + .seconds(1)
    var address = SocketAddress(IPAddress(10, 0, 0, 1), 5000)
    var credentials = IceCredentials(usernameFragment: "rawpeer1", password: "0123456789012345678901")
    /// Whether checks that come are answered.
    var answersChecks = true
    private(set) var dtls: any DTLSEndpoint
    private(set) var srtp: (any SRTPSession)?
    /// What the peer sent, in the clear, and where it sent media and DTLS to last.
    private(set) var rtcp: [RTCPPacket] = []
    private(set) var lastDestination: SocketAddress?
    private(set) var checksReceived = 0
    var events: [PeerEvent] = []

    private static let transport = TransportID(1)

    init(mode: IceMode = .lite, unexpectedMediaDirection: MediaDirection = .recvonly) {
        let ice = IceConfiguration(
            mode: mode, transports: [LocalTransport(id: Self.transport, address: SocketAddress(IPAddress(10, 0, 0, 2), 5000))])
        peer = Peer(
            configuration: PeerConfiguration(ice: ice, unexpectedMediaDirection: unexpectedMediaDirection),
            environment: SimulatedEnvironment(seed: 12))
        dtls = environment.makeDTLS()
    }

    /// `sections`: each from its m-line on, without transport lines.
    func description(_ sections: [String]) throws -> SessionDescription {
        let mids = sections.filter { !$0.contains("m=video 0") && !$0.contains("m=audio 0") }.compactMap { section in
            section.split(separator: "\n").first { $0.hasPrefix("a=mid:") }?.dropFirst(6)
        }
        let digest = environment.fingerprints[0].digest.map { byte in
            let text = String(byte, radix: 16, uppercase: true)
            return text.count == 1 ? "0" + text : text
        }
        var text = "v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nt=0 0\na=group:BUNDLE \(mids.joined(separator: " "))\n"
        text += "a=ice-ufrag:\(credentials.usernameFragment)\na=ice-pwd:\(credentials.password)\n"
        text += "a=fingerprint:sha-256 \(digest.joined(separator: ":"))\na=setup:active\n"
        text += sections.joined()
        return try SessionDescription(parsing: text.replacing("\n", with: "\r\n"))
    }

    static func video(mid: String, feedback: [String] = ["nack", "nack pli", "ccm fir"], lines: String = "", port: Int = 9) -> String {
        let feedback = feedback.map { "a=rtcp-fb:96 \($0)\n" }.joined()
        return "m=video \(port) UDP/TLS/RTP/SAVPF 96\nc=IN IP4 0.0.0.0\na=mid:\(mid)\na=sendrecv\na=rtcp-mux\na=rtpmap:96 VP8/90000\n"
            + feedback + "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\n"
            + "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\n" + lines
    }

    @discardableResult
    func offer(_ sections: [String]) throws -> SessionDescription {
        defer { pump() }
        return try peer.answer(description(sections), at: now)
    }

    /// Offers, passes a check and shakes hands.
    func connect(_ sections: [String], file: StaticString = #filePath, line: UInt = #line) throws {
        try offer(sections)
        check()
        shakeHands()
        XCTAssertEqual(peer.state, .connected, file: file, line: line)
    }

    func check(isNominated: Bool = true) {
        var message = STUNMessage(.request, .binding, STUNTransactionID(environment))
        message.add(.username, text: peer.localUsernameFragment + ":" + credentials.usernameFragment)
        message.add(.priority, u32: 1_000_000)
        message.add(.iceControlling, u64: 1)
        if isNominated { message.add(.useCandidate) }
        guard let password = peer.session?.localCredentials.password else { return XCTFail("no session") }
        deliver(message.encoded(key: Array(password.utf8), environment.digests, fingerprint: true))
    }

    /// Begins a new association.
    func shakeHands() {
        dtls = environment.makeDTLS()
        srtp = nil
        guard let session = peer.session else { return XCTFail("no session") }
        _ = session
        dtls.start(role: .client, peerFingerprints: SimulatedEnvironment(seed: 12).fingerprints, at: now)
        run(for: .milliseconds(500))
    }

    func closeAssociation() {
        dtls.close(at: now)
        pump()
    }

    // MARK: Media

    /// One RTP packet of VP8: a whole key frame.
    func sendVideo(_ ssrc: UInt32, _ number: UInt16, mid: String? = nil, sendTime: UInt32? = nil, size: Int = 50) {
        var packet: [UInt8] = [mid == nil && sendTime == nil ? 0x80 : 0x90, 0x80 | 96]
        packet.append(u16: number)
        packet.append(u32: UInt32(number) &* 3000)
        packet.append(u32: ssrc)
        var elements: [UInt8] = []
        if let mid { elements += [1 << 4 | UInt8(mid.utf8.count - 1)] + mid.utf8 }
        if let sendTime { elements += [2 << 4 | 2, UInt8(sendTime >> 16 & 255), UInt8(sendTime >> 8 & 255), UInt8(sendTime & 255)] }
        if !elements.isEmpty {
            while elements.count % 4 != 0 { elements.append(0) }
            packet.append(u16: 0xBEDE)
            packet.append(u16: UInt16(elements.count / 4))
            packet += elements
        }
        packet += [0x10, 0x10, 0, 0, 0x9D, 0x01, 0x2A, 64, 0, 64, 0] + [UInt8](repeating: 7, count: size)
        srtp?.protectRTP(&packet, from: 0)
        deliver(packet)
    }

    func send(_ packets: [RTCPPacket]) {
        var bytes: [UInt8] = []
        for packet in packets { packet.write(to: &bytes) }
        srtp?.protectRTCP(&bytes, from: 0)
        deliver(bytes)
    }

    // MARK: Time and bytes

    func run(for duration: Duration) {
        let end = now + duration
        while true {
            pump()
            guard let next = earlier(peer.deadline, dtls.deadline), next <= end else { break }
            now = max(now, next)
            peer.advance(to: now)
            dtls.advance(to: now)
        }
        now = end
    }

    private func deliver(_ bytes: [UInt8]) {
        peer.receive(bytes.span, on: NetworkPath(Self.transport, address), at: now)
        pump()
    }

    private func pump() {
        while true {
            while let event = dtls.nextEvent() { if case .connected(let keys?) = event { srtp = environment.makeSRTP(keys) } }
            if let datagram = dtls.nextDatagram() {
                peer.receive(datagram.span, on: NetworkPath(Self.transport, address), at: now)
                continue
            }
            guard let output = peer.nextOutput() else { return }
            switch output {
            case .transmit(let datagrams): for datagram in datagrams.split() { received(datagram, at: datagrams.path.remote) }
            case .event(let event): events.append(event)
            default: break
            }
        }
    }

    private func received(_ datagram: [UInt8], at destination: SocketAddress) {
        if datagram[0] < 4 { return receivedSTUN(datagram, at: destination) }
        lastDestination = destination
        guard destination == address else { return }
        if datagram[0] < 64 { return dtls.receive(datagram.span, at: now) }
        var plain: [UInt8] = []
        guard RTPPacket.isRTCP(datagram.span), (try? srtp?.unprotectRTCP(datagram.span, into: &plain)) != nil else { return }
        rtcp += (try? RTCPPacket.parse(plain.span)) ?? []
    }

    private func receivedSTUN(_ datagram: [UInt8], at destination: SocketAddress) {
        guard let message = try? STUNMessage(parsing: datagram.span), message.kind == .request else { return }
        checksReceived += 1
        guard answersChecks, destination == address else { return }
        var response = STUNMessage(.success, to: message)
        response.add(.xorMappedAddress, address: SocketAddress(IPAddress(10, 0, 0, 2), 5000))
        deliver(response.encoded(key: Array(credentials.password.utf8), environment.digests, fingerprint: true))
    }
}
