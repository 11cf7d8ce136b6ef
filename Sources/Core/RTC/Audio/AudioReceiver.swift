import Wire

/// One Opus packet in playing order, or the news that one will not come.
public enum ReceivedAudio: Sendable, Hashable {
    /// `timestamp` is RTP time at 48 kHz.
    case packet(bytes: [UInt8], timestamp: UInt32)
    /// The decoder should conceal this much (samples at 48 kHz), from the next packet's FEC where it has it.
    case lost(samples: Int)
}

/// Reorders one audio stream, waiting for a missing packet only as long as the measured jitter makes it likely to come.
package struct AudioReceiver {
    package let ssrc: SSRC
    private(set) var reception = ReceptionStatistics(clockRate: 48_000)
    private var unwrapper = SequenceUnwrapper()
    private var waiting: [(sequence: Int64, timestamp: UInt32, bytes: [UInt8])] = []
    private var next: Int64?
    private var gapSince: Instant?
    private var lastSamples = 960
    private var ready: [ReceivedAudio] = []
    private(set) var discarded = 0
    private(set) var concealed = 0

    /// The number that would bear out one that was not believed.
    private var strange: Int64?
    /// When a packet last came.
    package private(set) var lastPacket = Instant.zero

    private static let maximumWaiting = 64
    /// A number further ahead, or further behind, is believed when the next one follows it (RFC 3550 appendix A.1).
    private static let maximumDropout: Int64 = 3000, maximumMisorder: Int64 = 100
    private static let maximumReady = 128

    package init(ssrc: SSRC) { self.ssrc = ssrc }

    package mutating func receive(_ packet: RTPPacket, payload: Span<UInt8>, at now: Instant) {
        lastPacket = now
        guard isPlausible(packet.sequenceNumber) else {
            discarded += 1
            return
        }
        let sequence = unwrapper.unwrap(packet.sequenceNumber)
        reception.received(sequence, timestamp: packet.timestamp, bytes: payload.count, at: now)
        guard sequence >= next ?? sequence, payload.count > 0, !waiting.contains(where: { $0.sequence == sequence }) else {
            discarded += 1
            return
        }
        if waiting.count == Self.maximumWaiting { giveUpGap() }
        let place = waiting.firstIndex { $0.sequence > sequence } ?? waiting.count
        waiting.insert((sequence, packet.timestamp, payload.array), at: place)
        if next == nil { next = sequence }
        drain(at: now)
    }

    /// A sender that begins again with other numbers is followed from its second packet on.
    private mutating func isPlausible(_ number: UInt16) -> Bool {
        guard let next else { return true }
        let sequence = unwrapper.peek(number)
        guard sequence > next + Self.maximumDropout || sequence < next - Self.maximumMisorder else { return true }
        guard sequence == strange else {
            strange = sequence + 1
            return false
        }
        strange = nil
        unwrapper = SequenceUnwrapper()
        reception = ReceptionStatistics(clockRate: 48_000)
        waiting.removeAll()
        self.next = nil
        return true
    }

    private mutating func drain(at now: Instant) {
        while let first = waiting.first, first.sequence == next {
            waiting.removeFirst()
            next = first.sequence + 1
            lastSamples = OpusPayload.samples(first.bytes.span) ?? lastSamples
            hand(.packet(bytes: first.bytes, timestamp: first.timestamp))
        }
        gapSince = waiting.isEmpty ? nil : gapSince ?? now
    }

    private mutating func hand(_ audio: ReceivedAudio) {
        guard ready.count < Self.maximumReady else {
            discarded += 1
            return
        }
        ready.append(audio)
    }

    /// How long a gap may hold up what came after it: four times the jitter, 20…120 ms.
    private var patience: Duration { min(max(.seconds(4 * reception.jitterSeconds), .milliseconds(20)), .milliseconds(120)) }

    package var deadline: Instant? { gapSince.map { $0 + patience } }

    package mutating func advance(to now: Instant) {
        guard let deadline, deadline <= now else { return }
        giveUpGap()
        gapSince = nil
        drain(at: now)
    }

    private mutating func giveUpGap() {
        guard let first = waiting.first, let expected = next, first.sequence > expected else { return }
        let count = Int(clamping: first.sequence - expected)
        concealed += count
        hand(.lost(samples: min(count, 50) * lastSamples))
        next = first.sequence
    }

    package mutating func received(_ report: SenderInformation, at now: Instant) { reception.received(report, at: now) }
    package mutating func report(at now: Instant) -> ReportBlock? { reception.report(for: ssrc, at: now) }
    package mutating func nextAudio() -> ReceivedAudio? { ready.isEmpty ? nil : ready.removeFirst() }

    var currentStatistics: InboundStatistics {
        var current = InboundStatistics()
        current.packetsReceived = reception.packetsReceived
        current.bytesReceived = reception.bytesReceived
        current.packetsLost = reception.packetsLost
        current.packetsDiscarded = discarded
        current.jitter = reception.jitterSeconds
        return current
    }
}
