import Crypto
import Glibc
import HTTP
import Service
import Web
import Wire

private let benchGetUsage = """
    usage: waldo bench get URL [OPTIONS]

    Fetches with the HTTP client, and prints status, fields and body. Status 1: no whole answer.

      --method NAME      (GET; with --body POST)
      --body TEXT        the request's body; @FILE: what is in the file
      --field NAME:VALUE one more field; may be repeated
      --output FILE      write the body there
      --repeat N         ask N times, one after another
      --gzip             take gzip, and expand it
      --redirects N      follow at most N                           (5)
      --unix PATH        connect to this Unix-domain socket
      --timeout SECONDS  for the whole of each request              (60)
    \(clientUsage)
    """

/// What both tools of the client know.
let clientUsage = """
      --proxy URL        go through this proxy, also to this machine; none: through no proxy   (the environment's)
      --tls-ca FILE      trust these certificates (PEM), not the system's
      --tls-insecure     trust any certificate: for tests
    """
let clientOptions: Set = ["proxy", "tls-ca", "field", "unix"]

extension CommandLineOptions {
    func fetchOptions() -> WebFetch.Options {
        var options = WebFetch.Options()
        if let file = text("tls-ca") { options.trust = .file(file) }
        if isOn("tls-insecure") { options.trust = .anyone }
        do throws(WebURLError) {
            switch text("proxy") {
            case nil: options.client.proxies = try .ofProcess()
            case "none": break
            case let proxy?:
                options.client.proxies = ProxyEnvironment(try HTTPProxy(proxy))
                options.client.proxies.proxiesLoopback = true
            }
        } catch { fail("proxy: \(error)") }
        options.client.limits.body = .max
        return options
    }

    func url(_ text: String?, usage: String) -> WebURL {
        guard let text, !text.hasPrefix("--") else { fail("expected a URL", usage: usage) }
        do throws(WebURLError) { return try WebURL(text) } catch { fail("\(text): \(error)") }
    }

    func fields() -> HTTPFields {
        var fields = HTTPFields()
        for text in texts("field") {
            let parts = text.split(separator: ":", maxSplits: 1).map { $0.drop { $0 == " " } }
            guard parts.count == 2, HTTPFields.isName(String(parts[0])), HTTPFields.isValue(String(parts[1])) else {
                fail("--field: expected NAME:VALUE, got `\(text)`")
            }
            fields.append(String(parts[0]), String(parts[1]))
        }
        return fields
    }
}

func runBenchGet(_ arguments: [String]) -> Never {
    let line = CommandLineOptions(
        arguments.first?.hasPrefix("--") == false ? Array(arguments.dropFirst()) : arguments,
        known: clientOptions.union(["method", "body", "output", "repeat", "redirects", "timeout"]), switches: ["gzip", "tls-insecure"],
        usage: benchGetUsage)
    let body = line.text("body").map { read(body: $0) }
    let method = HTTPMethod(rawValue: line.text("method") ?? (body == nil ? "GET" : "POST"))
    guard HTTPFields.isName(method.rawValue) else { fail("--method: expected a method, got `\(method)`") }
    var request = HTTPClientRequest(method, line.url(arguments.first, usage: benchGetUsage), fields: line.fields(), body: body ?? [])
    request.acceptsGzip = line.isOn("gzip")
    request.socketPath = line.text("unix")
    request.redirects = line.number("redirects", 0...100, default: 5)
    request.requestTimeout = .seconds(line.number("timeout", 1...86_400, default: 60))
    let output = line.text("output").map { path in
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { fail("cannot write \(path)") }
        return descriptor
    }
    let count = line.number("repeat", 1...1_000_000, default: 1)
    signal(SIGPIPE, SIG_IGN)
    _ = Task.detached { [request] in
        do {
            let fetch = try WebFetch(line.fetchOptions())
            var summary = WebFetch.Summary()
            for _ in 0..<count {
                summary = try await fetch.fetch(request, onHead: show) { write(all: $0, to: output ?? 1) }
                if output == nil { say("") }
            }
            if count > 1 { say("\(summary.requests) requests, \(summary.connections) connections") }
            exit(0)
        } catch {
            let text = "waldo: \(error)\n"
            _ = unsafe write(2, text, text.utf8.count)
            exit(1)
        }
    }
    while true { pause() }
}

private func show(_ head: HTTPClientHead) {
    say("\(head.status) from \(head.url)")
    for (name, value) in head.fields { say("\(name): \(value)") }
    say("")
}

private func read(body text: String) -> [UInt8] {
    guard text.hasPrefix("@") else { return Array(text.utf8) }
    do { return try readFile(String(text.dropFirst()), limit: 1 << 30) } catch { fail("--body: \(error)") }
}

private func write(all bytes: [UInt8], to descriptor: Int32) {
    var sent = 0
    while sent < bytes.count {
        let count = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress! + sent, bytes.count - sent) }
        guard count > 0 else { exit(1) }
        sent += count
    }
}
