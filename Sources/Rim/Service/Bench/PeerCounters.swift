import RTC
import Wire

/// Received video: counted, and looked at as far as that goes without decoding.
struct FrameCounter {
    private(set) var frames = 0
    private(set) var keyFrames = 0
    private(set) var bytes = 0
    private(set) var size: (width: Int, height: Int)?
    /// Frames that are not what their codec's format says.
    private(set) var malformed = 0
    private var told = 0

    /// True when this is to be told at once: the first frame, and a new size.
    mutating func add(_ frame: ReceivedFrame) -> Bool {
        frames += 1
        bytes += frame.bytes.count
        if frame.isKeyFrame { keyFrames += 1 }
        let before = size
        do throws(FrameFault) {
            switch frame.codec {
            case .vp8: if let found = try FrameCheck.vp8(frame.bytes, isKeyFrame: frame.isKeyFrame) { size = found }
            case .h264: if let found = try FrameCheck.h264(frame.bytes, isKeyFrame: frame.isKeyFrame) { size = found }
            case .opus: break
            }
        } catch { malformed += 1 }
        let isNews = frames == 1 || before?.width != size?.width || before?.height != size?.height
        if isNews { told = frames }
        return isNews
    }

    /// Whether frames came since this was last asked.
    mutating func isNews() -> Bool {
        defer { told = frames }
        return told != frames
    }

    var line: String {
        let text = size.map { "\($0.width)x\($0.height)" } ?? "?"
        return "video \(frames) \(keyFrames) \(bytes) \(text)" + (malformed > 0 ? " malformed=\(malformed)" : "")
    }
}

/// Received sound.
struct SoundCounter {
    private var packets = 0
    private var samples = 0
    private var lostSamples = 0
    private var malformed = 0
    private var told = 0

    mutating func add(_ audio: ReceivedAudio) {
        switch audio {
        case .packet(let bytes, _):
            packets += 1
            if let count = OpusPayload.samples(bytes.span) { samples += count } else { malformed += 1 }
        case .lost(let count): lostSamples += count
        }
    }

    mutating func isNews() -> Bool {
        defer { told = packets }
        return told != packets
    }

    var line: String {
        "audio \(packets) \(samples) \(lostSamples)" + (malformed > 0 ? " malformed=\(malformed)" : "")
    }
}

extension PeerStatistics {
    /// `name=value` pairs with the names of W3C webrtc-stats.
    var line: String {
        var pairs: [(String, String)] = [("connectionState", state.rawValue)]
        func add(_ name: String, _ value: some CustomStringConvertible) { pairs.append((name, "\(value)")) }
        func add(seconds name: String, _ value: Double?) { if let value { add(name, (value * 1e6).rounded() / 1e6) } }
        add(seconds: "timeToConnect", timeToConnect)
        add(seconds: "currentRoundTripTime", ice.currentRoundTripTime)
        add("selectedCandidatePairChanges", ice.selectedCandidatePairChanges)
        add("requestsSent", ice.requestsSent)
        add("responsesReceived", ice.responsesReceived)
        add("consentRequestsSent", ice.consentRequestsSent)
        add("availableOutgoingBitrate", availableOutgoingBitrate)
        add(seconds: "roundTripTime", roundTripTime)
        for (kind, outbound) in [("video", outboundVideo), ("audio", outboundAudio)] {
            for (index, stream) in outbound.enumerated() {
                let prefix = "\(kind).out\(index)."
                add(prefix + "packetsSent", stream.packetsSent)
                add(prefix + "bytesSent", stream.bytesSent)
                add(prefix + "framesSent", stream.framesSent)
                add(prefix + "keyFramesSent", stream.keyFramesSent)
                add(prefix + "framesDropped", stream.framesDropped)
                add(prefix + "retransmittedPacketsSent", stream.retransmittedPacketsSent)
                add(prefix + "nackCount", stream.nackCount)
                add(prefix + "pliCount", stream.pliCount)
                add(seconds: prefix + "fractionLost", stream.fractionLost)
            }
        }
        for (kind, inbound) in [("video", inboundVideo), ("audio", inboundAudio)] {
            for (index, stream) in inbound.enumerated() {
                let prefix = "\(kind).in\(index)."
                add(prefix + "packetsReceived", stream.packetsReceived)
                add(prefix + "bytesReceived", stream.bytesReceived)
                add(prefix + "packetsLost", stream.packetsLost)
                add(prefix + "packetsDiscarded", stream.packetsDiscarded)
                add(prefix + "retransmittedPacketsReceived", stream.retransmittedPacketsReceived)
                add(seconds: prefix + "jitter", stream.jitter)
                add(prefix + "framesReceived", stream.framesReceived)
                add(prefix + "framesDropped", stream.framesDropped)
                add(prefix + "nackCount", stream.nackCount)
                add(prefix + "pliCount", stream.pliCount)
                add(prefix + "freezeCount", stream.freezeCount)
                add(seconds: prefix + "totalFreezesDuration", stream.totalFreezesDuration)
            }
        }
        for channel in dataChannels {
            let prefix = "channel.\(channel.label)."
            add(prefix + "messagesSent", channel.messagesSent)
            add(prefix + "bytesSent", channel.bytesSent)
            add(prefix + "messagesReceived", channel.messagesReceived)
            add(prefix + "bytesReceived", channel.bytesReceived)
        }
        for (reason, count) in refusals.sorted(by: { $0.key < $1.key }) { add("refused.\(reason)", count) }
        return pairs.map { "\($0.0)=\($0.1)" }.joined(separator: " ")
    }
}
