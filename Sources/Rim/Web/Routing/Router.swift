import HTTP
import Reactor
import Wire

/// What holds for all routes.
public struct RouterOptions {
    /// For the document.
    public var title = "Waldo"
    public var version = "0"
    /// Origins of other sites whose pages may call; `*` for any, without credentials.
    public var allowedOrigins: [String] = []
    /// Whether pages of these origins may call with the user's cookies; never those that only `*` allows.
    public var allowsCredentials = false
    /// Fields of answers that these pages may read, beside the few that all may: `Location`.
    public var exposedFields: [String] = []
    /// Sent with every answer, as browsers' guard rails; HSTS is added where the client came by TLS.
    public var contentSecurityPolicy = "default-src 'self'; frame-ancestors 'none'"
    /// Of each client's address.
    public var rate: RateLimit?
    /// Of each user that `authenticate` names.
    public var ratePerUser: RateLimit?
    /// Who asks: a name, nil for nobody in particular, or the answer that refuses.
    public var authenticate: ((HTTPRequest) throws(HTTPProblem) -> String?)?
    /// A response went out, with so many bytes of body.
    public var onAnswer: ((HTTPRequest, HTTPStatus, _ bytes: Int) -> Void)?
    /// Where a handler's failure is said; the client learns only the request's id.
    public var log = Logger("web")

    public init() {}
}

/// Sends each request to its route, and does what all have in common: limits, users, CORS, security fields, one form of errors.
public final class Router: HTTPHandler {
    public let options: RouterOptions
    private var tree = RouteTree()
    private(set) var routes: [Route] = []
    private var limiter = RateLimiter()
    private var cachedDocument: [UInt8]?
    /// What every answer has that does not say otherwise.
    private let guardRails: HTTPFields

    public init(_ options: RouterOptions = RouterOptions()) {
        self.options = options
        guardRails = [
            "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Content-Security-Policy": options.contentSecurityPolicy,
        ]
        add(
            Route(
                .get, "/openapi.json", "This document", handler: .value { [unowned self] _ in .bytes(document(), type: "application/json") }
            ))
    }

    /// A second route of one path and method is a programming error.
    public func add(_ route: Route) {
        tree.add(route)
        routes.append(route)
        cachedDocument = nil
    }

    /// Adds a route that answers at once. What `handle` throws is an answer, too: an `HTTPProblem` as it is, `JSONError` and `JSONFieldError` as
    /// 400, anything else as 500, of which the log has the reason.
    public func get(_ path: String, _ summary: String, _ handle: @escaping (HTTPRequest) throws -> HTTPResponse) {
        add(Route(.get, path, summary, handler: .value(handle)))
    }

    public func post(_ path: String, _ summary: String, _ handle: @escaping (HTTPRequest) throws -> HTTPResponse) {
        add(Route(.post, path, summary, handler: .value(handle)))
    }

    private func document() -> [UInt8] {
        if let cachedDocument { return cachedDocument }
        let made = OpenAPI.document(title: options.title, version: options.version, routes: routes).encoded()
        cachedDocument = made
        return made
    }

    // MARK: before the body

    /// Everything that does not need the body is decided here: whoever may not do it does not get to send one.
    public func admit(_ request: inout HTTPRequest) throws(HTTPProblem) -> Int? {
        try limit(request)
        guard let (entry, parameters) = try route(of: request) else { return 0 }
        (request.route, request.parameters) = (entry.number, parameters)
        if let rate = entry.route.rate { try take("route \(entry.route.method) \(entry.route.path) \(request.client.address.site)", rate) }
        if case .webSocket(let options, _) = entry.route.handler { try checkOrigin(request, options) }
        if let authenticate = options.authenticate { request.user = try authenticate(request) }
        if entry.route.needsUser, request.user == nil {
            throw HTTPProblem(.unauthorized, "unauthorized", "this needs a user; sign in first", fields: ["WWW-Authenticate": "Bearer"])
        }
        if let rate = options.ratePerUser, let user = request.user { try take("user \(user)", rate) }
        return entry.route.bodyLimit
    }

    private func limit(_ request: HTTPRequest) throws(HTTPProblem) {
        if let rate = options.rate { try take("address \(request.client.address.site)", rate) }
    }

    private func take(_ key: String, _ rate: RateLimit) throws(HTTPProblem) {
        guard let seconds = limiter.take(key, rate, at: MonotonicClock.now()) else { return }
        throw HTTPProblem(
            .tooManyRequests, "rate_limited", "too many requests; try again in \(seconds) s", fields: ["Retry-After": String(seconds)])
    }

    /// Nil: OPTIONS, which is answered without a route.
    private func route(of request: HTTPRequest) throws(HTTPProblem) -> (RouteTree.Entry, [String: String])? {
        if request.method == .options, request.head.target == "*" { return nil }
        guard let match = tree.find(request.target.segments) else {
            throw HTTPProblem(.notFound, "not_found", "there is nothing at \(request.target.rawPath)")
        }
        if let route = match.routes[request.method] { return (route, match.parameters) }
        if request.method == .head, let route = match.routes[.get] { return (route, match.parameters) }
        if request.method == .options { return nil }
        throw HTTPProblem(
            .methodNotAllowed, "method_not_allowed", "\(request.method) is not possible at \(request.target.rawPath)",
            fields: ["Allow": Self.allow(match.routes)])
    }

    private static func allow(_ routes: [HTTPMethod: RouteTree.Entry]) -> String {
        var names = Set(routes.keys.map(\.rawValue) + ["OPTIONS"])
        if routes[.get] != nil { names.insert("HEAD") }
        return names.sorted().joined(separator: ", ")
    }

    /// A page of another site may not open a WebSocket with this user's cookies.
    private func checkOrigin(_ request: HTTPRequest, _ webSocket: WebSocketOptions) throws(HTTPProblem) {
        guard let allowed = webSocket.origins, let origin = request.fields["Origin"], !allowed.contains(origin) else { return }
        throw HTTPProblem(.forbidden, "origin_not_allowed", "pages of \(origin) may not connect here")
    }

    // MARK: the whole request

    public func handle(_ request: HTTPRequest, _ responder: HTTPResponder) {
        guard let number = request.route else { return responder.respond(answerOptions(request)) }
        do {
            switch tree.entries[number].route.handler {
            case .value(let answer): responder.respond(try answer(request))
            case .later(let answer): answer(request, responder)
            case .webSocket(let options, let open):
                if let session = responder.upgrade(options) { open(session) }
            }
        } catch { responder.respond(problem(error, request)) }
    }

    private func problem(_ error: any Error, _ request: HTTPRequest) -> HTTPProblem {
        switch error {
        case let problem as HTTPProblem: return problem
        case let field as JSONFieldError: return HTTPProblem(field)
        case let json as JSONError: return HTTPProblem(.badRequest, "invalid_json", json.description)
        default:
            options.log.error(
                "a handler failed",
                [
                    "error": LogValue(error), "method": .text(request.method.rawValue), "path": .text(request.target.rawPath),
                    "id": .text(request.id), "client": .address(request.client.address),
                ])
            let message = "this failed inside the server; its log says why, under request \(request.id)"
            return HTTPProblem(.internalServerError, "internal", message)
        }
    }

    public func answered(_ request: HTTPRequest, _ status: HTTPStatus, bytes: Int) { options.onAnswer?(request, status, bytes) }

    // MARK: what all answers have

    /// What OPTIONS is answered where no route of its own says more.
    public func answerOptions(_ request: HTTPRequest) -> HTTPResponse {
        var response = HTTPResponse(.noContent)
        let routes = tree.find(request.target.segments)?.routes
        let allow = routes.map(Self.allow) ?? "GET, HEAD, OPTIONS, POST"
        response.fields.append("Allow", allow)
        if let type = routes?[.post]?.route.bodyType { response.fields.append("Accept-Post", type) }
        if let type = routes?[.patch]?.route.bodyType { response.fields.append("Accept-Patch", type) }
        if request.fields.contains("Access-Control-Request-Method"), allowedOrigin(request) != nil {
            response.fields.append("Access-Control-Allow-Methods", allow)
            if let wanted = request.fields["Access-Control-Request-Headers"] {
                response.fields.append("Access-Control-Allow-Headers", wanted)
            }
            response.fields.append("Access-Control-Max-Age", "600")
        }
        return response
    }

    private func allowedOrigin(_ request: HTTPRequest) -> String? {
        guard !options.allowedOrigins.isEmpty, let origin = request.fields["Origin"] else { return nil }
        if options.allowedOrigins.contains(origin) { return origin }
        return options.allowedOrigins.contains("*") ? "*" : nil
    }

    /// Those that a handler has set stay.
    public func decorate(_ fields: inout HTTPFields, _ request: HTTPRequest) {
        fields.append("X-Request-Id", request.id)
        if fields.contains("Referrer-Policy") || fields.contains("Content-Security-Policy") {
            for (name, value) in guardRails where !fields.contains(name) { fields.append(name, value) }
        } else {
            fields.append(contentsOf: guardRails)
        }
        if request.client.isSecure { fields.append("Strict-Transport-Security", "max-age=31536000") }
        guard !options.allowedOrigins.isEmpty else { return }
        fields.append("Vary", "Origin")
        guard let origin = allowedOrigin(request) else { return }
        fields.append("Access-Control-Allow-Origin", origin)
        if !options.exposedFields.isEmpty {
            fields.append("Access-Control-Expose-Headers", options.exposedFields.joined(separator: ", "))
        }
        if options.allowsCredentials, origin != "*" { fields.append("Access-Control-Allow-Credentials", "true") }
    }
}
