import RTC
import Wire

/// What `waldo bench source` tells of its peers and its encoder: read from them whenever the registry is. Lives on the reactor.
final class SourceFigures {
    /// Sums over peers.
    struct Totals {
        var packets = 0
        var bytes = 0
        var framesDropped = 0
        var retransmissions = 0

        mutating func add(_ statistics: PeerStatistics) {
            packets += statistics.rtpPacketsSent
            bytes += statistics.mediaBytesSent
            framesDropped += statistics.outboundVideo.map(\.framesDropped).reduce(0, +)
            retransmissions += statistics.outboundVideo.map(\.retransmittedPacketsSent).reduce(0, +)
        }
    }

    /// At one moment.
    struct Moment {
        var totals = Totals()
        var peers = 0
        var connected = 0
        var viewers = 0
        var keyFrames = 0
        var encoded = (frames: 0, seconds: 0.0)
        var socket = (calls: 0, dropped: 0, offload: "none")
        var strangers = 0
    }

    /// Of peers that have gone: counters never fall.
    var past = Totals()
    let echoesRefused: Counter
    /// To be looked up before each reading.
    var moment = Moment()

    init(_ registry: MetricsRegistry) {
        echoesRefused = registry.counter("waldo_echoes_refused_total", "Messages that could not be sent back")
        registry.counter("waldo_rtp_packets_sent_total", "RTP packets sent to all peers") { [unowned self] in Double(moment.totals.packets)
        }
        registry.counter("waldo_media_bytes_sent_total", "SRTP and SRTCP bytes sent") { [unowned self] in Double(moment.totals.bytes) }
        registry.gauge("waldo_peers_connected", "Peers whose DTLS handshake is done") { [unowned self] in Double(moment.connected) }
        registry.gauge("waldo_peers", "Peers known") { [unowned self] in Double(moment.peers) }
        registry.gauge("waldo_viewers", "Peers that the video goes to") { [unowned self] in Double(moment.viewers) }
        registry.counter("waldo_frames_encoded_total", "Pictures encoded") { [unowned self] in Double(moment.encoded.frames) }
        registry.counter("waldo_encode_seconds_total", "Time spent encoding") { [unowned self] in moment.encoded.seconds }
        registry.counter("waldo_key_frames_total", "Key frames sent out") { [unowned self] in Double(moment.keyFrames) }
        registry.counter("waldo_frames_dropped_total", "Frames that slow peers were spared") { [unowned self] in
            Double(moment.totals.framesDropped)
        }
        registry.counter("waldo_retransmitted_packets_total", "RTP packets sent again") { [unowned self] in
            Double(moment.totals.retransmissions)
        }
        registry.counter("waldo_udp_send_calls_total", "System calls for sending") { [unowned self] in Double(moment.socket.calls) }
        registry.counter("waldo_udp_dropped_total", "Datagrams that the kernel did not take") { [unowned self] in
            Double(moment.socket.dropped)
        }
        registry.counter("waldo_datagrams_of_strangers_total", "Datagrams that belong to no peer") { [unowned self] in
            Double(moment.strangers)
        }
    }
}
