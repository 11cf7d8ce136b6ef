import HTTP
import Wire

/// Why a request has no answer, or not all of it.
public enum HTTPClientError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was waited for when the time was over.
    public enum Stage: String, Sendable, Hashable {
        case connection = "a free connection"
        case name = "the addresses of the name"
        case tcp = "the TCP connection"
        case proxy = "the proxy's tunnel"
        case tls = "the TLS handshake"
        case request = "the request to be taken"
        case response = "the response"
        case body = "the rest of the response"
    }

    case url(WebURLError)
    /// `https` or `wss` by a client that was made without TLS.
    case noSecurity(host: String)
    /// As many requests wait as may.
    case tooManyWaiting(limit: Int)
    /// As many WebSockets are open as may.
    case tooManyWebSockets(limit: Int)
    case nameUnknown(host: String)
    /// No address of the host takes a connection: what the last one said.
    case unreachable(host: String, reason: String)
    /// The TLS handshake failed, or the protection broke later.
    case tls(host: String, reason: String)
    /// The proxy opens no tunnel.
    case proxy(proxy: String, host: String, status: HTTPStatus)
    case timeout(host: String, Stage, after: Duration)
    /// The connection ended before anything of a response came.
    case closed(host: String)
    /// The connection ended inside the response.
    case truncated(host: String)
    /// What came is no response.
    case malformed(host: String, HTTPError)
    case bodyTooLong(host: String, limit: Int)
    /// The body is not what its Content-Encoding says.
    case badEncoding(host: String)
    case tooManyRedirects(limit: Int, last: String)
    /// A redirection leads where the client does not go.
    case redirect(from: String, reason: String)
    /// The server does not speak WebSocket here.
    case noWebSocket(host: String, status: HTTPStatus, reason: String)
    case cancelled

    public var description: String {
        switch self {
        case .url(let error): "the URL: \(error)"
        case .noSecurity(let host): "\(host): https was asked for, but this client was made without TLS"
        case .tooManyWaiting(let limit): "\(limit) requests wait already: the servers are slower than the requests come"
        case .tooManyWebSockets(let limit): "\(limit) WebSockets are open already: close some, or allow more"
        case .nameUnknown(let host): "\(host): no address is known for this name (check the name and the DNS server)"
        case .unreachable(let host, let reason): "\(host): cannot connect: \(reason)"
        case .tls(let host, let reason): "\(host): TLS failed: \(reason)"
        case .proxy(let proxy, let host, let status): "the proxy \(proxy) opens no tunnel to \(host): \(status)"
        case .timeout(let host, let stage, let after): "\(host): waited \(Self.seconds(after)) for \(stage.rawValue)"
        case .closed(let host): "\(host): the connection ended before a response"
        case .truncated(let host): "\(host): the connection ended inside the response"
        case .malformed(let host, let error): "\(host): the response cannot be read: \(error)"
        case .bodyTooLong(let host, let limit): "\(host): the response is longer than \(limit) bytes"
        case .badEncoding(let host): "\(host): the response's body is damaged: it is no whole gzip data"
        case .tooManyRedirects(let limit, let last): "more than \(limit) redirections, the last to \(last)"
        case .redirect(let from, let reason): "\(from) redirects where this client does not go: \(reason)"
        case .noWebSocket(let host, let status, let reason): "\(host): no WebSocket, the answer was \(status): \(reason)"
        case .cancelled: "the request was given up"
        }
    }

    private static func seconds(_ duration: Duration) -> String {
        let milliseconds = duration.wholeMilliseconds
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000) s" : "\(milliseconds) ms"
    }
}
