import Wire

/// Where a peer's RTP and RTCP meet SRTP, transport-wide sequence numbers and congestion control on their way out, gathered into
/// datagrams of one size for one segmentation-offload call.
struct MediaTransport {
    let srtp: any SRTPSession
    var congestion: CongestionController
    private var transportSequence: UInt16 = 0
    private var batch: [UInt8] = []
    private var segmentSize = 0
    private var lastSegmentIsShort = false
    /// Finished batches, each with its segment size.
    private var finished: [(bytes: [UInt8], segmentSize: Int)] = []
    /// An array given back after it was sent, to be written again.
    private var spare: [UInt8]?
    private(set) var packetsSent = 0
    private(set) var bytesSent = 0
    private(set) var batchesSent = 0

    /// The kernel takes 64 segments a call (UDP_MAX_SEGMENTS) and 65507 bytes.
    private static let maximumSegments = 44
    private static let maximumBatch = 56_000

    init(srtp: any SRTPSession, congestion: CongestionController) {
        self.srtp = srtp
        self.congestion = congestion
    }

    /// Goes on counting where the transport of the association before ended.
    mutating func count(from previous: (packets: Int, bytes: Int, batches: Int)) {
        (packetsSent, bytesSent, batchesSent) = previous
    }

    enum Purpose { case media, retransmission, probe }

    /// Writes, protects and batches one RTP packet. `payload` is what follows the header; `originalSequence` precedes it in RTX (RFC 4588 clause 4).
    mutating func send(
        _ header: RTPHeader, extensions: HeaderExtensionBlock, ids: HeaderExtensionMap, originalSequence: UInt16? = nil,
        payload: Span<UInt8>, padding: Int = 0, purpose: Purpose, at now: Instant
    ) {
        var extensions = extensions
        if ids.transportSequence != nil {
            extensions.transportSequence = transportSequence
        } else if ids.absoluteSendTime != nil {
            extensions.absoluteSendTime = UInt32(truncatingIfNeeded: (now - .zero).ticks(of: 1 << 18)) & 0xFF_FFFF
        }
        beginIfNeeded()
        let start = batch.count
        header.write(to: &batch, extensions: extensions, ids: ids)
        if let originalSequence { batch.append(u16: originalSequence) }
        batch.append(span: payload)
        if padding > 0 {
            batch[start] |= 0x20
            batch.append(contentsOf: repeatElement(0, count: padding - 1))
            batch.append(UInt8(padding))
        }
        srtp.protectRTP(&batch, from: start)
        let size = batch.count - start
        if ids.transportSequence != nil {
            congestion.sent(transportSequence, bytes: size, isProbe: purpose == .probe, at: now)
            transportSequence &+= 1
        }
        packetsSent += 1
        close(segmentFrom: start, size: size)
    }

    /// Sends again, byte for byte, a packet that was kept in the clear: without RTX a changed packet under an old index would reuse a nonce.
    mutating func resend(_ packet: [UInt8]) {
        beginIfNeeded()
        let start = batch.count
        batch.append(contentsOf: packet)
        srtp.protectRTP(&batch, from: start)
        packetsSent += 1
        close(segmentFrom: start, size: batch.count - start)
    }

    mutating func sendRTCP(_ packets: [RTCPPacket]) {
        flush()
        beginIfNeeded()
        for packet in packets { packet.write(to: &batch) }
        srtp.protectRTCP(&batch, from: 0)
        close(segmentFrom: 0, size: batch.count)
        flush()
    }

    /// The plain bytes of the packet that `send` would write, for histories that must keep them. Uses up a transport sequence number as `send` does.
    mutating func plainPacket(
        _ header: RTPHeader, extensions: HeaderExtensionBlock, ids: HeaderExtensionMap, payload: Span<UInt8>, at now: Instant
    ) -> [UInt8] {
        var extensions = extensions
        if ids.transportSequence != nil {
            extensions.transportSequence = transportSequence
        } else if ids.absoluteSendTime != nil {
            extensions.absoluteSendTime = UInt32(truncatingIfNeeded: (now - .zero).ticks(of: 1 << 18)) & 0xFF_FFFF
        }
        var plain: [UInt8] = []
        plain.reserveCapacity(1200)
        header.write(to: &plain, extensions: extensions, ids: ids)
        plain.append(span: payload)
        if ids.transportSequence != nil {
            congestion.sent(transportSequence, bytes: plain.count + srtp.rtpOverhead, isProbe: false, at: now)
            transportSequence &+= 1
        }
        return plain
    }

    /// Ends the batch being gathered.
    mutating func flush() {
        guard !batch.isEmpty else { return }
        finished.append((batch, segmentSize))
        batch = []
        segmentSize = 0
        lastSegmentIsShort = false
    }

    mutating func nextBatch() -> (bytes: [UInt8], segmentSize: Int)? {
        guard !finished.isEmpty else { return nil }
        batchesSent += 1
        let next = finished.removeFirst()
        bytesSent += next.bytes.count
        return next
    }

    /// Takes back the array of a batch that was sent.
    mutating func recycle(_ bytes: consuming [UInt8]) {
        guard spare == nil else { return }
        bytes.removeAll(keepingCapacity: true)
        spare = bytes
    }

    mutating func reclaim() -> [UInt8]? { spare.take() }

    private mutating func beginIfNeeded() {
        guard batch.isEmpty else { return }
        if let array = spare.take() {
            batch = array
        } else {
            batch.reserveCapacity(8 * 1200)
        }
    }

    private mutating func close(segmentFrom start: Int, size: Int) {
        if start == 0 {
            segmentSize = size
        } else if size > segmentSize || lastSegmentIsShort {
            moveLastToNewBatch(from: start, size: size)
        } else if size < segmentSize {
            lastSegmentIsShort = true
        }
        if batch.count >= Self.maximumBatch || batch.count >= Self.maximumSegments * segmentSize { flush() }
    }

    private mutating func moveLastToNewBatch(from start: Int, size: Int) {
        let last = Array(batch[start...])
        batch.removeLast(size)
        flush()
        batch = last
        batch.reserveCapacity(8 * 1200)
        segmentSize = size
    }
}
