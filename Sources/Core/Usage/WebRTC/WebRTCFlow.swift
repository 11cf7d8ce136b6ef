import Wire

/// What is known of one flow that may be a WebRTC connection, and which of section 8.1's states it is in.
struct WebRTCFlow: TrackedFlow {
    /// Within which the packets of a rule must come, and after which of nothing a connection is over.
    static let memory = Duration.seconds(2)
    /// After which of silence a flow is forgotten.
    static let forgetting = Duration.seconds(30)
    /// How long data may take to belie an alert that looked like the end.
    static let closing = Duration.milliseconds(200)
    static let largestStreamCount = 16

    /// What DTLS said last of the connection's end.
    private enum End {
        case none
        case suspected(Instant, fromLocal: Bool)
        case closed(Instant, fromLocal: Bool)
    }

    let key: FlowKey
    let pair: EndPair
    let isLoopback: Bool
    var identity = FlowIdentity()
    /// What the detector has last said of `isActive`.
    var isReported = false
    private(set) var lastSeen: Instant
    private(set) var isValidated = false
    private(set) var isActive = false
    /// Of STUN transactions of this host, the last one.
    private(set) var roundTrip: Duration?
    private var interface: Int32
    private var streams: [RTPStream] = []
    private var transactions = STUNTransactions()
    private var localRecords = RecordTimes(), remoteRecords = RecordTimes()
    private var localFraming = StreamFraming(), remoteFraming = StreamFraming()
    private var lastMedia: Instant?
    private var end = End.none
    /// Bytes, packets expected, packets lost.
    private var sums = SecondWindow()

    init(_ key: FlowKey, isLoopback: Bool, interface: Int32, at now: Instant) {
        (self.key, self.isLoopback, self.interface, lastSeen) = (key, isLoopback, interface, now)
        pair = EndPair(key)
    }

    var precedence: Int? { isActive ? nil : isValidated ? 1 : 0 }

    /// A packet may be seen on several interfaces of this host (a bridge and its ports): those of one count.
    mutating func takes(_ packet: Packet, at now: Instant) -> Bool {
        if packet.interface != interface {
            guard now - lastSeen > Self.memory else { return false }
            interface = packet.interface
        }
        lastSeen = now
        return true
    }

    func isFromLocal(_ packet: Packet) -> Bool { packet.source == key.local }

    mutating func received(_ datagram: Datagram, of packet: Packet, at now: Instant) {
        count(packet, at: now)
        received(datagram, fromLocal: isFromLocal(packet), wireLength: packet.payloadLength, at: now)
    }

    mutating func received(segment payload: Span<UInt8>, of packet: Packet, at now: Instant) {
        guard packet.payloadLength > 0 else { return }
        let fromLocal = isFromLocal(packet)
        var framing = fromLocal ? localFraming : remoteFraming
        if let beginning = framing.beginning(sequence: packet.tcpSequence, length: packet.payloadLength) {
            var (offset, isExpected) = beginning, understood = true
            while understood, offset < payload.count {
                if let frame = StreamFrame(payload.extracting(offset..<payload.count), isExpected: isExpected) {
                    // Behind the last one that is seen the segment may hold more.
                    let isLast = offset + frame.length >= payload.count
                    let length = isLast ? max(frame.length, packet.payloadLength - offset) : frame.length
                    if let datagram = frame.datagram { received(datagram, fromLocal: fromLocal, wireLength: length, at: now) }
                    offset += frame.length
                    isExpected = true
                } else {
                    understood = false
                }
            }
            framing.read(sequence: packet.tcpSequence, length: packet.payloadLength, upTo: understood ? offset : nil)
        }
        if fromLocal { localFraming = framing } else { remoteFraming = framing }
        count(packet, at: now)
    }

    private mutating func count(_ packet: Packet, at now: Instant) {
        sums.add(SIMD4(UInt32(clamping: packet.payloadLength), 0, 0, 0), at: now)
    }

    // MARK: What a datagram shows

    private mutating func received(_ datagram: Datagram, fromLocal: Bool, wireLength: Int, at now: Instant) {
        switch datagram {
        case .stun(let header): received(header, fromLocal: fromLocal, at: now)
        case .dtls(let records): received(records, fromLocal: fromLocal, at: now)
        case .bareDTLS:
            guard localRecords.hasHello, remoteRecords.hasHello else { return }
            receivedData(records: 1, fromLocal: fromLocal, at: now)
        case .rtp(let header): received(header, fromLocal: fromLocal, wireLength: wireLength, at: now)
        case .rtcp: break
        }
    }

    private mutating func received(_ header: STUNHeader, fromLocal: Bool, at now: Instant) {
        guard header.isBinding else { return }
        switch header.messageClass {
        case .request: transactions.asked(header.id, fromLocal: fromLocal, at: now)
        case .indication: break
        case .success, .error:
            guard let answer = transactions.answered(header.id, fromLocal: fromLocal, at: now), header.messageClass == .success else {
                return
            }
            // What this host answers itself is over before it is on the wire.
            if let measured = answer.roundTrip, answer.fromLocal || isLoopback { roundTrip = measured }
            if case .closed(let since, let closer) = end, fromLocal == closer, now - since >= Self.memory { restart() }
            if !isClosed { validate(at: now) }
        }
    }

    private mutating func received(_ records: DTLSRecords, fromLocal: Bool, at now: Instant) {
        if records.hasHello {
            if isClosed { restart() }
            if fromLocal { localRecords.hasHello = true } else { remoteRecords.hasHello = true }
        }
        if records.applicationData > 0 { receivedData(records: records.applicationData, fromLocal: fromLocal, at: now) }
        if records.hasClosingAlert, case .none = end { end = .suspected(now, fromLocal: fromLocal) }
    }

    private mutating func receivedData(records: Int, fromLocal: Bool, at now: Instant) {
        guard belies(fromLocal: fromLocal, at: now) else { return }
        for _ in 0..<min(records, RecordTimes.needed) {
            if fromLocal { localRecords.note(now) } else { remoteRecords.note(now) }
        }
        lastMedia = now
        validate(at: now)
        if !isActive, (fromLocal ? localRecords : remoteRecords).isFlowing(at: now) { isActive = true }
    }

    /// Whether a datagram of this side has been longer than one can be on a wire: it sends several packets at once (UDP_SEGMENT).
    private var localJoins = false, remoteJoins = false

    private mutating func received(_ header: RTPHeader, fromLocal: Bool, wireLength: Int, at now: Instant) {
        guard belies(fromLocal: fromLocal, at: now) else { return }
        if wireLength > Datagram.largestOnTheWire { if fromLocal { localJoins = true } else { remoteJoins = true } }
        let joins = fromLocal ? localJoins : remoteJoins
        guard let place = streams.firstIndex(where: { $0.ssrc == header.ssrc && $0.fromLocal == fromLocal }) else {
            return add(RTPStream(header, fromLocal: fromLocal, wireLength: wireLength, joins: joins, at: now), at: now)
        }
        let loss = streams[place].received(header, wireLength: wireLength, joins: joins, at: now)
        // On loopback this host receives everything.
        if loss.expected > 0, !fromLocal || isLoopback { sums.add(SIMD4(0, loss.expected, loss.lost, 0), at: now) }
        lastMedia = now
        if isActive { return }
        if !isValidated, streams[place].isConvincing(at: now) { validate(at: now) }
        if isValidated, streams[place].isFlowing(at: now) { isActive = true }
    }

    private mutating func add(_ stream: RTPStream, at now: Instant) {
        if streams.count < Self.largestStreamCount { return streams.append(stream) }
        // What looks like RTP but is not has a new number each time, and must not drive out what flows.
        let idle = streams.indices.filter { !streams[$0].isFlowing(at: now) }
        guard let oldest = idle.min(by: { streams[$0].lastSeen < streams[$1].lastSeen }) else { return }
        streams[oldest] = stream
    }

    private mutating func validate(at now: Instant) {
        if isValidated { return }
        isValidated = true
        let isFlowing =
            streams.contains { $0.isFlowing(at: now) } || localRecords.isFlowing(at: now) || remoteRecords.isFlowing(at: now)
        if isFlowing { isActive = true }
    }

    // MARK: The end

    private var isClosed: Bool { if case .closed = end { true } else { false } }

    /// Whether data counts. After an alert only what comes from its sender shows that it was not the end: the other side may send on until
    /// it notices.
    private mutating func belies(fromLocal: Bool, at now: Instant) -> Bool {
        switch end {
        case .none: return true
        case .suspected(_, let closer):
            guard fromLocal == closer else { return false }
            end = .none
            return true
        case .closed(_, let closer):
            guard fromLocal == closer else { return false }
            restart()
            return true
        }
    }

    /// Forgets what was seen of a connection that has ended.
    mutating func restart() {
        streams.removeAll(keepingCapacity: true)
        (localRecords, remoteRecords) = (RecordTimes(), RecordTimes())
        (isValidated, isActive, lastMedia, end) = (false, false, nil, .none)
    }

    /// Lets time-outs happen.
    mutating func advance(to now: Instant) {
        if case .suspected(let since, let closer) = end, now - since >= Self.closing {
            restart()
            end = .closed(since, fromLocal: closer)
        }
        if isActive, let lastMedia, now - lastMedia >= Self.memory { isActive = false }
    }

    func isForgotten(at now: Instant) -> Bool { now - lastSeen >= Self.forgetting }

    /// When `advance` would change something next.
    var deadline: Instant {
        var deadline = lastSeen + Self.forgetting
        if case .suspected(let since, _) = end { deadline = min(deadline, since + Self.closing) }
        if isActive, let lastMedia { deadline = min(deadline, lastMedia + Self.memory) }
        return earlier(deadline, identity.deadline(isActive: isActive))!
    }

    // MARK: Figures

    /// Payload bytes, packets expected and packets lost of the last second.
    func sums(at now: Instant) -> SIMD4<UInt32> { sums.sums(at: now) }

    /// Of the largest stream that is video.
    func largestVideo(at now: Instant) -> RTPStream.Rates? {
        streams.lazy.compactMap { $0.rates(at: now) }.filter(\.isVideo).max { $0.bytes < $1.bytes }
    }
}

/// The last records of application data in one direction.
private struct RecordTimes: Sendable {
    static let needed = 3

    var hasHello = false
    private var times = InlineArray<3, Instant>(repeating: Instant(nanoseconds: .min / 2))

    mutating func note(_ now: Instant) {
        (times[0], times[1]) = (times[1], times[2])
        times[2] = now
    }

    /// 3 records within 2 s.
    func isFlowing(at now: Instant) -> Bool { now - times[0] <= WebRTCFlow.memory }
}
