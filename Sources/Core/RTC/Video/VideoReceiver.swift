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
package struct VideoReceiver {
    private struct Slot {
        var sequence: Int64
        var timestamp: UInt32
        var marker: Bool
        var keyFrame: KeyFrameStart
        var codec: CodecKind
        var payload: [UInt8]
    }

    /// A place where decoding may begin, and how far the frame from there has been looked through.
    private struct Entry {
        var start: Int64
        var scanned: Int64
    }

    package let ssrc: SSRC
    package private(set) var statistics = InboundStatistics()
    private(set) var reception = ReceptionStatistics(clockRate: 90_000)
    private var unwrapper = SequenceUnwrapper()
    private var nack = NackGenerator()
    private let usesNack: Bool
    /// Packets not yet handed out, by sequence number modulo the size, which grows as it is needed.
    private var slots: [Slot?] = []
    /// The frame at the front.
    private var front: Entry?
    private var newest: Int64 = 0
    /// Beginnings of key frames, in rising order.
    private var entries: [Entry] = []
    /// The last packet of the last frame that stood at the front: the next packet begins a frame.
    private var lastEnd: Int64?
    private var hasParameters = false
    private var needsKeyFrame = true
    /// Somebody asked for a key frame although nothing is broken.
    private var wantsKeyFrame = false
    private var lastKeyFrameRequest: Instant?
    private var gapSince: Instant?
    private var hasBegun: Bool { statistics.framesReceived > 0 }
    private var strange: Int64?
    /// When a packet last came.
    package private(set) var lastPacket = Instant.zero
    private var lastFrame: Instant?
    private var usualGap = 0.033
    private var ready: [ReceivedFrame] = []
    /// Packets that it has room for; grows up to 2048.
    package var capacity: Int { slots.count }

    private static let smallest = 128, largest = 2048
    private static let maximumEntries = 8
    private static let maximumFrame = 2 << 20
    private static let maximumReady = 64
    private static let keyFrameInterval = Duration.milliseconds(300)
    /// Without NACK a gap is given this long to close by itself.
    private static let gapPatience = Duration.milliseconds(30)
    /// A number further ahead, or further behind, is believed when the next one follows it (RFC 3550 appendix A.1).
    private static let maximumDropout: Int64 = 3000, maximumMisorder: Int64 = 2048

    package init(ssrc: SSRC, usesNack: Bool) {
        self.ssrc = ssrc
        self.usesNack = usesNack
    }

    // MARK: Packets

    /// One decrypted packet; `payload` with RTX already undone.
    package mutating func receive(_ packet: RTPPacket, payload: Span<UInt8>, codec: CodecKind, isRetransmission: Bool, at now: Instant) {
        lastPacket = now
        guard isPlausible(packet.sequenceNumber) else {
            statistics.packetsDiscarded += 1
            return
        }
        let sequence = unwrapper.unwrap(packet.sequenceNumber)
        if isRetransmission {
            statistics.retransmittedPacketsReceived += 1
        } else {
            reception.received(sequence, timestamp: packet.timestamp, bytes: payload.count, at: now)
        }
        let isTooMuch = nack.received(sequence, isRetransmission: isRetransmission, at: now)
        begin(with: sequence)
        guard let start = front?.start, sequence >= start, slot(sequence) == nil else {
            statistics.packetsDiscarded += 1
            return
        }
        if isTooMuch && usesNack || sequence - start >= Int64(Self.largest) { restart(from: sequence) }
        store(sequence, packet, payload, codec, at: now)
        assemble(at: now)
    }

    private mutating func isPlausible(_ number: UInt16) -> Bool {
        guard front != nil else { return true }
        let sequence = unwrapper.peek(number)
        guard sequence > newest + Self.maximumDropout || sequence < newest - Self.maximumMisorder else { return true }
        guard sequence == strange else {
            strange = sequence + 1
            return false
        }
        strange = nil
        unwrapper = SequenceUnwrapper()
        nack = NackGenerator()
        reception = ReceptionStatistics(clockRate: 90_000)
        clear()
        front = nil
        entries.removeAll()
        lastEnd = nil
        needsKeyFrame = true
        return true
    }

    /// The first packet that comes need not be the first that was sent.
    private mutating func begin(with sequence: Int64) {
        guard let start = front?.start else {
            front = Entry(start: sequence, scanned: sequence)
            newest = sequence
            return
        }
        if sequence < start, !hasBegun, start - sequence < Int64(Self.smallest), newest - sequence < Int64(Self.largest) {
            front = Entry(start: sequence, scanned: sequence)
        }
    }

    private mutating func store(_ sequence: Int64, _ packet: RTPPacket, _ payload: Span<UInt8>, _ codec: CodecKind, at now: Instant) {
        newest = max(newest, sequence)
        grow(toHold: newest - (front?.start ?? newest) + 1)
        let keyFrame = KeyFrameStart(payload, codec: codec)
        slots[index(sequence)] = Slot(
            sequence: sequence, timestamp: packet.timestamp, marker: packet.marker, keyFrame: keyFrame, codec: codec, payload: payload.array
        )
        if case .no = keyFrame { return }
        if case .yes = keyFrame { hasParameters = true }
        let place = entries.firstIndex { $0.start >= sequence } ?? entries.count
        entries.insert(Entry(start: sequence, scanned: sequence), at: place)
        if entries.count > Self.maximumEntries { entries.removeFirst() }
        // It is on its way: to ask for another would be early.
        if needsKeyFrame { lastKeyFrameRequest = max(lastKeyFrameRequest ?? now, now) }
    }

    private func index(_ sequence: Int64) -> Int { Int(truncatingIfNeeded: sequence) & (slots.count - 1) }

    private func slot(_ sequence: Int64) -> Slot? {
        guard !slots.isEmpty, let slot = slots[index(sequence)], slot.sequence == sequence else { return nil }
        return slot
    }

    private mutating func grow(toHold count: Int64) {
        guard count > Int64(slots.count) else { return }
        var size = max(slots.count, Self.smallest)
        while size < count, size < Self.largest { size *= 2 }
        let old = slots
        slots = Array(repeating: nil, count: size)
        for case let slot? in old { slots[index(slot.sequence)] = slot }
    }

    private mutating func clear() { for index in slots.indices { slots[index] = nil } }

    /// Everything before is lost: begins again at the next key frame.
    private mutating func restart(from sequence: Int64) {
        clear()
        front = Entry(start: sequence, scanned: sequence)
        newest = sequence
        entries.removeAll()
        lastEnd = nil
        needsKeyFrame = true
        statistics.framesDropped += 1
        nack.restart(at: sequence)
    }

    // MARK: Frames

    /// Hands out every whole frame at the front.
    private mutating func assemble(at now: Instant) {
        // Before the first key frame nothing is thrown away: what came first need not have been sent first.
        while hasBegun, var entry = front, let end = endOfFrame(&entry) {
            handOut(entry.start...end, at: now)
            advance(past: end)
        }
        if needsKeyFrame { skipToKeyFrame(at: now) }
        guard let start = front?.start else { return }
        nack.forget(before: start)
        gapSince = blocker == nil ? nil : gapSince ?? now
    }

    /// The missing packet that keeps the frame at the front from being whole although later ones are here.
    private var blocker: Int64? {
        guard let front, newest >= front.scanned, slot(front.scanned) == nil else { return nil }
        return front.scanned
    }

    /// Nobody asks any more for the packet that everything waits for.
    private var isBlockedForGood: Bool {
        guard !needsKeyFrame, let blocker else { return false }
        return !nack.contains(blocker)
    }

    private mutating func advance(past end: Int64) {
        if let start = front?.start, start <= end, end - start < Int64(Self.largest) {
            for sequence in start...end where slot(sequence) != nil { slots[index(sequence)] = nil }
        }
        front = Entry(start: end + 1, scanned: end + 1)
        newest = max(newest, end)
        lastEnd = end
        while let entry = entries.first, entry.start <= end { entries.removeFirst() }
        gapSince = nil
    }

    /// The last packet of the frame, when all of it is there; remembers how far it has looked. An empty payload (padding) is a frame of its own.
    private mutating func endOfFrame(_ entry: inout Entry) -> Int64? {
        defer { if front?.start == entry.start { front?.scanned = entry.scanned } }
        guard let first = slot(entry.start) else { return nil }
        if first.payload.isEmpty { return entry.start }
        while let current = slot(entry.scanned) {
            // Some senders forget the marker: the next frame's first packet ends this one too.
            if current.timestamp != first.timestamp { return entry.scanned - 1 }
            if current.marker { return entry.scanned }
            entry.scanned += 1
        }
        return nil
    }

    private mutating func handOut(_ packets: ClosedRange<Int64>, at now: Instant) {
        guard let first = slot(packets.lowerBound), !first.payload.isEmpty else { return }
        let isKey = isKeyFrame(packets, first)
        guard isKey || !needsKeyFrame else {
            statistics.framesDropped += 1
            return
        }
        guard ready.count < Self.maximumReady, let bytes = depacketised(packets) else {
            statistics.framesDropped += 1
            needsKeyFrame = true
            return
        }
        needsKeyFrame = false
        note(isKey, at: now)
        ready.append(ReceivedFrame(codec: first.codec, bytes: bytes, isKeyFrame: isKey, timestamp: first.timestamp, completed: now))
    }

    private func isKeyFrame(_ packets: ClosedRange<Int64>, _ first: Slot) -> Bool {
        if first.codec == .vp8 { return first.keyFrame == .yes }
        for sequence in packets {
            switch slot(sequence)?.keyFrame ?? .no {
            case .yes: return true
            case .ifParametersAreKnown: return hasParameters && beginsPicture(packets.lowerBound)
            case .no: continue
            }
        }
        return false
    }

    /// Nothing of the picture stood before this packet: the one before it belongs to another.
    private func beginsPicture(_ sequence: Int64) -> Bool {
        if lastEnd == sequence - 1 { return true }
        guard let before = slot(sequence - 1), let this = slot(sequence) else { return false }
        return before.timestamp != this.timestamp
    }

    private func depacketised(_ packets: ClosedRange<Int64>) -> [UInt8]? {
        var size = 0
        for sequence in packets { size += (slot(sequence)?.payload.count ?? 0) + 8 }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(size, Self.maximumFrame))
        for sequence in packets {
            guard let slot = slot(sequence) else { return nil }
            guard !slot.payload.isEmpty else { continue }
            do throws(PayloadError) {
                switch slot.codec {
                case .h264: try H264Payload.depacketise(slot.payload.span, into: &bytes, limit: Self.maximumFrame)
                case .vp8: try VP8Payload.depacketise(slot.payload.span, into: &bytes, limit: Self.maximumFrame)
                case .opus: return nil
                }
            } catch { return nil }
        }
        return bytes
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
        for index in entries.indices {
            var entry = entries[index]
            let end = endOfFrame(&entry)
            entries[index] = entry
            guard let end, slot(entry.start)?.keyFrame == .yes || hasParameters && beginsPicture(entry.start) else { continue }
            if entry.start > front?.start ?? entry.start { statistics.framesDropped += 1 }
            handOut(entry.start...end, at: now)
            advance(past: end)
            return assemble(at: now)
        }
    }

    // MARK: Feedback

    package var deadline: Instant? {
        guard front != nil else { return nil }
        var deadline: Instant?
        if needsKeyFrame || wantsKeyFrame { deadline = lastKeyFrameRequest.map { $0 + Self.keyFrameInterval } ?? .zero }
        if usesNack { return isBlockedForGood ? .zero : earlier(deadline, nack.deadline) }
        return needsKeyFrame ? deadline : earlier(deadline, gapSince.map { $0 + Self.gapPatience })
    }

    /// Feedback that is due: NACKs, and whether a key frame must be asked for.
    package mutating func feedback(roundTrip: Duration?, at now: Instant) -> (nack: [UInt16], wantsKeyFrame: Bool) {
        var numbers: [UInt16] = []
        if usesNack {
            let (wanted, gaveUp) = nack.requests(roundTrip: roundTrip ?? .milliseconds(50), at: now)
            numbers = wanted
            if gaveUp || isBlockedForGood { giveUp(at: now) }
        } else if let gapSince, now - gapSince >= Self.gapPatience {
            giveUp(at: now)
        }
        if !numbers.isEmpty { statistics.nackCount += 1 }
        guard needsKeyFrame || wantsKeyFrame, front != nil, lastKeyFrameRequest.map({ now - $0 >= Self.keyFrameInterval }) ?? true else {
            return (numbers, false)
        }
        wantsKeyFrame = false
        lastKeyFrameRequest = now
        statistics.pliCount += 1
        return (numbers, true)
    }

    /// A packet will not come: what builds on it is of no use. Goes on at the next key frame of which something is there.
    private mutating func giveUp(at now: Instant) {
        if !needsKeyFrame { statistics.framesDropped += 1 }
        needsKeyFrame = true
        skipToKeyFrame(at: now)
        guard needsKeyFrame, let start = front?.start else { return }
        let resume = entries.first { $0.start >= start }?.start ?? newest + 1
        if resume > start {
            advance(past: resume - 1)
            lastEnd = nil
        }
        nack.forget(before: resume)
    }

    package mutating func requestKeyFrame() { wantsKeyFrame = true }

    package mutating func received(_ report: SenderInformation, at now: Instant) { reception.received(report, at: now) }
    package mutating func report(at now: Instant) -> ReportBlock? { reception.report(for: ssrc, at: now) }

    package mutating func nextFrame() -> ReceivedFrame? { ready.isEmpty ? nil : ready.removeFirst() }

    var currentStatistics: InboundStatistics {
        var current = statistics
        current.packetsReceived = reception.packetsReceived
        current.bytesReceived = reception.bytesReceived
        current.packetsLost = reception.packetsLost
        current.jitter = reception.jitterSeconds
        return current
    }
}
