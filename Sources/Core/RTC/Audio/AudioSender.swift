import Wire

/// One encoded Opus packet.
public struct EncodedAudio: Sendable {
    public var bytes: [UInt8]
    /// RTP time at 48 kHz of its first sample.
    public var timestamp: UInt32
    /// First packet after silence (RFC 3551 clause 4.1): sets the marker.
    public var startsTalkspurt: Bool

    public init(bytes: [UInt8], timestamp: UInt32, startsTalkspurt: Bool = false) {
        self.bytes = bytes
        self.timestamp = timestamp
        self.startsTalkspurt = startsTalkspurt
    }
}

struct AudioSenderParameters: Hashable {
    var mid: String
    var payloadType: PayloadType
    var ssrc: SSRC
    var extensions: HeaderExtensionMap
}

/// Whether sound must make way for the picture.
package struct AudioCut: Sendable {
    package private(set) var isCut = false

    /// Below this the sound is cut, above the second it comes back, bit/s.
    private static let cutBelow = 150_000
    private static let restoreAbove = 200_000

    package init() {}

    package mutating func update(target: Int, hasVideo: Bool) -> Bool {
        isCut = hasVideo && target < (isCut ? Self.restoreAbove : Self.cutBelow)
        return isCut
    }
}

/// Sends Opus packets to one peer. When the estimate is too small for picture and sound, sound is cut first (WIM-Z contract):
/// a driver who cannot hear still drives safely, one who cannot see does not.
struct AudioSender {
    private(set) var parameters: AudioSenderParameters
    private(set) var statistics = OutboundStatistics()
    private var cut = AudioCut()
    private(set) var last: (timestamp: UInt32, sent: Instant)?
    private var sequenceNumber: UInt16
    private let timestampOffset: UInt32

    var isCut: Bool { cut.isCut }
    /// An Opus packet at 510 kbit/s and 120 ms is longer than a datagram: refused.
    private static let maximumPacket = 1150

    init(parameters: AudioSenderParameters, random: UInt64) {
        self.parameters = parameters
        sequenceNumber = UInt16(truncatingIfNeeded: random) & 0x7FFF
        timestampOffset = UInt32(truncatingIfNeeded: random >> 32)
    }

    mutating func update(_ parameters: AudioSenderParameters) { self.parameters = parameters }

    mutating func send(_ audio: EncodedAudio, hasVideo: Bool, through transport: inout MediaTransport, at now: Instant) {
        guard !cut.update(target: transport.congestion.targetBitrate, hasVideo: hasVideo), !audio.bytes.isEmpty,
            audio.bytes.count <= Self.maximumPacket
        else {
            statistics.framesDropped += 1
            return
        }
        let header = RTPHeader(
            payloadType: parameters.payloadType, marker: audio.startsTalkspurt, sequenceNumber: sequenceNumber,
            timestamp: audio.timestamp &+ timestampOffset, ssrc: parameters.ssrc)
        var block = HeaderExtensionBlock()
        if statistics.packetsSent < 100 { block.mid = Array(parameters.mid.utf8) }
        transport.send(
            header, extensions: block, ids: parameters.extensions, payload: audio.bytes.span, purpose: .media, at: now)
        sequenceNumber &+= 1
        statistics.packetsSent += 1
        statistics.bytesSent += audio.bytes.count
        last = (header.timestamp, now)
    }

    mutating func received(_ report: ReportBlock) {
        statistics.fractionLost = Double(report.fractionLost) / 256
        statistics.jitter = Double(report.jitter) / 48_000
    }

    func senderInformation(clock: NTPClock, at now: Instant) -> SenderInformation? {
        guard let last else { return nil }
        let elapsed = (now - last.sent).ticks(of: 48_000)
        return SenderInformation(
            ntp: clock.time(at: now), rtpTimestamp: last.timestamp &+ UInt32(truncatingIfNeeded: elapsed),
            packets: UInt32(truncatingIfNeeded: statistics.packetsSent), octets: UInt32(truncatingIfNeeded: statistics.bytesSent))
    }
}
