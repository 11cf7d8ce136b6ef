import HTTP
import Web
import Wire
import XCTest

/// What a router decides by a request's head, and what it builds on.
final class RouterTests: XCTestCase {
    private func request(_ method: HTTPMethod, _ target: String, from address: String = "192.0.2.1", fields: HTTPFields = [:])
        -> HTTPRequest
    {
        HTTPRequest(
            head: HTTPRequestHead(method, target, fields: fields), target: HTTPTarget(target)!,
            client: ForwardedClient(address: IPAddress(address)!, isSecure: false), id: "1")
    }

    private func refusal(_ router: Router, _ request: HTTPRequest) -> HTTPProblem? {
        var request = request
        do throws(HTTPProblem) {
            _ = try router.admit(&request)
            return nil
        } catch { return error }
    }

    func testRoutesAreFoundAndOthersRefused() {
        let router = Router()
        router.get("/robots/{id}", "one") { _ in .text("") }
        router.get("/robots/all", "all") { _ in .text("") }
        router.post("/files/{path*}", "rest") { _ in .text("") }
        for (method, target) in [
            (HTTPMethod.get, "/robots/7"), (.get, "/robots/all"), (.head, "/robots/7"), (.post, "/files/a/b"), (.options, "/robots/7"),
        ] {
            XCTAssertNil(refusal(router, request(method, target)), "\(method) \(target)")
        }
        for target in ["/robots", "/robots/7/x", "/", "/robots/", "/file"] {
            XCTAssertEqual(refusal(router, request(.get, target))?.status, .notFound, target)
        }
        let wrong = refusal(router, request(.delete, "/robots/7"))
        XCTAssertEqual(wrong?.status, .methodNotAllowed)
        XCTAssertEqual(wrong?.fields["Allow"], "GET, HEAD, OPTIONS")
    }

    func testTooManyRequestsOfOneAddressAreRefused() {
        var options = RouterOptions()
        options.rate = RateLimit(perSecond: 0.01, burst: 3)
        let router = Router(options)
        router.get("/", "root") { _ in .text("") }
        for _ in 0..<3 { XCTAssertNil(refusal(router, request(.get, "/"))) }
        let problem = refusal(router, request(.get, "/"))
        XCTAssertEqual(problem?.status, .tooManyRequests)
        XCTAssertTrue((Int(problem?.fields["Retry-After"] ?? "") ?? 0) > 50)
        XCTAssertNil(refusal(router, request(.get, "/", from: "192.0.2.2")), "another address has its own")
    }

    func testARouteMayHaveALimitOfItsOwn() {
        let router = Router()
        var dear = Route(.get, "/dear/{id}", "costs", handler: .value { _ in .text("") })
        dear.rate = RateLimit(perSecond: 0.01, burst: 1)
        router.add(dear)
        router.get("/cheap", "does not") { _ in .text("") }
        XCTAssertNil(refusal(router, request(.get, "/dear/1")))
        let problem = refusal(router, request(.get, "/dear/2"))
        XCTAssertEqual(problem?.status, .tooManyRequests, "the route counts, not the path")
        XCTAssertEqual(problem?.fields["Retry-After"], "100")
        XCTAssertNil(refusal(router, request(.get, "/dear/1", from: "192.0.2.2")))
        for _ in 0..<5 { XCTAssertNil(refusal(router, request(.get, "/cheap"))) }
    }

    func testUsersAreAskedForBeforeTheirBodyIsRead() {
        var options = RouterOptions()
        options.authenticate = { request throws(HTTPProblem) in
            guard let word = request.fields["Authorization"] else { return nil }
            guard word.hasPrefix("Bearer ") else { throw HTTPProblem(.unauthorized, "bad_token", "expected a bearer token") }
            guard word != "Bearer banned" else { throw HTTPProblem(.forbidden, "banned", "this user may not") }
            return String(word.dropFirst(7))
        }
        options.ratePerUser = RateLimit(perSecond: 0.01, burst: 2)
        let router = Router(options)
        var secret = Route(.post, "/secret/{what}", "for users", handler: .value { _ in .text("") })
        secret.needsUser = true
        router.add(secret)
        secret = Route(.get, "/ws", "for users, too", handler: .webSocket(WebSocketOptions()) { _ in })
        secret.needsUser = true
        router.add(secret)
        router.get("/open", "for all") { _ in .text("") }
        XCTAssertNil(refusal(router, request(.get, "/open")))
        for (method, path) in [(HTTPMethod.post, "/secret/x"), (.get, "/ws")] {
            let nobody = refusal(router, request(method, path))
            XCTAssertEqual(nobody?.status, .unauthorized)
            XCTAssertEqual(nobody?.fields["WWW-Authenticate"], "Bearer")
            XCTAssertEqual(refusal(router, request(method, path, fields: ["Authorization": "Basic x"]))?.code, "bad_token")
            XCTAssertEqual(refusal(router, request(method, path, fields: ["Authorization": "Bearer banned"]))?.status, .forbidden)
        }
        var known = request(.post, "/secret/door", fields: ["Authorization": "Bearer ada"])
        XCTAssertNoThrow(try router.admit(&known))
        XCTAssertEqual(known.user, "ada")
        XCTAssertEqual(known.parameters, ["what": "door"])
        XCTAssertNil(refusal(router, known))
        XCTAssertEqual(refusal(router, known)?.status, .tooManyRequests, "the third of this user")
        XCTAssertNil(refusal(router, request(.post, "/secret/x", fields: ["Authorization": "Bearer bob"])), "another user has more")
        XCTAssertNil(refusal(router, request(.options, "/secret/x")), "browsers ask without a user (Fetch standard clause 4.8)")
    }

    func testAnswersOverTLSAskToBeAskedSoAgain_RFC6797() {
        let router = Router()
        for isSecure in [false, true] {
            let request = HTTPRequest(
                head: HTTPRequestHead(.get, "/"), target: HTTPTarget("/")!,
                client: ForwardedClient(address: IPAddress("192.0.2.1")!, isSecure: isSecure), id: "1")
            var fields: HTTPFields = ["Content-Security-Policy": "mine"]
            router.decorate(&fields, request)
            XCTAssertEqual(fields.contains("Strict-Transport-Security"), isSecure)
            XCTAssertEqual(fields["Content-Security-Policy"], "mine")
        }
    }

    func testPagesOfOtherSitesMayNotOpenAWebSocket_RFC6455_10_2() {
        let router = Router()
        var webSocket = WebSocketOptions()
        webSocket.origins = ["https://here"]
        router.add(Route(.get, "/ws", "socket", handler: .webSocket(webSocket) { _ in }))
        XCTAssertEqual(refusal(router, request(.get, "/ws", fields: ["Origin": "https://evil"]))?.status, .forbidden)
        XCTAssertNil(refusal(router, request(.get, "/ws", fields: ["Origin": "https://here"])))
        XCTAssertNil(refusal(router, request(.get, "/ws")), "no browser")
    }

    func testCrossOriginFieldsAreForAllowedOriginsOnly() {
        var options = RouterOptions()
        options.allowedOrigins = ["https://a"]
        options.allowsCredentials = true
        let router = Router(options)
        for (origin, allowed) in [("https://a", "https://a"), ("https://b", nil)] as [(String, String?)] {
            var fields: HTTPFields = [:]
            router.decorate(&fields, request(.get, "/", fields: ["Origin": origin]))
            XCTAssertEqual(fields["Access-Control-Allow-Origin"], allowed)
            XCTAssertEqual(fields["Access-Control-Allow-Credentials"], allowed == nil ? nil : "true")
            XCTAssertEqual(fields["X-Content-Type-Options"], "nosniff")
        }
    }

    /// HTML Living Standard clause 9.2: only CR LF, CR and LF end a line.
    func testEventsAreReadAsTheyWereSent() throws {
        for text in ["", "one", "two\nlines", "\n", "a\u{2028}b\u{85}c\u{0b}d", " spaced", "id: 7"] {
            let bytes = EventStream.encode(text, event: "news\n", id: "4\r2\0")
            var reader = EventStreamReader()
            var offset = 0
            let event = try reader.next(bytes.span, &offset)
            XCTAssertEqual(event?.data, text)
            XCTAssertEqual(event?.type, "news")
            XCTAssertEqual(reader.lastEventID, "42")
        }
        XCTAssertEqual(EventStream.encode("a\r\nb\rc"), EventStream.encode("a\nb\nc"))
    }

    func testBucketsFillAgain() {
        var limiter = RateLimiter()
        let limit = RateLimit(perSecond: 2, burst: 2)
        XCTAssertNil(limiter.take("a", limit, at: .zero))
        XCTAssertNil(limiter.take("a", limit, at: .zero))
        XCTAssertEqual(limiter.take("a", limit, at: .zero), 1)
        XCTAssertNil(limiter.take("a", limit, at: .zero + .milliseconds(500)))
        XCTAssertEqual(limiter.take("a", limit, at: .zero + .milliseconds(600)), 1)
        for index in 0..<30_000 { _ = limiter.take("\(index)", limit, at: .zero + .seconds(index)) }
    }

    func testNetworksContainTheirAddresses() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.200.3.4", true), ("10.0.0.0/8", "11.0.0.1", false), ("192.0.2.128/25", "192.0.2.127", false),
            ("::1", "::1", true),
            ("2001:db8::/33", "2001:db8:7fff::1", true), ("2001:db8::/33", "2001:db8:8000::1", false), ("0.0.0.0/0", "::1", false),
            ("127.0.0.1", "127.0.0.2", false),
        ] {
            XCTAssertEqual(IPNetwork(network)?.contains(IPAddress(address)!), expected, "\(network) \(address)")
        }
        for text in ["", "10.0.0.0/33", "10.0.0.0/-1", "x/8", "10.0.0.0/8/8", "::/129"] { XCTAssertNil(IPNetwork(text), text) }
    }
}
