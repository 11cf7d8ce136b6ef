import HTTP
import Service
import Web
import Wire

private let benchWebUsage = """
    usage: waldo bench web [OPTIONS]

    The web server with one of each thing that it does, for measuring it and for trying other programs against it.
      /json /text/NAME        small answers
      /echo (POST)            the body again
      /sum (POST)             the sum of the numbers in {"values": […]}
      /upload (POST)          names, types, lengths and SHA-256 of a form's parts
      /fail                   a handler that fails
      /ws                     a WebSocket that sends every message back
      /broadcast /events      ten messages a second, by WebSocket and as server-sent events
      /picture                MJPEG of the pictures that are PUT there
      /files/…                files of --files
      /metrics /metrics.json  what the server counts
      /openapi.json           the description of all this

      --port N          HTTP port, 0: any free one                      (8000)
      --bind ADDRESS    HTTP address; may be repeated                   (127.0.0.1)
      --unix PATH       also listen on a Unix-domain socket
      --files FOLDER    serve this folder under /files
      --trust NETWORK   believe proxies there (10.0.0.0/8); may be repeated
      --proxy-header    these proxies send a PROXY header first
      --limit NAME=N    change a limit; may be repeated. Seconds: head-timeout (10), idle-timeout (60), stall-timeout (30),
                        drain-timeout (10). Bytes: start-line (8192), head (32768), body (1048576), slowest-body (1000 a second).
                        Counts: fields (100), connections (20000), connections-per-address (20000)
      --tls-certificate FILE --tls-key FILE
                        speak TLS with this certificate (PEM, the server's own first); read anew when the files change.
                        May be repeated: a client gets the certificate of the name that it asks for, else the first
      --tls-self-signed speak TLS with a certificate made now, and print its fingerprint
    \(LogOptions.usage)
    """

func runBenchWeb(_ arguments: [String]) -> Never {
    let line = CommandLineOptions(
        arguments, known: LogOptions.known.union(["port", "bind", "unix", "files", "trust", "limit", "tls-certificate", "tls-key"]),
        switches: LogOptions.switches.union(["proxy-header", "tls-self-signed"]), usage: benchWebUsage)
    var options = WebBench.Options()
    options.port = UInt16(line.number("port", 0...65_535, default: 8000))
    let addresses = line.texts("bind").map { text in
        guard let address = IPAddress(text) else { fail("--bind: expected an IP address, got `\(text)`") }
        return address
    }
    if !addresses.isEmpty { options.bind = addresses }
    options.path = line.text("unix")
    options.files = line.text("files")
    let log = LogOptions(line)
    (options.log, options.logsRequests) = (log.logger("web"), log.logsRequests)
    options.server.connectionsPerAddress = 20_000
    for limit in line.texts("limit") { change(limit, in: &options.server) }
    options.server.expectsProxyHeader = line.isOn("proxy-header")
    options.server.trustedProxies = line.texts("trust").map { text in
        guard let network = IPNetwork(text) else { fail("--trust: expected an address or a network as 10.0.0.0/8, got `\(text)`") }
        return network
    }
    options.tls = line.tls()
    var end = EndSignals()
    let bench: WebBench
    do { bench = try WebBench(options) } catch { failToStart(error) }
    let place = host(of: options.bind[0])
    let scheme = options.tls == nil ? "http" : "https"
    _ = Task {
        do {
            let port = try await bench.start()
            if let fingerprint = await bench.fingerprint { say("Its certificate's SHA-256 fingerprint is \(fingerprint)") }
            say("Open \(scheme)://\(place):\(port)/openapi.json. Ctrl+C ends it.")
        } catch { failToStart(error) }
    }
    end.wait(patience: 15) { await bench.stop() }
}

private func change(_ limit: String, in options: inout HTTPServerOptions) {
    let parts = limit.split(separator: "=", maxSplits: 1).map(String.init)
    guard parts.count == 2, let value = Int(parts[1]), (1...1 << 32).contains(value) else {
        fail("--limit: expected NAME=N with a whole number from 1, got `\(limit)`")
    }
    let seconds = Duration.seconds(value)
    switch parts[0] {
    case "head-timeout": options.headTimeout = seconds
    case "idle-timeout": options.idleTimeout = seconds
    case "stall-timeout": options.stallTimeout = seconds
    case "drain-timeout": options.drainTimeout = seconds
    case "start-line": options.limits.startLine = value
    case "head": options.limits.head = value
    case "body": options.limits.body = value
    case "slowest-body": options.slowestBody = value
    case "fields": options.limits.fields = value
    case "connections": options.connections = value
    case "connections-per-address": options.connectionsPerAddress = value
    default: fail("--limit: there is no limit of the name `\(parts[0])`", usage: benchWebUsage)
    }
}
