import Wire

/// What a sender has done, in the words of W3C webrtc-stats `RTCOutboundRtpStreamStats`.
public struct OutboundStatistics: Sendable, Hashable {
    public var packetsSent = 0
    public var bytesSent = 0
    public var framesSent = 0
    public var keyFramesSent = 0
    /// Frames that this peer was spared because its path was too slow.
    public var framesDropped = 0
    public var retransmittedPacketsSent = 0
    public var retransmittedBytesSent = 0
    public var nackCount = 0
    public var pliCount = 0
    public var firCount = 0
    /// From the peer's last report: loss 0…1, jitter in seconds.
    public var fractionLost = 0.0
    public var jitter = 0.0
}

/// The negotiated numbers under which a video source goes to one peer.
struct VideoSenderParameters: Hashable {
    var mid: String
    var codec: CodecKind
    var payloadType: PayloadType
    var rtxPayloadType: PayloadType?
    var ssrc: SSRC
    var rtxSSRC: SSRC?
    var extensions: HeaderExtensionMap
}

/// Sends the frames of one source to one peer: sequence numbers, pacing, history for retransmission, dropping of whole frames when the path is too slow.
struct VideoSender {
    private(set) var parameters: VideoSenderParameters
    private(set) var statistics = OutboundStatistics()
    private(set) var needsKeyFrame = true
    /// RTP time of the newest frame and when it was captured, for sender reports.
    private(set) var lastFrame: (timestamp: UInt32, captured: Instant)?
    /// The number of the newest full intra request, by who asked.
    private var intraRequests: [SSRC: UInt8] = [:]

    private var sequenceNumber: UInt16
    private var rtxSequenceNumber: UInt16
    let timestampOffset: UInt32
    private var queue = Ring<PacketisedFrame>(limit: 8)
    private var nextPacket = 0
    private var packetsPerStep = 0
    private var nextStep: Instant?
    private var step = Duration.milliseconds(1)
    private var history: SendHistory
    private var drain: PathBacklog
    /// Retransmissions take half of the path at most: what does not fit in time is better replaced by a key frame.
    private var retransmissions = PathBacklog()
    private var extensionsEverywhereUntil: Instant?
    private var lastKeyFrameRequest: Instant?
    /// When the last packet of the newest key frame left.
    private var lastKeyFrame: Instant?

    /// Delta frames of at most this many packets leave at once; longer ones in steps of a millisecond.
    private static let burst = 16
    /// Milliseconds.
    private static let longestDeltaFrame = 5, longestKeyFrame = 200
    private static let keyFrameInterval = Duration.milliseconds(300)
    private static let maximumIntraSenders = 16
    private static let deltaFramePace = 2.5, keyFramePace = 1.5
    private static let unknownRoundTrip = Duration.milliseconds(100)

    init(parameters: VideoSenderParameters, random: UInt64) {
        self.parameters = parameters
        sequenceNumber = UInt16(truncatingIfNeeded: random) & 0x7FFF  // below the wrap: RFC 3711 clause 3.3.1 note
        rtxSequenceNumber = UInt16(truncatingIfNeeded: random >> 16) & 0x7FFF
        timestampOffset = UInt32(truncatingIfNeeded: random >> 32)
        history = SendHistory(keepsPackets: parameters.rtxSSRC == nil || parameters.rtxPayloadType == nil)
        drain = PathBacklog()
    }

    mutating func update(_ parameters: VideoSenderParameters) {
        if parameters.codec != self.parameters.codec { needsKeyFrame = true }
        self.parameters = parameters
    }

    /// Nothing is to be sent for a while. Numbers go on where they are when it is: under one key a packet index is used once only (RFC 3711 clause 9.1).
    mutating func pause() {
        while queue.popFirst() != nil {}
        nextPacket = 0
        nextStep = nil
        needsKeyFrame = true
        extensionsEverywhereUntil = nil
        intraRequests.removeAll()
    }

    /// Takes a frame for sending; a frame that the path has no room for is dropped whole, and then all until a key frame.
    mutating func enqueue(_ frame: PacketisedFrame, targetBitrate: Int, at now: Instant) {
        guard frame.codec == parameters.codec else { return }
        drain.advance(to: now, bitrate: targetBitrate)
        if needsKeyFrame, !frame.isKeyFrame {
            statistics.framesDropped += 1
            return
        }
        guard drain.hasRoom(for: frame), queue.append(frame) else {
            statistics.framesDropped += 1
            needsKeyFrame = true
            return
        }
        drain.add(frame.payloads.count)
        if frame.isKeyFrame { needsKeyFrame = false }
        if extensionsEverywhereUntil == nil { extensionsEverywhereUntil = now + .seconds(3) }
    }

    /// True where a key frame should be asked for now: nothing else can follow, and the path has room for it again.
    mutating func wantsKeyFrame(at now: Instant) -> Bool {
        guard needsKeyFrame, drain.hasRoomForKeyFrame else { return false }
        if let last = lastKeyFrameRequest, now - last < Self.keyFrameInterval { return false }
        lastKeyFrameRequest = now
        return true
    }

    /// When the next step of a paced frame is due.
    var deadline: Instant? {
        mutating get { queue.isEmpty ? nil : nextStep ?? .zero }
    }

    /// Sends what is due now.
    mutating func advance(to now: Instant, through transport: inout MediaTransport) {
        while let frame = queue.first {
            if nextPacket == 0, nextStep == nil { plan(frame, targetBitrate: transport.congestion.targetBitrate, at: now) }
            guard (nextStep ?? now) <= now else { return }
            let end = min(nextPacket + packetsPerStep, frame.packetCount)
            send(frame, nextPacket..<end, through: &transport, at: now)
            nextPacket = end
            if end == frame.packetCount {
                finish(frame, at: now)
            } else {
                nextStep = (nextStep ?? now) + step
            }
        }
    }

    /// Spreads a long delta frame over at most 5 ms; a key frame goes no faster than one and a half times the estimate, for at most 200 ms:
    /// its burst would be a queue in front of everything that comes after it.
    private mutating func plan(_ frame: PacketisedFrame, targetBitrate: Int, at now: Instant) {
        nextStep = now
        let paceFactor = frame.isKeyFrame ? Self.keyFramePace : Self.deltaFramePace
        let atPace = Int(Double(frame.payloads.count) * 8000 / (paceFactor * Double(max(targetBitrate, 1))))
        let steps =
            frame.isKeyFrame ? min(atPace, Self.longestKeyFrame) : frame.packetCount > Self.burst ? min(atPace, Self.longestDeltaFrame) : 1
        // Never under a millisecond a step, never under a packet.
        packetsPerStep = max((frame.packetCount + steps - 1) / max(steps, 1), 1)
        step = .microseconds(1000 * max(steps, 1) * packetsPerStep / max(frame.packetCount, 1))
        step = max(step, .milliseconds(1))
    }

    private mutating func finish(_ frame: PacketisedFrame, at now: Instant) {
        _ = queue.popFirst()
        nextPacket = 0
        nextStep = nil
        statistics.framesSent += 1
        if frame.isKeyFrame {
            statistics.keyFramesSent += 1
            lastKeyFrame = now
        }
        lastFrame = (frame.timestamp &+ timestampOffset, frame.captureTime)
    }

    private mutating func send(_ frame: PacketisedFrame, _ packets: Range<Int>, through transport: inout MediaTransport, at now: Instant) {
        let extensions = extensionBlock(for: frame, at: now)
        let payloads = frame.payloads
        if packets.lowerBound == 0 { history.begin(frame, firstSequence: sequenceNumber, at: now) }
        for packet in packets {
            let header = RTPHeader(
                payloadType: parameters.payloadType, marker: packet == frame.packetCount - 1, sequenceNumber: sequenceNumber,
                timestamp: frame.timestamp &+ timestampOffset, ssrc: parameters.ssrc)
            let payload = payloads.span.extracting(frame.range(of: packet))
            if history.keepsPackets {
                let plain = transport.plainPacket(header, extensions: extensions, ids: parameters.extensions, payload: payload, at: now)
                transport.resend(plain)
                history.keep(plain)
            } else {
                transport.send(header, extensions: extensions, ids: parameters.extensions, payload: payload, purpose: .media, at: now)
            }
            sequenceNumber &+= 1
            statistics.packetsSent += 1
            statistics.bytesSent += payload.count
        }
    }

    /// The receiver keeps what it was told last: after the first seconds only key frames repeat it.
    private func extensionBlock(for frame: PacketisedFrame, at now: Instant) -> HeaderExtensionBlock {
        var block = HeaderExtensionBlock()
        guard frame.isKeyFrame || now < extensionsEverywhereUntil ?? now else { return block }
        block.mid = Array(parameters.mid.utf8)
        block.playoutDelay = (0, 0)
        block.absoluteCaptureTime = frame.captureNTP
        block.videoFrameTrackingID = frame.frameID
        return block
    }

    /// Sends again what the peer misses and we still have (RFC 4585 clause 6.2.1, RFC 4588).
    mutating func retransmit(_ numbers: [UInt16], roundTrip: Duration?, through transport: inout MediaTransport, at now: Instant) {
        statistics.nackCount += 1
        let target = transport.congestion.targetBitrate
        retransmissions.advance(to: now, bitrate: target / 2)
        // What was sent again less than a round trip ago may still be on its way.
        let onItsWay = min((roundTrip ?? .milliseconds(25)) * 3 / 4, .milliseconds(250))
        // With a gap to be seen in the sender's next frame, a first request comes within two round trips and two frames' time.
        let expected = (roundTrip ?? .milliseconds(100)) * 2 + .milliseconds(35)
        for number in numbers {
            guard retransmissions.hasRoom, let found = history.find(number, notWithin: onItsWay, expected: expected, at: now) else {
                continue
            }
            resend(number, found, through: &transport, at: now)
            // The picture has waited for a round trip in vain: where the path has room, two copies make a third round trip unlikely.
            if found.isOverdue, transport.congestion.hasRoomForRepairs { resend(number, found, through: &transport, at: now) }
        }
    }

    private mutating func resend(
        _ number: UInt16, _ found: (frame: PacketisedFrame, packet: Int, plain: [UInt8]?, isOverdue: Bool),
        through transport: inout MediaTransport, at now: Instant
    ) {
        let size = found.frame.range(of: found.packet).count
        retransmissions.add(size)
        drain.add(size)
        if let plain = found.plain {
            transport.resend(plain)
            statistics.retransmittedBytesSent += plain.count
        } else if let rtxSSRC = parameters.rtxSSRC, let rtxType = parameters.rtxPayloadType {
            let header = RTPHeader(
                payloadType: rtxType, marker: found.packet == found.frame.packetCount - 1, sequenceNumber: rtxSequenceNumber,
                timestamp: found.frame.timestamp &+ timestampOffset, ssrc: rtxSSRC)
            let payloads = found.frame.payloads
            let payload = payloads.span.extracting(found.frame.range(of: found.packet))
            var block = HeaderExtensionBlock()
            if found.frame.isKeyFrame { block.mid = Array(parameters.mid.utf8) }
            transport.send(
                header, extensions: block, ids: parameters.extensions, originalSequence: number, payload: payload,
                purpose: .retransmission, at: now)
            rtxSequenceNumber &+= 1
            statistics.retransmittedBytesSent += payload.count
        }
        statistics.retransmittedPacketsSent += 1
    }

    /// Padding-only RTX packets as a bandwidth probe; they cost the receiver nothing. Answers how many bytes left.
    mutating func probe(_ bytes: Int, through transport: inout MediaTransport, at now: Instant) -> Int {
        guard let rtxSSRC = parameters.rtxSSRC, let rtxType = parameters.rtxPayloadType, let lastFrame else { return 0 }
        var left = bytes
        while left > 0 {
            let header = RTPHeader(
                payloadType: rtxType, marker: false, sequenceNumber: rtxSequenceNumber, timestamp: lastFrame.timestamp, ssrc: rtxSSRC)
            let empty: [UInt8] = []
            transport.send(
                header, extensions: HeaderExtensionBlock(), ids: parameters.extensions, payload: empty.span, padding: 255, purpose: .probe,
                at: now)
            rtxSequenceNumber &+= 1
            left -= 300
        }
        return bytes - left
    }

    /// False where a key frame is on its way to the peer, which asked before it could have that.
    mutating func receivedPictureLoss(roundTrip: Duration?, at now: Instant) -> Bool {
        statistics.pliCount += 1
        if queue.first?.isKeyFrame == true { return false }
        // What was measured behind a queue may be long past.
        let onItsWay = min(roundTrip ?? Self.unknownRoundTrip, Self.keyFrameInterval)
        return lastKeyFrame.map { now - $0 >= onItsWay } ?? true
    }

    /// False for a repetition of what was asked before: the number then is the same (RFC 5104 clause 4.3.1.2).
    mutating func receivedIntraRequest(_ sequence: UInt8, from sender: SSRC) -> Bool {
        statistics.firCount += 1
        guard intraRequests[sender] != sequence else { return false }
        if intraRequests.count >= Self.maximumIntraSenders, intraRequests[sender] == nil { intraRequests.removeAll() }
        intraRequests[sender] = sequence
        return true
    }

    mutating func received(_ report: ReportBlock) {
        statistics.fractionLost = Double(report.fractionLost) / 256
        statistics.jitter = Double(report.jitter) / Double(parameters.codec.clockRate)
    }

    /// The stream's sender report (RFC 3550 clause 6.4.1); nil before the first frame.
    func senderInformation(clock: NTPClock, at now: Instant) -> SenderInformation? {
        guard let lastFrame else { return nil }
        let elapsed = (now - lastFrame.captured).ticks(of: Int64(parameters.codec.clockRate))
        return SenderInformation(
            ntp: clock.time(at: now), rtpTimestamp: lastFrame.timestamp &+ UInt32(truncatingIfNeeded: elapsed),
            packets: UInt32(truncatingIfNeeded: statistics.packetsSent), octets: UInt32(truncatingIfNeeded: statistics.bytesSent))
    }

    /// The RTP timestamp that the peer sees for a frame of the source.
    func timestamp(of frame: PacketisedFrame) -> UInt32 { frame.timestamp &+ timestampOffset }
}

/// A leaky bucket that follows the estimate: how many bytes the path has still to carry.
struct PathBacklog {
    private var bytes = 0.0
    private var last: Instant?
    /// How much of the path's time may wait before frames are dropped.
    private static let limit = 0.4

    mutating func advance(to now: Instant, bitrate: Int) {
        if let last { bytes = max(0, bytes - (now - last).seconds * Double(bitrate) / 8) }
        last = now
        capacity = Double(bitrate) / 8 * Self.limit
    }

    private var capacity = 0.0

    /// A key frame may pass once the rest is half drained: without it nothing could be seen again.
    func hasRoom(for frame: PacketisedFrame) -> Bool {
        frame.isKeyFrame ? bytes <= capacity / 2 : bytes <= capacity
    }

    /// A little sooner than it could be sent would be too soon: it takes a while to come.
    var hasRoomForKeyFrame: Bool { bytes <= capacity / 4 }

    var hasRoom: Bool { bytes <= capacity }

    mutating func add(_ count: Int) { bytes += Double(count) }
}
