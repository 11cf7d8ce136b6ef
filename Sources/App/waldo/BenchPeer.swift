import Crypto
import Glibc
import RTC
import Service
import Wire

private let benchPeerUsage = """
    usage: waldo bench peer [OPTIONS]

    One WebRTC peer, driven by lines on standard input and answering by lines on standard output.

      --ice-server URL[,USER,CREDENTIAL]   STUN or TURN server; may be repeated
      --relay-only         relayed candidates only
      --turn-ca FILE       trust these certificates (PEM) of TURN servers over TLS, not the system's
      --turn-insecure      trust any certificate: for tests
      --tcp                also take ICE-TCP connections
      --bind ADDRESS       use only this host address; may be repeated
      --trickle            send descriptions at once and candidates after them; else descriptions wait for all candidates
      --video DIRECTION    send, recv, both or none                     (none)
      --codec NAME         h264 or vp8; without it both are taken, and h264 is sent
      --size WxH           pixels of the test picture, even             (1280x720)
      --rate N             pictures a second, 1 to 120                  (30)
      --bitrate N          kbit/s                                       (1500)
      --audio DIRECTION    send (a tone, Opus), recv, both or none      (none)
      --channel LABEL[,ID] open a data channel; may be repeated; with ID, a stream number, the other side opens it too (negotiated)
      --echo               send every message back
      --trace              say what happens inside, as JSON

    Lines in:
      create-offer, restart          make an offer, with new ICE credentials for `restart`
      offer BASE64, answer BASE64    the other side's description (SDP); an offer is answered
      candidate TEXT                 the other side's candidate, as `candidate:…`; none: there are no more
      send LABEL TEXT, send-bytes LABEL COUNT, close-channel LABEL
      key-frame                      ask the other side for one
      stats, close                   the end of input closes too

    Lines out:
      ready                          the peer is made
      offer BASE64, answer BASE64, candidate MID TEXT, gathered
      state NAME [REASON]            as RTCPeerConnection.connectionState
      pair LOCAL | REMOTE            the candidate pair in use
      server-failed URL CODE REASON  a STUN or TURN server is of no use, and why
      channel open LABEL, channel closed LABEL
      message LABEL TEXT             bytes:COUNT for binary, text:COUNT for long text
      video FRAMES KEYFRAMES BYTES WIDTHxHEIGHT [malformed=N]   received, once a second
      audio PACKETS SAMPLES LOST-SAMPLES [malformed=N]          received, once a second
      stats NAME=VALUE …             names of W3C webrtc-stats
      negotiation-needed             something changed: time for create-offer
      error COMMAND: REASON          a line was not carried out
    """

func runBenchPeer(_ arguments: [String]) -> Never {
    let options = parse(arguments)
    signal(SIGPIPE, SIG_IGN)
    let bench: PeerBench
    do { bench = try PeerBench(options, say: { say($0) }, onEnd: { exit(0) }) } catch { failToStart(error) }
    _ = Task {
        do { try await bench.start() } catch { failToStart(error) }
    }
    while let line = readLine() { put(line, bench) }
    put("close", bench)
    sleep(5)
    exit(1)
}

/// Waits while the peer is behind.
private func put(_ line: String, _ bench: PeerBench) {
    while !bench.put(line) { usleep(1000) }
}

private func parse(_ arguments: [String]) -> PeerBench.Options {
    let line = CommandLineOptions(
        arguments, known: ["ice-server", "turn-ca", "bind", "video", "codec", "size", "rate", "bitrate", "audio", "channel"],
        switches: ["relay-only", "turn-insecure", "tcp", "trickle", "echo", "trace"], usage: benchPeerUsage)
    var options = PeerBench.Options()
    options.servers = line.texts("ice-server").map(parse(server:))
    options.relayOnly = line.isOn("relay-only")
    if let file = line.text("turn-ca") { options.serverTrust = .file(file) }
    if line.isOn("turn-insecure") { options.serverTrust = .anyone }
    options.listensTCP = line.isOn("tcp")
    options.trickles = line.isOn("trickle")
    options.traces = line.isOn("trace")
    options.echoes = line.isOn("echo")
    options.channels = line.texts("channel").map(parse(channel:))
    options.bind = line.texts("bind").map { text in
        guard let address = IPAddress(text) else { fail("--bind: expected an IP address, got `\(text)`") }
        return address
    }
    options.video = direction(line, "video")
    options.audio = direction(line, "audio")
    options.rate = line.number("rate", 1...120, default: 30)
    options.bitrate = line.number("bitrate", 50...100_000, default: 1500) * 1000
    if let size = line.size("size") { (options.width, options.height) = size }
    if let text = line.text("codec") {
        guard let codec = [CodecKind.h264, .vp8].first(where: { $0.rawValue == text.lowercased() }) else {
            fail("--codec: expected h264 or vp8, got `\(text)`")
        }
        options.codecs = [codec]
    }
    if options.video?.sends == true { options.codecs = [options.codecs[0]] }
    return options
}

private func parse(server text: String) -> IceServer {
    let parts = text.split(separator: ",", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
    do throws(IceServerError) {
        return try IceServer(url: parts[0], username: parts.count > 1 ? parts[1] : "", credential: parts.count > 2 ? parts[2] : "")
    } catch {
        fail("--ice-server: expected URL[,USER,CREDENTIAL], as turn:192.0.2.1:3478?transport=tcp,user,secret; got `\(text)` (\(error))")
    }
}

private func parse(channel text: String) -> DataChannelOptions {
    let parts = text.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard parts.count > 1 else { return DataChannelOptions(label: text) }
    guard let id = UInt16(parts[1]) else { fail("--channel: expected LABEL or LABEL,ID with a stream number, got `\(text)`") }
    return DataChannelOptions(label: parts[0], negotiated: StreamID(id))
}

private func direction(_ line: CommandLineOptions, _ name: String) -> MediaDirection? {
    switch line.text(name) {
    case nil, "none": return nil
    case "send": return .sendonly
    case "recv": return .recvonly
    case "both": return .sendrecv
    case let text?: fail("--\(name): expected send, recv, both or none, got `\(text)`")
    }
}
