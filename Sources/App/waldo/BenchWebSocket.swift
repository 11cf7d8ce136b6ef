import Glibc
import HTTP
import Service
import Web
import Wire

private let benchWebSocketUsage = """
    usage: waldo bench ws URL [OPTIONS]

    Opens a WebSocket. Lines of standard input are sent as text messages, messages are printed; at the end of the input it is closed.

      --protocol NAME    offer this sub-protocol; may be repeated
      --field NAME:VALUE one more field of the request; may be repeated
      --compress         offer permessage-deflate
      --binary           send the lines as binary messages
      --messages N       close after so many messages of the other side, not at the end of the input
      --stay             stay until the other side closes
      --ping SECONDS     ask after so much silence                   (20)
      --limit BYTES      the longest message that is taken           (1048576)
      --unix PATH        connect to this Unix-domain socket
    \(clientUsage)

    Lines out:
      open [PROTOCOL]
      text MESSAGE, binary HEX       one line each; long ones as they are
      closed CODE [REASON]           the end, with status 0 for code 1000, else 1
    """

func runBenchWebSocket(_ arguments: [String]) -> Never {
    let line = CommandLineOptions(
        Array(arguments.first?.hasPrefix("--") == false ? arguments.dropFirst() : arguments[...]),
        known: clientOptions.union(["protocol", "ping", "limit", "messages"]), switches: ["compress", "binary", "stay", "tls-insecure"],
        usage: benchWebSocketUsage)
    let url = line.url(arguments.first, usage: benchWebSocketUsage)
    var options = WebSocketClientOptions()
    options.protocols = line.texts("protocol")
    options.offersCompression = line.isOn("compress")
    options.fields = line.fields()
    options.socketPath = line.text("unix")
    let ping = line.number("ping", 1...3600, default: 20)
    options.connection.pingAfter = .seconds(ping)
    options.connection.goneAfter = .seconds(ping * 2 + 5)
    options.connection.messageLimit = line.number("limit", 1...(1 << 30), default: 1 << 20)
    options.connection.queueLimit = max(1 << 20, options.connection.messageLimit * 2)
    signal(SIGPIPE, SIG_IGN)
    let fetch: WebFetch
    do { fetch = try WebFetch(line.fetchOptions()) } catch { failToStart(error) }
    let messages = line.text("messages").map { _ in line.number("messages", 1...1_000_000_000, default: 1) }
    _ = Task { [options] in
        do { try await fetch.connect(url, options, messages: messages, onNews: show) } catch { failToStart(error) }
    }
    while let text = readLine() { put(line.isOn("binary") ? .binary(Array(text.utf8)) : .text(text), fetch) }
    if !line.isOn("stay"), messages == nil { put(.close(.normal, ""), fetch) }
    while true { pause() }
}

/// Waits while the other side is behind.
private func put(_ order: WebFetch.WebSocketOrder, _ fetch: WebFetch) { while !fetch.put(order) { usleep(1000) } }

private func show(_ news: WebFetch.WebSocketNews) {
    switch news {
    case .open(let name): say("open" + (name.map { " \($0)" } ?? ""))
    case .text(let text): say("text \(text)")
    case .binary(let bytes): say("binary \(Hex.encode(bytes))")
    case .closed(let code, let reason):
        say("closed \(code.rawValue)" + (reason.isEmpty ? "" : " \(reason)"))
        exit(code == .normal ? 0 : 1)
    case .failed(let error):
        let text = "waldo: \(error)\n"
        _ = unsafe write(2, text, text.utf8.count)
        exit(1)
    }
}
