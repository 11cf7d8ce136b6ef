public import RTC
import Wire

/// SRTP and SRTCP of one association on OpenSSL's EVP ciphers (RFC 3711, RFC 7714).
public final class OpenSSLSRTPSession: SRTPSession {
    public let rtpOverhead: Int
    public let rtcpOverhead: Int
    /// Packets of ours that could not be protected without using a key stream twice, or of more than 256 SSRCs: they are taken out of the buffer.
    public private(set) var refusedPackets = 0

    private let profile: SRTPProfile
    private let sendRTP: SRTPTransform
    private let sendRTCP: SRTPTransform
    private let receiveRTP: SRTPTransform
    private let receiveRTCP: SRTPTransform
    private var sent = SendStreams()
    private var receivedRTP = ReceiveStreams()
    private var receivedRTCP = ReceiveStreams()
    /// One counter for all our SSRCs: each then sees ascending indices (RFC 3711 clause 3.4).
    private var sentRTCP: UInt32 = 0

    public init(_ keys: SRTPKeyingMaterial) {
        profile = keys.profile
        let ours = SRTPKeyDerivation(key: keys.sendKey, salt: keys.sendSalt)
        let theirs = SRTPKeyDerivation(key: keys.receiveKey, salt: keys.receiveSalt)
        sendRTP = SRTPTransform(.rtp, .send, profile, ours)
        sendRTCP = SRTPTransform(.rtcp, .send, profile, ours)
        receiveRTP = SRTPTransform(.rtp, .receive, profile, theirs)
        receiveRTCP = SRTPTransform(.rtcp, .receive, profile, theirs)
        rtpOverhead = sendRTP.tagLength
        rtcpOverhead = sendRTP.tagLength + 4
    }

    // MARK: - RTP

    public func protectRTP(_ buffer: inout [UInt8], from start: Int) {
        let length = buffer.count - start
        guard let header = RTPHeader(buffer.span.extracting(start...)),
            let index = sent.index(of: header.sequence, ssrc: header.ssrc)
        else { return refuse(&buffer, from: start) }
        buffer.append(contentsOf: repeatElement(0, count: rtpOverhead))
        unsafe buffer.withUnsafeMutableBytes { bytes in
            let packet = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[start...])
            let clear = unsafe UnsafeMutableRawBufferPointer(rebasing: packet[..<header.length])
            let body = unsafe UnsafeMutableRawBufferPointer(rebasing: packet[header.length..<length])
            let tag = unsafe packet.baseAddress! + length
            switch profile {
            case .aeadAES128GCM:
                unsafe sendRTP.seal(header: clear, trailer: nil, body: body, tag: tag, ssrc: header.ssrc, index: index)
            case .aes128CMHMACSHA1_80:
                unsafe sendRTP.applyKeyStream(body, ssrc: header.ssrc, index: index)
                let signed = unsafe UnsafeMutableRawBufferPointer(rebasing: packet[..<length])
                let mac = unsafe sendRTP.authenticate(signed, rollOver: UInt32(truncatingIfNeeded: index >> 16))
                unsafe tag.copyMemory(from: mac, byteCount: rtpOverhead)
            }
        }
    }

    public func unprotectRTP(_ packet: Span<UInt8>, into plain: inout [UInt8]) throws(SRTPError) {
        let length = packet.count - rtpOverhead
        guard let header = RTPHeader(packet), header.length <= length else { throw .tooShort }
        let stream = receivedRTP.find(header.ssrc)
        var index = UInt64(header.sequence)
        if let stream {
            guard let estimate = PacketIndex.estimate(header.sequence, after: receivedRTP.highest(stream)),
                receivedRTP.isFresh(estimate, of: stream)
            else { throw .replayed }
            index = estimate
        }
        let start = plain.count
        plain.append(span: packet)
        let isAuthentic = unsafe plain.withUnsafeMutableBytes { bytes in
            let packet = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[start...])
            let clear = unsafe UnsafeMutableRawBufferPointer(rebasing: packet[..<header.length])
            let body = unsafe UnsafeMutableRawBufferPointer(rebasing: packet[header.length..<length])
            let tag = unsafe packet.baseAddress! + length
            switch profile {
            case .aeadAES128GCM:
                return unsafe receiveRTP.open(header: clear, trailer: nil, body: body, tag: tag, ssrc: header.ssrc, index: index)
            case .aes128CMHMACSHA1_80:
                let signed = unsafe UnsafeMutableRawBufferPointer(rebasing: packet[..<length])
                guard unsafe receiveRTP.isAuthentic(signed, rollOver: UInt32(truncatingIfNeeded: index >> 16), tag: tag) else {
                    return false
                }
                unsafe receiveRTP.applyKeyStream(body, ssrc: header.ssrc, index: index)
                return true
            }
        }
        let isAccepted = isAuthentic && receivedRTP.accept(index, of: stream, ssrc: header.ssrc)
        plain.removeLast(isAccepted ? rtpOverhead : packet.count)
        guard isAuthentic else { throw .authentication }
        guard isAccepted else { throw .tooManyStreams }
    }

    // MARK: - RTCP

    /// Header and SSRC of the first packet, which stay readable (RFC 3711 clause 3.4).
    private static let rtcpClear = 8
    private static let encryptedFlag: UInt32 = 0x8000_0000

    public func protectRTCP(_ buffer: inout [UInt8], from start: Int) {
        let length = buffer.count - start
        guard length >= Self.rtcpClear, sentRTCP < Self.encryptedFlag else { return refuse(&buffer, from: start) }
        let ssrc = buffer.span.extracting(start...).word(at: 4)
        let index = sentRTCP
        sentRTCP += 1
        buffer.append(contentsOf: repeatElement(0, count: rtcpOverhead))
        let indexOffset = profile == .aeadAES128GCM ? length + sendRTCP.tagLength : length
        unsafe buffer.withUnsafeMutableBytes { bytes in
            let packet = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[start...])
            unsafe packet.storeBytes(of: (index | Self.encryptedFlag).bigEndian, toByteOffset: indexOffset, as: UInt32.self)
            let clear = unsafe UnsafeMutableRawBufferPointer(rebasing: packet[..<Self.rtcpClear])
            let body = unsafe UnsafeMutableRawBufferPointer(rebasing: packet[Self.rtcpClear..<length])
            switch profile {
            case .aeadAES128GCM:
                let word = unsafe UnsafeRawBufferPointer(rebasing: packet[indexOffset..<indexOffset + 4])
                unsafe sendRTCP.seal(
                    header: clear, trailer: word, body: body, tag: packet.baseAddress! + length, ssrc: ssrc, index: UInt64(index))
            case .aes128CMHMACSHA1_80:
                unsafe sendRTCP.applyKeyStream(body, ssrc: ssrc, index: UInt64(index))
                let signed = unsafe UnsafeMutableRawBufferPointer(rebasing: packet[..<(length + 4)])
                let mac = unsafe sendRTCP.authenticate(signed, rollOver: nil)
                unsafe (packet.baseAddress! + length + 4).copyMemory(from: mac, byteCount: sendRTCP.tagLength)
            }
        }
    }

    public func unprotectRTCP(_ packet: Span<UInt8>, into plain: inout [UInt8]) throws(SRTPError) {
        let length = packet.count - rtcpOverhead
        guard length >= Self.rtcpClear else { throw .tooShort }
        let ssrc = packet.word(at: 4)
        let indexOffset = profile == .aeadAES128GCM ? packet.count - 4 : length
        let word = packet.word(at: indexOffset)
        // Packets without encryption are legal where it was not negotiated; it was.
        guard word & Self.encryptedFlag != 0 else { throw .authentication }
        let index = UInt64(word & ~Self.encryptedFlag)
        let stream = receivedRTCP.find(ssrc)
        if let stream, !receivedRTCP.isFresh(index, of: stream) { throw .replayed }
        let start = plain.count
        plain.append(span: packet)
        let isAuthentic = unsafe plain.withUnsafeMutableBytes { bytes in
            let packet = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[start...])
            let clear = unsafe UnsafeMutableRawBufferPointer(rebasing: packet[..<Self.rtcpClear])
            let body = unsafe UnsafeMutableRawBufferPointer(rebasing: packet[Self.rtcpClear..<length])
            switch profile {
            case .aeadAES128GCM:
                let word = unsafe UnsafeRawBufferPointer(rebasing: packet[indexOffset...])
                return unsafe receiveRTCP.open(
                    header: clear, trailer: word, body: body, tag: packet.baseAddress! + length, ssrc: ssrc, index: index)
            case .aes128CMHMACSHA1_80:
                let signed = unsafe UnsafeMutableRawBufferPointer(rebasing: packet[..<(length + 4)])
                guard unsafe receiveRTCP.isAuthentic(signed, rollOver: nil, tag: packet.baseAddress! + length + 4) else { return false }
                unsafe receiveRTCP.applyKeyStream(body, ssrc: ssrc, index: index)
                return true
            }
        }
        let isAccepted = isAuthentic && receivedRTCP.accept(index, of: stream, ssrc: ssrc)
        plain.removeLast(isAccepted ? rtcpOverhead : packet.count)
        guard isAuthentic else { throw .authentication }
        guard isAccepted else { throw .tooManyStreams }
    }

    private func refuse(_ buffer: inout [UInt8], from start: Int) {
        refusedPackets += 1
        buffer.removeLast(buffer.count - start)
    }
}

/// What SRTP reads of an RTP header (RFC 3550 clause 5.1).
private struct RTPHeader {
    let sequence: UInt16
    let ssrc: UInt32
    /// Fixed header, CSRCs and extension: what stays readable.
    let length: Int

    /// Nil: not RTP, or cut off.
    init?(_ packet: Span<UInt8>) {
        guard packet.count >= 12, packet[0] >> 6 == 2 else { return nil }
        var length = 12 + 4 * Int(packet[0] & 0x0F)
        if packet[0] & 0x10 != 0 {
            guard packet.count >= length + 4 else { return nil }
            length += 4 + 4 * (Int(packet[length + 2]) << 8 | Int(packet[length + 3]))
        }
        guard length <= packet.count else { return nil }
        self.length = length
        sequence = UInt16(packet[2]) << 8 | UInt16(packet[3])
        ssrc = packet.word(at: 8)
    }
}

extension Span<UInt8> {
    /// The big-endian word at `offset`, which the caller knows to be inside.
    fileprivate func word(at offset: Int) -> UInt32 {
        UInt32(self[offset]) << 24 | UInt32(self[offset + 1]) << 16 | UInt32(self[offset + 2]) << 8 | UInt32(self[offset + 3])
    }
}
