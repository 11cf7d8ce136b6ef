import Wire

public enum RTCPError: Error, Sendable, Hashable {
    case truncated
    case version(UInt8)
    case notRTCP(packetType: UInt8)
    /// A length or count that does not fit the packet.
    case malformed(packetType: UInt8)
}

/// One report block (RFC 3550 clause 6.4.1).
public struct ReportBlock: Sendable, Hashable {
    public var ssrc: SSRC
    /// Loss since the last report, in 1/256.
    public var fractionLost: UInt8
    /// Since the beginning, −2^23…2^23−1.
    public var cumulativeLost: Int32
    public var highestSequence: UInt32
    /// In RTP timestamp units.
    public var jitter: UInt32
    /// Middle 32 bits of the NTP time of the last sender report; 0: none yet.
    public var lastSenderReport: UInt32
    /// In 1/65536 s.
    public var delaySinceLastSenderReport: UInt32

    public init(
        ssrc: SSRC, fractionLost: UInt8, cumulativeLost: Int32, highestSequence: UInt32, jitter: UInt32, lastSenderReport: UInt32,
        delaySinceLastSenderReport: UInt32
    ) {
        self.ssrc = ssrc
        self.fractionLost = fractionLost
        self.cumulativeLost = cumulativeLost
        self.highestSequence = highestSequence
        self.jitter = jitter
        self.lastSenderReport = lastSenderReport
        self.delaySinceLastSenderReport = delaySinceLastSenderReport
    }
}

/// The part of a sender report about the sender itself (RFC 3550 clause 6.4.1).
public struct SenderInformation: Sendable, Hashable {
    /// 32.32 fixed point seconds since 1900.
    public var ntp: UInt64
    public var rtpTimestamp: UInt32
    public var packets: UInt32
    public var octets: UInt32

    public init(ntp: UInt64, rtpTimestamp: UInt32, packets: UInt32, octets: UInt32) {
        self.ntp = ntp
        self.rtpTimestamp = rtpTimestamp
        self.packets = packets
        self.octets = octets
    }
}

public struct SourceDescription: Sendable, Hashable {
    public var ssrc: SSRC
    public var cname: String

    public init(ssrc: SSRC, cname: String) {
        self.ssrc = ssrc
        self.cname = cname
    }
}

public struct FIREntry: Sendable, Hashable {
    public var ssrc: SSRC
    /// Rises by one a new request, not with repetitions.
    public var sequence: UInt8

    public init(ssrc: SSRC, sequence: UInt8) {
        self.ssrc = ssrc
        self.sequence = sequence
    }
}

/// One RTCP packet of a compound (RFC 3550, 4585, 5104, the REMB and transport-wide congestion control drafts).
public enum RTCPPacket: Sendable, Hashable {
    case senderReport(SSRC, SenderInformation, [ReportBlock])
    case receiverReport(SSRC, [ReportBlock])
    case sourceDescription([SourceDescription])
    case goodbye([SSRC])
    /// Generic NACK (RFC 4585 clause 6.2.1): the sequence numbers asked for again.
    case nack(sender: SSRC, media: SSRC, [UInt16])
    case pictureLoss(sender: SSRC, media: SSRC)
    /// Full intra request (RFC 5104 clause 4.3.1).
    case fullIntraRequest(sender: SSRC, [FIREntry])
    /// Receiver estimated maximum bitrate, bit/s.
    case remb(sender: SSRC, bitrate: UInt64, [SSRC])
    case transportFeedback(TransportFeedback)
    /// A type or format that we do not use.
    case other(packetType: UInt8, format: UInt8)
}
