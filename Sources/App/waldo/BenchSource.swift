import Glibc
import RTC
import Service
import Wire

private let benchSourceUsage = """
    usage: waldo bench source [OPTIONS]

    Serves a live synthetic video, encoded once for all viewers, and an echo on every data channel that a viewer opens.
      /         a page that plays it and shows delay, frame rate, bitrate, loss and channel round trip
      /whep     WHEP: POST an offer (application/sdp), get 201, Location and the answer; DELETE the Location to end
      /metrics  counters, Prometheus text; /metrics.json the same as JSON

    The picture's first 32 rows carry the time at which it was made: 32 squares of 32×32 pixels, least significant bit first,
    white 1, black 0: Unix milliseconds modulo 2^32.

      --port N          HTTP port, 0: any free one                      (8000)
      --bind ADDRESS    HTTP address                                    (0.0.0.0)
      --codec NAME      h264 or vp8                                     (h264)
      --size WxH        pixels, even; from 1024 on the time code fits   (1280x720)
      --rate N          pictures a second, 1 to 120                     (30)
      --bitrate N       kbit/s                                          (1500)
      --replay          encode two seconds and send them again and again: measures sending alone; the time code repeats, too
      --media-port N    UDP and TCP port for all media, 0: any free one (0)
      --advertise LIST  addresses to tell peers instead of this machine's own (NAT, containers), comma-separated
    \(LogOptions.usage)
    """

func runBenchSource(_ arguments: [String]) -> Never {
    let options = parse(arguments)
    var end = EndSignals()
    let server: SourceServer
    do { server = try SourceServer(options) } catch { failToStart(error) }
    _ = Task {
        do {
            let port = try await server.start()
            let place = host(of: options.bind)
            say(
                "Waldo source: \(options.width)x\(options.height) \(options.codec.name) at \(options.rate)/s, \(options.bitrate / 1000) kbit/s"
            )
            say("Open http://\(place):\(port)/ in a browser. Ctrl+C ends it.")
        } catch { failToStart(error) }
    }
    end.wait { await server.stop() }
}

private func parse(_ arguments: [String]) -> SourceServer.Options {
    let known: Set = ["port", "bind", "codec", "size", "rate", "bitrate", "media-port", "advertise"]
    let line = CommandLineOptions(
        arguments, known: known.union(LogOptions.known), switches: LogOptions.switches.union(["replay"]), usage: benchSourceUsage)
    var options = SourceServer.Options()
    options.port = UInt16(line.number("port", 0...65_535, default: 8000))
    options.mediaPort = UInt16(line.number("media-port", 0...65_535, default: 0))
    options.rate = line.number("rate", 1...120, default: 30)
    options.bitrate = line.number("bitrate", 50...100_000, default: 1500) * 1000
    options.replays = line.isOn("replay")
    let log = LogOptions(line)
    (options.log, options.logsRequests) = (log.logger("source"), log.logsRequests)
    if let text = line.text("bind") {
        guard let address = IPAddress(text) else { fail("--bind: expected an IP address, got `\(text)`") }
        options.bind = address
    }
    if let text = line.text("codec") {
        guard let codec = [CodecKind.h264, .vp8].first(where: { $0.rawValue == text.lowercased() }) else {
            fail("--codec: expected h264 or vp8, got `\(text)`")
        }
        options.codec = codec
    }
    if let size = line.size("size") { (options.width, options.height) = size }
    if let text = line.text("advertise") {
        options.advertised = text.split(separator: ",").map { part in
            guard let address = IPAddress(String(part)) else { fail("--advertise: expected IP addresses, got `\(part)`") }
            return address
        }
    }
    return options
}
