import Wire

/// In the words of W3C webrtc-stats `RTCInboundRtpStreamStats`.
public struct InboundStatistics: Sendable, Hashable {
    public var packetsReceived = 0
    public var bytesReceived = 0
    public var packetsLost = 0
    public var packetsDiscarded = 0
    public var retransmittedPacketsReceived = 0
    /// Seconds.
    public var jitter = 0.0
    public var framesReceived = 0
    public var keyFramesDecoded = 0
    public var framesDropped = 0
    public var nackCount = 0
    public var pliCount = 0
    /// Gaps between two frames of over 150 ms and three times the usual gap.
    public var freezeCount = 0
    /// Seconds.
    public var totalFreezesDuration = 0.0
    public var longestGap = 0.0
}

/// One picture out of a peer's video stream.
public struct ReceivedFrame: Sendable {
    public var codec: CodecKind
    /// H.264: Annex B. VP8: one frame.
    public var bytes: [UInt8]
    public var isKeyFrame: Bool
    /// RTP time, 90 kHz.
    public var timestamp: UInt32
    /// When its last missing packet came.
    public var completed: Instant
}

/// Puts one video stream together: reorders, asks again for what is missing, hands out whole frames in decoding order, and asks for a key frame
/// when a frame is lost for good. Frames are handed out the moment they are whole: a teleoperator sees the newest picture, not a smooth one.
struct VideoReceiver {
    private struct Slot {
        var sequence: Int64
        var timestamp: UInt32
        var marker: Bool
        var startsFrame: Bool
        var startsKeyFrame: Bool
        var codec: CodecKind
        var payload: [UInt8]
    }

    let ssrc: SSRC
    private(set) var statistics = InboundStatistics()
    private(set) var reception = ReceptionStatistics(clockRate: 90_000)
    private var unwrapper = SequenceUnwrapper()
    private var nack = NackGenerator()
    private let usesNack: Bool
    /// Packets not yet handed out, by sequence number modulo the size.
    private var slots: [Slot?] = Array(repeating: nil, count: 2048)
    /// The first sequence number not yet handed out.
    private var next: Int64?
    private var newest: Int64 = 0
    private var needsKeyFrame = true
    private var lastKeyFrameRequest: Instant?
    private var lastFrame: Instant?
    private var usualGap = 0.033
    private var ready: [ReceivedFrame] = []

    private static let maximumFrame = 4 << 20
    private static let maximumReady = 64
    private static let keyFrameInterval = Duration.milliseconds(300)

    init(ssrc: SSRC, usesNack: Bool) {
        self.ssrc = ssrc
        self.usesNack = usesNack
    }

    /// One decrypted packet; `bytes[packet.payload]` is its payload, with RTX already undone.
    mutating func receive(_ packet: RTPPacket, payload: Span<UInt8>, codec: CodecKind, isRetransmission: Bool, at now: Instant) {
        let sequence = unwrapper.unwrap(packet.sequenceNumber)
        if isRetransmission {
            statistics.retransmittedPacketsReceived += 1
        } else {
            reception.received(sequence, timestamp: packet.timestamp, bytes: payload.count, at: now)
        }
        guard payload.count > 0 || sequence >= next ?? 0 else { return }
        if let next, sequence < next {
            statistics.packetsDiscarded += 1
            return
        }
        if nack.received(sequence, at: now), usesNack { restart(from: sequence) }
        if next == nil { next = sequence }
        guard let first = next, sequence - first < Int64(slots.count) else {
            restart(from: sequence)
            store(sequence, packet, payload, codec)
            return
        }
        store(sequence, packet, payload, codec)
        assemble(at: now)
    }

    private mutating func store(_ sequence: Int64, _ packet: RTPPacket, _ payload: Span<UInt8>, _ codec: CodecKind) {
        newest = max(newest, sequence)
        let startsFrame =
            switch codec {
            case .vp8: (try? VP8Payload.Descriptor(payload))?.startsFrame ?? false
            default: false
            }
        let startsKeyFrame = codec == .vp8 ? VP8Payload.startsKeyFrame(payload) : H264Payload.startsKeyFrame(payload)
        slots[Int(sequence & 2047)] = Slot(
            sequence: sequence, timestamp: packet.timestamp, marker: packet.marker, startsFrame: startsFrame,
            startsKeyFrame: startsKeyFrame, codec: codec, payload: payload.array)
    }

    /// Everything before is lost: begins again at the next key frame.
    private mutating func restart(from sequence: Int64) {
        for index in slots.indices { slots[index] = nil }
        next = sequence
        needsKeyFrame = true
        statistics.framesDropped += 1
        nack.forget(before: sequence)
    }

    private func slot(_ sequence: Int64) -> Slot? {
        guard let slot = slots[Int(sequence & 2047)], slot.sequence == sequence else { return nil }
        return slot
    }

    /// Hands out every whole frame at the front.
    private mutating func assemble(at now: Instant) {
        while let start = next, let end = wholeFrame(from: start) {
            handOut(start...end, at: now)
            for sequence in start...end { slots[Int(sequence & 2047)] = nil }
            next = end + 1
        }
        if needsKeyFrame { skipToKeyFrame(at: now) }
        if let next { nack.forget(before: next) }
    }

    /// The last packet of the frame that begins at `start`, when all of it is there. An empty payload (padding) is a frame of its own.
    private func wholeFrame(from start: Int64) -> Int64? {
        var sequence = start
        guard let first = slot(start) else { return nil }
        if first.payload.isEmpty { return start }
        while let current = slot(sequence), current.timestamp == first.timestamp {
            if current.marker { return sequence }
            sequence += 1
        }
        // Some senders forget the marker: the next frame's first packet ends this one too.
        if let following = slot(sequence), following.timestamp != first.timestamp { return sequence - 1 }
        return nil
    }

    private mutating func handOut(_ packets: ClosedRange<Int64>, at now: Instant) {
        guard let first = slot(packets.lowerBound), !first.payload.isEmpty else { return }
        let isKey = first.startsKeyFrame
        guard isKey || !needsKeyFrame else {
            statistics.framesDropped += 1
            return
        }
        var bytes: [UInt8] = []
        for sequence in packets {
            guard let slot = slot(sequence) else { return }
            do throws(PayloadError) {
                switch slot.codec {
                case .h264: try H264Payload.depacketise(slot.payload.span, into: &bytes, limit: Self.maximumFrame)
                case .vp8: try VP8Payload.depacketise(slot.payload.span, into: &bytes, limit: Self.maximumFrame)
                case .opus: return
                }
            } catch {
                statistics.framesDropped += 1
                needsKeyFrame = true
                return
            }
        }
        needsKeyFrame = false
        note(isKey, at: now)
        guard ready.count < Self.maximumReady else {
            statistics.framesDropped += 1
            needsKeyFrame = true
            return
        }
        ready.append(ReceivedFrame(codec: first.codec, bytes: bytes, isKeyFrame: isKey, timestamp: first.timestamp, completed: now))
    }

    private mutating func note(_ isKey: Bool, at now: Instant) {
        statistics.framesReceived += 1
        if isKey { statistics.keyFramesDecoded += 1 }
        if let lastFrame {
            let gap = (now - lastFrame).seconds
            statistics.longestGap = max(statistics.longestGap, gap)
            if gap > max(0.150, 3 * usualGap) {
                statistics.freezeCount += 1
                statistics.totalFreezesDuration += gap
            }
            usualGap += (gap - usualGap) / 32
        }
        lastFrame = now
    }

    /// With the stream broken, the oldest whole key frame may be taken without what stood before it.
    private mutating func skipToKeyFrame(at now: Instant) {
        guard var sequence = next else { return }
        while sequence <= newest {
            if let slot = slot(sequence), slot.startsKeyFrame, let end = wholeFrame(from: sequence) {
                let start = sequence
                statistics.framesDropped += start > (next ?? start) ? 1 : 0
                handOut(start...end, at: now)
                next = end + 1
                return assemble(at: now)
            }
            sequence += 1
        }
    }

    var deadline: Instant? {
        let request = needsKeyFrame && next != nil ? (lastKeyFrameRequest.map { $0 + Self.keyFrameInterval } ?? .zero) : nil
        return earlier(request, usesNack ? nack.deadline : nil)
    }

    /// Feedback that is due: NACKs, and whether a key frame must be asked for.
    mutating func feedback(roundTrip: Duration?, at now: Instant) -> (nack: [UInt16], wantsKeyFrame: Bool) {
        var numbers: [UInt16] = []
        if usesNack {
            let (wanted, gaveUp) = nack.requests(roundTrip: roundTrip ?? .milliseconds(50), at: now)
            numbers = wanted
            if gaveUp {
                needsKeyFrame = true
                skipToKeyFrame(at: now)
            }
        } else if let next, newest > next, slot(next) == nil {
            needsKeyFrame = true
        }
        if !numbers.isEmpty { statistics.nackCount += 1 }
        guard needsKeyFrame, next != nil, now - (lastKeyFrameRequest ?? now - Self.keyFrameInterval) >= Self.keyFrameInterval else {
            return (numbers, false)
        }
        lastKeyFrameRequest = now
        statistics.pliCount += 1
        return (numbers, true)
    }

    mutating func requestKeyFrame() { needsKeyFrame = true }

    mutating func received(_ report: SenderInformation, at now: Instant) { reception.received(report, at: now) }
    mutating func report(at now: Instant) -> ReportBlock? { reception.report(for: ssrc, at: now) }

    mutating func nextFrame() -> ReceivedFrame? { ready.isEmpty ? nil : ready.removeFirst() }

    var currentStatistics: InboundStatistics {
        var current = statistics
        current.packetsReceived = reception.packetsReceived
        current.bytesReceived = reception.bytesReceived
        current.packetsLost = reception.packetsLost
        current.jitter = reception.jitterSeconds
        return current
    }
}
