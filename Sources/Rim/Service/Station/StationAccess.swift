import HTTP
import Teleop
import Web
import Wire

/// Who may do what at a station: by a token, or everybody where it listens to this machine alone.
struct StationAccess {
    /// Nil: everybody supervises.
    let token: String?
    let viewerToken: String?
    /// Without a token, only requests by these names are answered: a page elsewhere could have its own name lead here (DNS rebinding).
    /// Nil: any.
    let hosts: Set<String>?
    static let cookie = "waldo_token"

    /// `supervisor`, `viewer`, nil for what needs nobody, or the answer that refuses.
    func user(of request: HTTPRequest) throws(HTTPProblem) -> String? {
        let host = request.fields["host"] ?? ""
        if let hosts, !hosts.contains(Self.name(host)) {
            throw HTTPProblem(
                .forbidden, "unknown_host", "this station answers to \(hosts.sorted().joined(separator: ", ")), not to \(Self.name(host))")
        }
        try checkOrigin(request, host)
        if request.target.segments == ["api", "health"] { return nil }
        guard let token else { return "supervisor" }
        if let user = known(request, token) { return user }
        // People are told by a page: see `asking`.
        if Self.isVisit(request) { return nil }
        guard shown(by: request) == nil else { throw refusal("this token is not the station's; it prints the right one when it starts") }
        throw refusal(
            "this station asks for its token: open the address that it printed when it started, or send `Authorization: Bearer TOKEN`")
    }

    private func known(_ request: HTTPRequest, _ token: String) -> String? {
        guard let shown = shown(by: request) else { return nil }
        if Self.isSame(shown, token) { return "supervisor" }
        return viewerToken.map { Self.isSame(shown, $0) } == true ? "viewer" : nil
    }

    /// Nothing else goes into a cookie: what an address carries may hold line ends.
    func isKnown(_ shown: String) -> Bool { [token, viewerToken].contains { $0.map { Self.isSame(shown, $0) } == true } }

    /// Somebody has opened the station's address in a browser.
    static func isVisit(_ request: HTTPRequest) -> Bool {
        request.method == .get && request.target.segments.isEmpty && request.fields["accept"]?.contains("text/html") == true
    }

    private func refusal(_ message: String) -> HTTPProblem {
        HTTPProblem(.unauthorized, "unauthorized", message, fields: ["WWW-Authenticate": "Bearer"])
    }

    /// What a browser shows to somebody who comes without the token.
    func asking() -> HTTPResponse { .text(Self.askingPage, type: "text/html; charset=utf-8", .unauthorized) }

    private static let askingPage = """
        <!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Waldo</title>
        <h1>This station asks for its token</h1>
        <p>Open the address that it printed when it started (or scan the code in its terminal): it ends in <code>?token=…</code></p>
        """

    /// A page of another site may look at pictures, but asks for nothing that has an effect.
    private func checkOrigin(_ request: HTTPRequest, _ host: String) throws(HTTPProblem) {
        let hasEffect = request.method != .get && request.method != .head || request.fields.contains("upgrade")
        guard hasEffect, let origin = request.fields["origin"] else { return }
        let place = origin.split(separator: "/", omittingEmptySubsequences: true).last.map(String.init) ?? ""
        guard place.lowercased() == host.lowercased() else {
            throw HTTPProblem(.forbidden, "origin_not_allowed", "pages of \(origin) may not use this station")
        }
    }

    /// Without the port.
    private static func name(_ host: String) -> String {
        if host.hasPrefix("[") { return String(host.dropFirst().prefix { $0 != "]" }) }
        return String(host.prefix { $0 != ":" }).lowercased()
    }

    static func rights(of user: String?) -> Rights { user == "supervisor" ? .supervise : .viewer }

    private func shown(by request: HTTPRequest) -> String? {
        if let field = request.fields["authorization"] {
            return field.lowercased().hasPrefix("bearer ") ? String(field.dropFirst(7)) : nil
        }
        if let token = request.target["token"] { return token }
        for pair in (request.fields["cookie"] ?? "").split(separator: ";") {
            let parts = pair.split(separator: "=", maxSplits: 1)
            if parts.count == 2, parts[0].trimmed() == Self.cookie { return parts[1].trimmed() }
        }
        return nil
    }

    private static func isSame(_ shown: String, _ token: String) -> Bool { ConstantTime.isSame(Array(shown.utf8), Array(token.utf8)) }
}

extension Substring {
    fileprivate func trimmed() -> String {
        var text = self
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
