import Wire

/// Which proxy requests go through, as `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` say.
///
/// Both cases of a name are read, the lower one first; but never `HTTP_PROXY`: to a CGI program it is a field of the request, `Proxy`.
public struct ProxyEnvironment: Sendable, Hashable {
    private var http: HTTPProxy?
    private var https: HTTPProxy?
    private var exceptions: [ProxyException] = []
    /// Whether requests to this machine itself go through a proxy, too.
    public var proxiesLoopback = false

    /// None.
    public init() {}

    /// For everything but what `exceptions` names, in the form of `no_proxy`.
    public init(_ proxy: HTTPProxy, exceptions: String = "") {
        (http, https) = (proxy, proxy)
        self.exceptions = ProxyException.list(exceptions)
    }

    /// The names that are looked up.
    public static let names = ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"]

    /// Variables by their names. An empty one is as none.
    public init(_ variables: [String: String]) throws(WebURLError) {
        func value(_ names: String...) -> String? { names.lazy.compactMap { variables[$0] }.first { !$0.isEmpty } }
        let all = value("all_proxy", "ALL_PROXY")
        http = try Self.proxy(value("http_proxy") ?? all)
        https = try Self.proxy(value("https_proxy", "HTTPS_PROXY") ?? all)
        exceptions = ProxyException.list(value("no_proxy", "NO_PROXY") ?? "")
    }

    private static func proxy(_ text: String?) throws(WebURLError) -> HTTPProxy? {
        guard let text else { return nil }
        return try HTTPProxy(text)
    }

    /// Nil: straight to the host.
    public func proxy(for url: WebURL) -> HTTPProxy? {
        guard let proxy = url.scheme.isSecure ? https : http, proxiesLoopback || !url.isLoopback else { return nil }
        return exceptions.contains { $0.covers(url) } ? nil : proxy
    }
}

/// A proxy that is spoken to in plain HTTP.
public struct HTTPProxy: Sendable, Hashable, CustomStringConvertible {
    public let host: String
    public let port: UInt16
    /// The value of `Proxy-Authorization`.
    public let authorization: String?

    /// `http://user:password@host:port`; the scheme may be left out. Other schemes are refused.
    public init(_ text: String) throws(WebURLError) {
        let url = try WebURL(text.contains("://") ? text : "http://" + text, allowsCredentials: true)
        guard url.scheme == .http else {
            throw WebURLError(.scheme, "expected a proxy's URL with http://, got \(url.scheme.rawValue)://")
        }
        (host, port, authorization) = (url.host, url.port, url.credentials?.basic)
    }

    /// Without user and password.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// A member of `no_proxy`: `*`, a domain with all that is below it, an address or a network, each but the last with a port where it matters.
private struct ProxyException: Hashable {
    private enum Kind: Hashable {
        case all
        case domain(String)
        case network(IPNetwork)
    }

    private let kind: Kind
    private let port: UInt16?

    /// What is no exception in any form is passed over, as every reader of this variable does.
    static func list(_ text: String) -> [ProxyException] {
        text.split { $0 == "," || $0 == " " || $0 == "\t" }.compactMap { ProxyException(String($0)) }
    }

    private init?(_ text: String) {
        var name = text.lowercased()[...]
        var port: UInt16?
        if name.hasPrefix("["), let end = name.lastIndex(of: "]") {
            port = UInt16(name[end...].dropFirst(2))
            name = name[..<end].dropFirst()
        } else if name.filter({ $0 == ":" }).count == 1, let colon = name.lastIndex(of: ":") {
            guard let number = UInt16(name[colon...].dropFirst()) else { return nil }
            port = number
            name = name[..<colon]
        }
        self.port = port
        if name == "*" {
            kind = .all
        } else if let network = IPNetwork(String(name)) {
            kind = .network(network)
        } else {
            if name.hasPrefix("*.") { name = name.dropFirst() }
            let domain = name.hasPrefix(".") ? name.dropFirst() : name
            guard !domain.isEmpty else { return nil }
            kind = .domain(String(domain))
        }
    }

    func covers(_ url: WebURL) -> Bool {
        guard port == nil || port == url.port else { return false }
        switch kind {
        case .all: return true
        case .domain(let domain): return url.host == domain || url.host.hasSuffix("." + domain)
        case .network(let network): return IPAddress(url.host).map(network.contains) ?? false
        }
    }
}
