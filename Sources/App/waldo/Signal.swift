import Glibc
import HTTP
import Reactor
import Service
import Wire

private let signalUsage = """
    usage: waldo signal [OPTIONS]

    A signalling server: every message of a WebSocket goes at once, unchanged and as text, to every other WebSocket, never back to its sender.
    Robots and operators find one another over it; it looks into no message, keeps none, and asks nobody who they are unless told to.
    Any path and sub-protocol will do. GET /health says that it works, GET /metrics counts for Prometheus.

    A message has at most 256 KiB (else its connection ends with 1009). Whoever has 1 MiB or more unread is closed with 1013. Everybody is
    asked every 30 s whether they are still there, and has 10 s to answer.

    Every option can also be given in the environment (--token-file: WALDO_TOKEN_FILE) and in a JSON file (--config).
    """

private let signalOptions = ownOptions + TLSOptions.options + LogOptions.options
private let ownOptions: [Settings.Option] = [
    .init("port", "N", "TCP port, 0: any free one; PORT in the environment says it, too", "8080", alias: "PORT"),
    .init("bind", "LIST", "addresses, comma-separated; without it all interfaces, IPv4 and IPv6"),
    .init("connections", "N", "WebSockets at once; the next is answered with 503", "100"),
    .init("message-rate", "N", "messages a second of one connection; what is beyond waits, and nothing is lost", "200"),
    .init("ping-interval", "S", "how often each is asked whether it is still there, seconds", "30"),
    .init("rooms", nil, "the path of the address is a room: messages stay among those of one path"),
    .init(
        "token-file", "FILE",
        "only who shows a token of this file may join, by ?token=… or `Authorization: Bearer …`.\nOne token a line (8 to 256 letters, digits, or - . _ ~), # begins a comment; with --rooms\n`TOKEN /room` opens that room alone. Read again on SIGHUP; who has joined stays"
    ),
    .init("trust", "LIST", "proxies whose X-Forwarded-For is believed, in the log: addresses or networks as\n10.0.0.0/8, comma-separated"),
    .init("config", "FILE", "read these settings from a JSON file: {\"port\": 8080, …}"),
]

func runSignal(_ arguments: [String]) -> Never {
    let settings = Settings(signalOptions, arguments, usage: signalUsage)
    let options = signalServer(settings)
    var end = EndSignals(hangup: settings.text("token-file") != nil)
    let server: SignalServer
    do { server = try SignalServer(options) } catch { failToStart(error, status: 1) }
    _ = Task {
        do { announce(try await server.start(), options) } catch { failToStart(error, status: 1) }
    }
    end.wait(
        patience: 3,
        onHangup: settings.text("token-file").map { path in
            {
                do {
                    let tokens = try readTokens(path, options.hasRooms)
                    Task { await server.admit(by: tokens) }
                    options.log.info("read the tokens again", ["tokens": .integer(Int64(tokens.count))])
                } catch {
                    options.log.error(
                        "cannot read the tokens again: those from before still hold", ["file": .text(path), "error": LogValue(error)])
                }
            }
        }
    ) {
        await server.stop()
    }
}

private func signalServer(_ settings: Settings) -> SignalOptions {
    var options = SignalOptions()
    options.port = UInt16(settings.number("port", 0...65_535))
    if settings.text("bind") != nil {
        let addresses = settings.addresses("bind")
        if addresses.isEmpty { fail("\(settings.source("bind")): expected at least one address") }
        options.bind = addresses
    }
    options.limits.connections = settings.number("connections", 1...20_000)
    options.limits.messagesPerSecond = settings.number("message-rate", 1...100_000)
    options.pingInterval = .seconds(settings.number("ping-interval", 1...3600))
    options.hasRooms = settings.isOn("rooms")
    options.trustedProxies = (settings.text("trust") ?? "").split(separator: ",").map { text in
        guard let network = IPNetwork(String(text)) else {
            fail("\(settings.source("trust")): expected addresses or networks as 10.0.0.0/8, comma-separated, got `\(text)`")
        }
        return network
    }
    options.tls = TLSOptions.tls(settings)
    if let path = settings.text("token-file") {
        do { options.tokens = try readTokens(path, options.hasRooms) } catch { fail("\(settings.source("token-file")): \(error)") }
    }
    let log = LogOptions(settings)
    (options.log, options.logsRequests) = (log.logger("signal"), log.logsRequests)
    return options
}

private func readTokens(_ path: String, _ allowsRooms: Bool) throws -> RelayTokens {
    let bytes = try readFile(path, limit: 4 << 20)
    return try RelayTokens(parsing: String(decoding: bytes, as: UTF8.self), allowsRooms: allowsRooms)
}

/// Where it listens, and who may come.
private func announce(_ place: SignalServer.Place, _ options: SignalOptions) {
    let scheme = options.tls == nil ? "ws" : "wss"
    var places: [String] = []
    for address in place.addresses {
        let reachable =
            address.ip.isUnspecified ? hostAddresses().filter { $0.family == address.ip.family && !$0.isLoopback } : [address.ip]
        places += reachable.map { "\(scheme)://\($0.family == .v6 ? "[\($0)]" : "\($0)"):\(address.port)" }
        if address.ip.isUnspecified { places.append("\(scheme)://\(address.ip.family == .v6 ? "[::1]" : "127.0.0.1"):\(address.port)") }
    }
    for address in places { say("Listening on \(address)") }
    if let fingerprint = place.fingerprint { say("Certificate (self-signed), SHA-256: \(fingerprint)") }
    if let tokens = options.tokens {
        say("Whoever shows one of \(tokens.count) tokens can join.")
    } else {
        say(
            "Whoever reaches \(places.count > 1 ? "one of these addresses" : "this address") can join, read everything and speak (--token-file asks for a token)."
        )
    }
    say("Ctrl+C ends it.")
}
