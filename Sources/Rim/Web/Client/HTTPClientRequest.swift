import HTTP
import Wire

/// What to ask, and of whom.
public struct HTTPClientRequest: Sendable {
    public var method: HTTPMethod
    public var url: WebURL
    /// `Host`, `User-Agent`, `Accept` and `Accept-Encoding` have values of their own where none stands here. What belongs to the connection or
    /// frames the body (`Connection`, `Content-Length`, …) is the client's, and is passed over.
    public var fields: HTTPFields
    public var body: [UInt8]
    /// A Unix-domain socket that takes the place of host and port. Never through a proxy.
    public var socketPath: String?
    /// Bytes of the response's body; nil: the client's.
    public var bodyLimit: Int?
    /// These three: nil for the client's (`HTTPClientOptions`).
    public var requestTimeout: Duration?
    public var silenceTimeout: Duration?
    public var redirects: Int?
    /// Whether a body may come compressed with gzip; it is handed on as it was before, and counts so against the limit. Otherwise the request says
    /// `Accept-Encoding: identity`, and a body that comes in another coding is left as it is: `Content-Encoding` says so.
    public var acceptsGzip = false

    public init(_ method: HTTPMethod, _ url: WebURL, fields: HTTPFields = HTTPFields(), body: [UInt8] = []) {
        (self.method, self.url, self.fields, self.body) = (method, url, fields, body)
    }

    public init(_ method: HTTPMethod, _ url: String, fields: HTTPFields = HTTPFields(), body: [UInt8] = []) throws(HTTPClientError) {
        do throws(WebURLError) { self.init(method, try WebURL(url), fields: fields, body: body) } catch { throw .url(error) }
    }

    /// The client's own: where they stood, the message could be read in two ways.
    private static let ofTheConnection: Set = [
        "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "content-length", "upgrade", "expect",
        "proxy-authorization",
    ]

    /// The head as it goes out. `proxy`: asked for the whole URL, in plain HTTP.
    func head(userAgent: String, through proxy: HTTPProxy?, expectsContinue: Bool) -> HTTPRequestHead {
        var sent = HTTPFields()
        sent.append("Host", fields["host"] ?? url.authority)
        if !fields.contains("user-agent") { sent.append("User-Agent", userAgent) }
        if !fields.contains("accept") { sent.append("Accept", "*/*") }
        if !fields.contains("accept-encoding") { sent.append("Accept-Encoding", acceptsGzip ? "gzip" : "identity") }
        for (name, value) in fields where name.lowercased() != "host" && !Self.ofTheConnection.contains(name.lowercased()) {
            sent.append(name, value)
        }
        if let authorization = proxy?.authorization { sent.append("Proxy-Authorization", authorization) }
        if !body.isEmpty || method.usuallyHasBody { sent.append("Content-Length", String(body.count)) }
        if expectsContinue { sent.append("Expect", "100-continue") }
        let target = proxy == nil ? url.target : "http://\(url.authority)\(url.target)"
        return HTTPRequestHead(method, target, fields: sent)
    }
}

/// The beginning of an answer.
public struct HTTPClientHead: Sendable {
    /// Where it came from, after redirections.
    public var url: WebURL
    public var status: HTTPStatus
    public var fields: HTTPFields

    /// Seconds that the server wants to be left alone (RFC 9110 clause 10.2.3), where it says so as a number.
    public var retryAfter: Duration? {
        guard let text = fields["retry-after"], (1...6).contains(text.utf8.count), let seconds = Int(text), seconds >= 0 else { return nil }
        return .seconds(seconds)
    }
}

/// A whole answer.
public struct HTTPClientResponse: Sendable {
    public var head: HTTPClientHead
    public var body: [UInt8]

    public var status: HTTPStatus { head.status }
    public var fields: HTTPFields { head.fields }
    public var url: WebURL { head.url }
    /// The body as UTF-8; what is none becomes U+FFFD.
    public var text: String { String(decoding: body, as: UTF8.self) }
}
