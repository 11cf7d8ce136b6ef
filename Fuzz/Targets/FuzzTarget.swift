import RTC
import Usage
import Wire

/// One parser of outside bytes each. A target may refuse its input in any way but one: it must not trap.
public enum FuzzTarget: String, CaseIterable, Sendable {
    case stun, candidate, iceServer, turnStream, iceTCPStream, dns
    case sdp, trickleFragment
    case rtp, rtcp, nack, pictureLoss, fullIntra, remb, transportFeedback
    case h264, vp8, opus
    case dcep, address, base64
    case json, httpRequest, httpResponse, chunkedBody, webSocket, proxyHeader, forwarded, multipart
    case url, eventStream, noProxy
    case teleop, signalling, action
    case mcap, compressedVideo
    case capturedPacket, zmtp, zmqMessage, evdev
    case monitorConfiguration, pluginLine, monitorClient, sessionList

    public func run(_ bytes: Span<UInt8>) {
        switch self {
        case .stun: Self.stun(bytes)
        case .candidate: if let candidate = try? IceCandidate(parsing: bytes.text) { reparse(candidate) }
        case .iceServer: _ = try? IceServer(url: bytes.text, username: "u", credential: "c")
        case .turnStream: Self.deframe(TurnFramer(), bytes)
        case .iceTCPStream: Self.deframe(RFC4571Framer(), bytes)
        case .dns:
            _ = try? DNSMessage(parsing: bytes)
            _ = MulticastDNS.addresses(of: "robot.local", in: bytes)
            _ = MulticastDNS.answer(to: bytes, names: ["robot.local": [IPAddress(192, 0, 2, 1)]])
        case .sdp: Self.negotiate(bytes.array)
        case .trickleFragment: if let fragment = try? TrickleFragment(parsing: bytes.text) { _ = fragment.description }
        case .rtp: Self.rtp(bytes)
        case .rtcp: Self.rtcp(bytes)
        case .nack: Self.rtcp(Self.feedback(205, 1, bytes).span)
        case .pictureLoss: Self.rtcp(Self.feedback(206, 1, bytes).span)
        case .fullIntra: Self.rtcp(Self.feedback(206, 4, bytes).span)
        case .remb: Self.rtcp(Self.feedback(206, 15, bytes).span)
        case .transportFeedback: Self.rtcp(Self.feedback(205, 15, bytes).span)
        case .h264: Self.h264(bytes)
        case .vp8: Self.vp8(bytes)
        case .opus:
            if let samples = OpusPayload.samples(bytes) {
                precondition((1...OpusPayload.maximumSamples).contains(samples), "samples \(samples)")
            }
        case .dcep: if let message = try? DCEPMessage(bytes) { _ = try? DCEPMessage(message.bytes.span) }
        case .json: Self.json(bytes)
        case .httpRequest: Self.httpRequest(bytes)
        case .httpResponse: Self.httpResponse(bytes)
        case .chunkedBody: Self.chunkedBody(bytes)
        case .webSocket: Self.webSocket(bytes)
        case .proxyHeader: Self.proxyHeader(bytes)
        case .forwarded: Self.forwarded(bytes)
        case .multipart: Self.multipart(bytes)
        case .url: Self.url(bytes)
        case .eventStream: Self.eventStream(bytes)
        case .noProxy: Self.noProxy(bytes)
        case .teleop: Self.teleop(bytes)
        case .signalling: Self.signalling(bytes)
        case .action: Self.action(bytes)
        case .mcap: Self.mcap(bytes)
        case .compressedVideo: Self.compressedVideo(bytes)
        case .capturedPacket: Self.capturedPacket(bytes)
        case .zmtp: Self.zmtp(bytes)
        case .zmqMessage: Self.zmqMessage(bytes)
        case .evdev: Self.evdev(bytes)
        case .monitorConfiguration: _ = try? MonitorConfiguration(parsing: bytes)
        case .pluginLine: Self.pluginLine(bytes)
        case .monitorClient: Self.monitorClient(bytes)
        case .sessionList: Self.sessionList(bytes)
        case .address: if let address = IPAddress(bytes.text) { precondition(IPAddress(address.description) == address, "\(address)") }
        case .base64: if let plain = Base64.decode(bytes.text) { precondition(Base64.encode(plain) == bytes.text, "not canonical") }
        }
    }

    // MARK: Targets with more than one step

    private static func stun(_ bytes: Span<UInt8>) {
        _ = STUNMessage.localUsernameFragment(of: bytes)
        guard let message = try? STUNMessage(parsing: bytes) else { return }
        _ = message.encoded(fingerprint: true)
    }

    private static func deframe(_ framer: some StreamDeframer, _ bytes: Span<UInt8>) {
        var framer = framer
        // Cut in two at a place that the input itself chooses.
        let cut = bytes.count > 0 ? Int(bytes[0]) % bytes.count : 0
        do {
            try framer.append(bytes.extracting(0..<cut))
            while try framer.next() != nil {}
            try framer.append(bytes.extracting(cut..<bytes.count))
            while try framer.next() != nil {}
        } catch {}
    }

    /// What parses is also printed, parsed again and negotiated.
    private static func negotiate(_ bytes: [UInt8]) {
        guard let description = try? SessionDescription(parsing: bytes) else { return }
        _ = try? SessionDescription(parsing: description.description)
        let fingerprint = Fingerprint(algorithm: .sha256, digest: Array(repeating: 7, count: 32))
        var negotiator = Negotiator(configuration: NegotiationConfiguration(fingerprints: [fingerprint], sessionID: 1, cname: "fuzz"))
        guard (try? negotiator.setRemote(description, kind: .offer)) != nil else { return }
        let credentials = IceCredentials(usernameFragment: "abcd1234", password: "abcdefghijklmnopqrstuvwx")
        guard let answer = try? negotiator.createAnswer(TransportDescription(iceCredentials: credentials)) else { return }
        try? negotiator.setLocal(answer, kind: .answer)
    }

    private static func rtp(_ bytes: Span<UInt8>) {
        guard let packet = try? RTPPacket(bytes) else { return }
        precondition(packet.payload.upperBound <= bytes.count, "payload outside the packet")
        for id in UInt8(1)...15 {
            if let range = packet.element(id, in: bytes) { precondition(range.upperBound <= bytes.count, "element outside the packet") }
        }
    }

    /// What parses is written and parsed again.
    private static func rtcp(_ bytes: Span<UInt8>) {
        guard let packets = try? RTCPPacket.parse(bytes) else { return }
        for packet in packets {
            var written: [UInt8] = []
            packet.write(to: &written)
            precondition(written.count % 4 == 0, "RTCP comes in words")
        }
    }

    /// Puts a feedback header in front, so that the format's own parser is reached at once (RFC 4585 clause 6.1).
    private static func feedback(_ type: UInt8, _ format: UInt8, _ body: Span<UInt8>) -> [UInt8] {
        var writer = ByteWriter()
        let padded = (min(body.count, 65_000) + 3) / 4
        writer.u8(0x80 | format)
        writer.u8(type)
        writer.u16(UInt16(padded))
        writer.append(body.extracting(0..<min(body.count, 65_000)))
        writer.zeros(padded * 4 - min(body.count, 65_000))
        return writer.bytes
    }

    /// The input is a frame to cut, and also a run of payloads, each behind its length.
    private static func h264(_ bytes: Span<UInt8>) {
        var packetiser = VideoPacketiser(codec: .h264, maximumPayload: 100)
        _ = packetiser.packetise(EncodedFrame(codec: .h264, bytes: bytes.array, isKeyFrame: true, captureTime: .zero, timestamp: 0))
        forEachPiece(bytes) { piece, frame in
            _ = H264Payload.startsKeyFrame(piece)
            try? H264Payload.depacketise(piece, into: &frame, limit: 100_000)
        }
    }

    private static func vp8(_ bytes: Span<UInt8>) {
        forEachPiece(bytes) { piece, frame in
            _ = VP8Payload.startsKeyFrame(piece)
            try? VP8Payload.depacketise(piece, into: &frame, limit: 100_000)
        }
    }

    private static func forEachPiece(_ bytes: Span<UInt8>, _ body: (Span<UInt8>, inout [UInt8]) -> Void) {
        var reader = ByteReader(bytes)
        var frame: [UInt8] = []
        while let length = reader.u8(), let piece = reader.take(min(Int(length), reader.remaining)) { body(piece, &frame) }
    }

    private func reparse(_ candidate: IceCandidate) {
        guard let again = try? IceCandidate(parsing: candidate.description) else {
            preconditionFailure("\(candidate) does not parse again")
        }
        precondition(again.description == candidate.description, "\(candidate) is printed differently the second time")
    }
}

extension Span where Element == UInt8 {
    var text: String { String(decoding: array, as: UTF8.self) }
}
