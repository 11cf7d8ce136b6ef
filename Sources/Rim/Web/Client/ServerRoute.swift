import HTTP

/// What a connection must agree in to serve a request.
struct ServerRoute: Hashable {
    let host: String
    let port: UInt16
    let isSecure: Bool
    let proxy: HTTPProxy?
    let socketPath: String?

    init(_ request: HTTPClientRequest, _ options: HTTPClientOptions) { self.init(request.url, socketPath: request.socketPath, options) }

    init(_ url: WebURL, socketPath: String?, _ options: HTTPClientOptions) {
        (host, port, isSecure) = (url.host, url.port, url.scheme.isSecure)
        self.socketPath = socketPath
        proxy = socketPath == nil ? options.proxies.proxy(for: url) : nil
    }

    /// For people.
    var name: String { socketPath ?? endpoint }
    /// With brackets where it is IPv6.
    var endpoint: String { host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
