import RTC
import Wire

/// A message transport with SCTP's promises (RFC 9260, 3758, 6525) and a packet format of its own: one fragment a packet, selective
/// acknowledgements at once, fast retransmission and time-outs, a congestion window. An abandoned message's fragments become empty
/// ones that are still acknowledged, which stands for FORWARD-TSN.
public final class SimulatedSCTP: SCTPAssociation {
    private enum Packet: UInt8 { case start = 1, startAck, data, sack, reset, resetAck, abort }
    private enum State { case idle, starting, connected, ended }

    private struct Fragment {
        var tsn: UInt32
        var message: Int
        var stream: UInt16
        var sequence: UInt16
        var protocolID: UInt32
        var flags: Flags
        var bytes: ArraySlice<UInt8>
        var sentAt: Instant?
        var transmissions = 0
        var isAcknowledged = false
        var missed = 0
        var needsSending = true
    }

    private struct Flags: OptionSet {
        let rawValue: UInt8
        static let begin = Flags(rawValue: 1), end = Flags(rawValue: 2), unordered = Flags(rawValue: 4), abandoned = Flags(rawValue: 8)
    }

    private struct Outgoing {
        var reliability: Reliability
        var createdAt: Instant
        var bytes: Int
        var fragmentsLeft: Int
        var isAbandoned = false
    }

    private struct Received {
        var stream: UInt16
        var sequence: UInt16
        var protocolID: UInt32
        var flags: Flags
        var bytes: [UInt8]
    }

    private static let sendBuffer = 1 << 20
    private static let header = 14

    private let parameters: SCTPParameters
    private var state = State.idle
    private var packets: [[UInt8]] = []
    private var events: [SCTPEvent] = []
    private var startAt: Instant?

    // Sending.
    private var fragments: [Fragment] = []
    private var messages: [Int: Outgoing] = [:]
    private var nextMessage = 0
    private var nextTSN: UInt32 = 1
    private var nextSequence: [UInt16: UInt16] = [:]
    private var window = 10.0
    private var threshold = 1000.0
    private var recoveryEnd: UInt32 = 0
    private var smoothed: Duration?
    private var variation = Duration.zero
    private var timeout = Duration.milliseconds(1000)
    private var timeoutAt: Instant?
    private var consecutiveTimeouts = 0
    public private(set) var bufferedBytes = 0

    // Receiving.
    private var cumulative: UInt32 = 0
    private var above: Set<UInt32> = []
    private var partial: [UInt32: Received] = [:]
    private var expectedSequence: [UInt16: UInt16] = [:]
    private var waiting: [UInt16: [UInt16: Received]] = [:]

    // Stream reset.
    private var resetQueue: [[StreamID]] = []
    private var resetNumber: UInt32 = 0
    private var resetSentAt: Instant?
    private var lastPeerReset: UInt32 = 0

    init(_ parameters: SCTPParameters) { self.parameters = parameters }

    public func nextPacket() -> [UInt8]? { packets.isEmpty ? nil : packets.removeFirst() }
    public func nextEvent() -> SCTPEvent? { events.isEmpty ? nil : events.removeFirst() }

    public var deadline: Instant? {
        guard state == .starting || state == .connected else { return nil }
        return earlier(earlier(startAt, timeoutAt), resetSentAt.map { $0 + .milliseconds(300) })
    }

    public func start(at now: Instant) {
        guard state == .idle else { return }
        state = .starting
        sendStart(at: now)
    }

    private func sendStart(at now: Instant) {
        packets.append([Packet.start.rawValue])
        startAt = now + .milliseconds(200)
    }

    public func close(at now: Instant) {
        guard state != .ended else { return }
        if state != .idle { packets.append([Packet.abort.rawValue]) }
        end()
    }

    private func end() {
        state = .ended
        fragments = []
        messages = [:]
        bufferedBytes = 0
    }

    // MARK: sending

    public func send(_ message: SCTPMessage, at now: Instant) -> Bool {
        guard state != .ended, message.bytes.count <= parameters.maximumMessage,
            bufferedBytes == 0 || bufferedBytes + message.bytes.count <= Self.sendBuffer
        else { return false }
        let stream = message.stream.rawValue
        var sequence: UInt16 = 0
        if message.isOrdered {
            sequence = nextSequence[stream, default: 0]
            nextSequence[stream] = sequence &+ 1
        }
        let size = max(parameters.maximumPacket - Self.header, 1)
        let count = max(1, (message.bytes.count + size - 1) / size)
        for i in 0..<count {
            var flags: Flags = message.isOrdered ? [] : .unordered
            if i == 0 { flags.insert(.begin) }
            if i == count - 1 { flags.insert(.end) }
            fragments.append(
                Fragment(
                    tsn: nextTSN, message: nextMessage, stream: stream, sequence: sequence, protocolID: message.protocolID, flags: flags,
                    bytes: message.bytes[(i * size)..<min((i + 1) * size, message.bytes.count)]))
            nextTSN += 1
        }
        messages[nextMessage] = Outgoing(
            reliability: message.reliability, createdAt: now, bytes: message.bytes.count, fragmentsLeft: count)
        nextMessage += 1
        bufferedBytes += message.bytes.count
        flush(at: now)
        return true
    }

    private func flush(at now: Instant) {
        guard state == .connected else { return }
        var inFlight = fragments.reduce(0) { $0 + (!$1.isAcknowledged && !$1.needsSending ? 1 : 0) }
        var i = 0
        while i < fragments.count, Double(inFlight) < window {
            defer { i += 1 }
            guard fragments[i].needsSending, !fragments[i].isAcknowledged else { continue }
            abandonIfDue(fragments[i], at: now)
            transmit(i, at: now)
            inFlight += 1
        }
        if inFlight > 0, timeoutAt == nil { timeoutAt = now + timeout }
    }

    /// RFC 3758, RFC 7496: not sent again, or not at all any more.
    private func abandonIfDue(_ fragment: Fragment, at now: Instant) {
        guard let message = messages[fragment.message], !message.isAbandoned else { return }
        let isDue =
            switch message.reliability {
            case .reliable: false
            case .maxRetransmits(let n): fragment.transmissions > Int(n)
            case .maxLifetime(let ms): now - message.createdAt > .milliseconds(Int(ms))
            }
        guard isDue else { return }
        messages[fragment.message]?.isAbandoned = true
        for i in fragments.indices where fragments[i].message == fragment.message {
            fragments[i].flags.insert(.abandoned)
            fragments[i].bytes = []
        }
    }

    private func transmit(_ index: Int, at now: Instant) {
        fragments[index].sentAt = now
        fragments[index].transmissions += 1
        fragments[index].needsSending = false
        fragments[index].missed = 0
        let fragment = fragments[index]
        var bytes: [UInt8] = [Packet.data.rawValue]
        bytes.append(u32: fragment.tsn)
        bytes.append(u16: fragment.stream)
        bytes.append(u16: fragment.sequence)
        bytes.append(u32: fragment.protocolID)
        bytes.append(fragment.flags.rawValue)
        bytes.append(contentsOf: fragment.bytes)
        packets.append(bytes)
    }

    public func advance(to now: Instant) {
        if let startAt, now >= startAt, state == .starting { sendStart(at: now) }
        if let sent = resetSentAt, now >= sent + .milliseconds(300) { sendReset(at: now) }
        guard let at = timeoutAt, now >= at, state == .connected else { return }
        consecutiveTimeouts += 1
        guard consecutiveTimeouts <= 30 else {
            end()
            events.append(.failed(reason: "expected an acknowledgement, none came in 30 time-outs"))
            return
        }
        timeoutAt = nil
        timeout = min(timeout * 2, .seconds(2))
        threshold = max(window / 2, 4)
        window = 4
        for i in fragments.indices where !fragments[i].isAcknowledged { fragments[i].needsSending = true }
        flush(at: now)
    }

    // MARK: receiving

    public func receive(_ packet: Span<UInt8>, at now: Instant) {
        guard state == .starting || state == .connected, packet.count > 0, let type = Packet(rawValue: packet[0]) else { return }
        switch type {
        case .start: packets.append([Packet.startAck.rawValue])
        case .startAck where state == .starting:
            state = .connected
            startAt = nil
            events.append(.connected)
            flush(at: now)
        case .startAck: break
        case .data where state == .connected: receiveData(packet)
        case .data: break
        case .sack: receiveSACK(packet, at: now)
        case .reset: receiveReset(packet)
        case .resetAck:
            guard packet.count == 5, packet.u32(at: 1) == resetNumber, resetSentAt != nil, !resetQueue.isEmpty else { return }
            let streams = resetQueue.removeFirst()
            resetSentAt = nil
            for stream in streams { nextSequence[stream.rawValue] = nil }
            events.append(.outgoingReset(streams))
            beginReset(at: now)
        case .abort:
            end()
            events.append(.closed)
        }
    }

    private func receiveData(_ packet: Span<UInt8>) {
        guard packet.count >= Self.header else { return }
        let tsn = packet.u32(at: 1)
        if tsn > cumulative, tsn - cumulative < 100_000, above.insert(tsn).inserted {
            partial[tsn] = Received(
                stream: packet.u16(at: 5), sequence: packet.u16(at: 7), protocolID: packet.u32(at: 9), flags: Flags(rawValue: packet[13]),
                bytes: packet.extracting(Self.header...).array)
            while above.remove(cumulative + 1) != nil { cumulative += 1 }
            assemble(around: tsn)
        }
        sendSACK()
    }

    private func sendSACK() {
        var bytes: [UInt8] = [Packet.sack.rawValue]
        bytes.append(u32: cumulative)
        // The highest ones: they tell the most about what is missing, and the others were told before.
        for tsn in above.sorted().suffix(250) { bytes.append(u32: tsn) }
        packets.append(bytes)
    }

    private func assemble(around tsn: UInt32) {
        var first = tsn, last = tsn
        while let fragment = partial[first], !fragment.flags.contains(.begin) { first -= 1 }
        while let fragment = partial[last], !fragment.flags.contains(.end) { last += 1 }
        guard var message = partial[first], partial[last] != nil else { return }
        var isAbandoned = message.flags.contains(.abandoned)
        partial[first] = nil
        if first < last {
            for tsn in (first + 1)...last {
                guard let fragment = partial.removeValue(forKey: tsn) else { continue }
                isAbandoned = isAbandoned || fragment.flags.contains(.abandoned)
                message.bytes += fragment.bytes
            }
        }
        if isAbandoned { message.flags.insert(.abandoned) }
        if message.flags.contains(.unordered) { return deliver(message) }
        waiting[message.stream, default: [:]][message.sequence] = message
        while let next = waiting[message.stream]?.removeValue(forKey: expectedSequence[message.stream, default: 0]) {
            expectedSequence[message.stream, default: 0] &+= 1
            deliver(next)
        }
    }

    private func deliver(_ message: Received) {
        guard !message.flags.contains(.abandoned) else { return }
        events.append(.message(stream: StreamID(message.stream), protocolID: message.protocolID, bytes: message.bytes))
    }

    private func receiveSACK(_ packet: Span<UInt8>, at now: Instant) {
        guard packet.count >= 5, packet.count % 4 == 1 else { return }
        let cumulative = packet.u32(at: 1)
        var acknowledged: Set<UInt32> = [], highest = cumulative
        for offset in stride(from: 5, to: packet.count, by: 4) {
            acknowledged.insert(packet.u32(at: offset))
            highest = max(highest, packet.u32(at: offset))
        }
        var newly = 0
        for i in fragments.indices where !fragments[i].isAcknowledged {
            let tsn = fragments[i].tsn
            guard tsn <= highest else { break }
            if tsn <= cumulative || acknowledged.contains(tsn) {
                fragments[i].isAcknowledged = true
                newly += 1
                if fragments[i].transmissions == 1, let sentAt = fragments[i].sentAt { measure(now - sentAt) }
                messageFragmentDone(fragments[i].message)
            } else if !fragments[i].needsSending {
                fragments[i].missed += 1
                if fragments[i].missed >= 3 { fastRetransmit(i) }
            }
        }
        fragments.removeAll { $0.isAcknowledged && $0.tsn <= cumulative }
        guard newly > 0 else { return flush(at: now) }
        consecutiveTimeouts = 0
        window = min(window < threshold ? window + Double(newly) : window + Double(newly) / window, 2000)
        timeoutAt = fragments.contains { !$0.isAcknowledged && !$0.needsSending } ? now + timeout : nil
        flush(at: now)
        beginReset(at: now)
    }

    private func fastRetransmit(_ index: Int) {
        fragments[index].needsSending = true
        // One reduction a round trip (RFC 9260 clause 7.2.4).
        guard fragments[index].tsn >= recoveryEnd else { return }
        recoveryEnd = nextTSN
        threshold = max(window / 2, 4)
        window = threshold
    }

    /// RFC 6298.
    private func measure(_ sample: Duration) {
        if let smoothed {
            let deviation = max(smoothed - sample, sample - smoothed)
            variation = (variation * 3 + deviation) / 4
            self.smoothed = (smoothed * 7 + sample) / 8
        } else {
            smoothed = sample
            variation = sample / 2
        }
        timeout = min(max((smoothed ?? sample) + variation * 4, .milliseconds(200)), .seconds(2))
    }

    private func messageFragmentDone(_ id: Int) {
        guard var message = messages[id] else { return }
        message.fragmentsLeft -= 1
        if message.fragmentsLeft == 0 {
            bufferedBytes -= message.bytes
            messages[id] = nil
        } else {
            messages[id] = message
        }
    }

    // MARK: stream reset

    public func reset(_ streams: [StreamID], at now: Instant) {
        guard state == .connected || state == .starting, !streams.isEmpty else { return }
        resetQueue.append(streams)
        beginReset(at: now)
    }

    /// A stream is reset when all that was sent on it has arrived (RFC 8831 clause 6.7).
    private func beginReset(at now: Instant) {
        guard state == .connected, resetSentAt == nil, let streams = resetQueue.first,
            !fragments.contains(where: { fragment in !fragment.isAcknowledged && streams.contains { $0.rawValue == fragment.stream } })
        else { return }
        resetNumber += 1
        sendReset(at: now)
    }

    private func sendReset(at now: Instant) {
        guard let streams = resetQueue.first, state == .connected else { return }
        resetSentAt = now
        var bytes: [UInt8] = [Packet.reset.rawValue]
        bytes.append(u32: resetNumber)
        for stream in streams { bytes.append(u16: stream.rawValue) }
        packets.append(bytes)
    }

    private func receiveReset(_ packet: Span<UInt8>) {
        guard packet.count >= 5, packet.count % 2 == 1, state == .connected else { return }
        let number = packet.u32(at: 1)
        packets.append([Packet.resetAck.rawValue] + packet.extracting(1..<5).array)
        guard number > lastPeerReset else { return }
        lastPeerReset = number
        let streams = stride(from: 5, to: packet.count, by: 2).map { StreamID(packet.u16(at: $0)) }
        for stream in streams {
            expectedSequence[stream.rawValue] = nil
            waiting[stream.rawValue] = nil
        }
        events.append(.incomingReset(streams))
    }
}
