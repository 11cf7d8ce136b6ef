/// Where a redirection leads (RFC 9110 clause 15.4).
public struct HTTPRedirect: Sendable, Equatable {
    public let url: WebURL
    public let method: HTTPMethod
    /// The request's body and what describes it go along.
    public let keepsBody: Bool
    /// What was meant for one server only, as credentials, goes along.
    public let keepsCredentials: Bool
    /// From TLS to plain text.
    public let isDowngrade: Bool

    /// Nil when the answer is none, or does not say where. Throws when it leads where nobody can go.
    public init?(_ response: HTTPResponseHead, to method: HTTPMethod, at url: WebURL) throws(WebURLError) {
        guard [301, 302, 303, 307, 308].contains(response.status.rawValue), let location = response.fields["location"] else { return nil }
        let next = try url.resolve(location)
        guard next.scheme.isWebSocket == url.scheme.isWebSocket else {
            throw WebURLError(.scheme, "expected a redirection to http:// or https://, got \(next.scheme.rawValue)://")
        }
        self.url = next
        switch response.status.rawValue {
        // Historic: what was posted becomes a question (clauses 15.4.2 and 15.4.3).
        case 301, 302: self.method = method == .post ? .get : method
        case 303: self.method = method == .head ? .head : .get
        default: self.method = method
        }
        keepsBody = self.method == method
        keepsCredentials = next.origin == url.origin
        isDowngrade = url.scheme.isSecure && !next.scheme.isSecure
    }

    /// A request's fields without those that must not go along (RFC 9110 clause 15.4).
    public func fields(of fields: HTTPFields) -> HTTPFields {
        var kept = HTTPFields()
        for (name, value) in fields {
            let lower = name.lowercased()
            if !keepsCredentials, Self.ofOneServer.contains(lower) { continue }
            if !keepsBody, Self.ofTheBody.contains(lower) { continue }
            kept.append(name, value)
        }
        return kept
    }

    private static let ofOneServer: Set = [
        "authorization", "cookie", "proxy-authorization", "host", "origin", "referer",
        // Keys that have no field of their own in any RFC.
        "x-api-key", "api-key", "x-goog-api-key", "x-auth-token", "x-amz-security-token", "x-csrf-token", "x-xsrf-token",
    ]
    private static let ofTheBody: Set = [
        "content-type", "content-length", "content-encoding", "content-language", "content-location", "digest", "content-digest",
        "last-modified", "transfer-encoding",
    ]
}
