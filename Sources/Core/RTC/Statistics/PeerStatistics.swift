import Wire

/// A snapshot of one peer, in the words of W3C webrtc-stats where they have one.
public struct PeerStatistics: Sendable {
    public var state: PeerState
    public var ice: IceStatistics
    /// Datagram batches handed out: each one system call where the kernel segments.
    public var batchesSent = 0
    public var rtpPacketsSent = 0
    /// RTP and RTCP, with headers and tags.
    public var mediaBytesSent = 0
    /// `availableOutgoingBitrate`, bit/s.
    public var availableOutgoingBitrate = 0
    /// Seconds; nil before the first report.
    public var roundTripTime: Double?
    public var outboundVideo: [OutboundStatistics] = []
    public var outboundAudio: [OutboundStatistics] = []
    public var inboundVideo: [InboundStatistics] = []
    public var inboundAudio: [InboundStatistics] = []
    public var dataChannels: [DataChannelStatistics] = []
    /// Why the association under the data channels failed; nil: it did not.
    public var dataChannelFailure: String?
    /// Messages, of channels or about them, that were malformed, for no channel, or too many.
    public var dataMessagesRefused = 0
    /// Datagrams refused, by reason.
    public var refusals: [String: Int] = [:]
    public var outputsDropped = 0
    /// From the agreed descriptions to the end of the DTLS handshake, seconds; nil before.
    public var timeToConnect: Double?
}

extension Peer {
    public var statistics: PeerStatistics {
        PeerStatistics(
            state: state, ice: ice.statistics, batchesSent: media?.batchesSent ?? 0, rtpPacketsSent: media?.packetsSent ?? 0,
            mediaBytesSent: media?.bytesSent ?? 0, availableOutgoingBitrate: targetBitrate,
            roundTripTime: media?.congestion.roundTrip?.seconds, outboundVideo: videoSenders.map(\.sender.statistics),
            outboundAudio: audioSenders.map(\.sender.statistics), inboundVideo: videoReceivers.map(\.receiver.currentStatistics),
            inboundAudio: audioReceivers.map(\.receiver.currentStatistics), dataChannels: data.statistics,
            dataChannelFailure: data.failure, dataMessagesRefused: data.messagesRefused, refusals: refusals,
            outputsDropped: outputsDropped,
            timeToConnect: startedAt.flatMap { start in connectedAt.map { ($0 - start).seconds } })
    }
}
