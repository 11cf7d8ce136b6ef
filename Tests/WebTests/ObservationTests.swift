import Foundation
import HTTP
import Reactor
import TestSupport
import Web
import Wire
import XCTest

/// What a server tells of itself while clients come, ask, leave and stay: figures, and lines of the log.
final class ObservationTests: XCTestCase {
    private struct Failure: Error, CustomStringConvertible { let description = "broken\ninside" }

    private final class Kept: LogSink {
        let records = Log<LogRecord>()
        func log(_ record: LogRecord) { records.add(record) }
    }

    /// A server with one of each thing that ends in its own way.
    private final class Served {
        let registry = MetricsRegistry()
        let server: HTTPServer
        private let router: Router
        var streams: [ResponseStream] = []
        var responders: [HTTPResponder] = []
        var sockets: [WebSocketSession] = []

        init(_ reactor: Reactor, _ sink: Kept, trusting proxies: [IPNetwork] = []) {
            var options = RouterOptions()
            options.log = Logger("web", to: sink)
            options.authenticate = { request throws(HTTPProblem) in request.fields["X-User"] }
            router = Router(options)
            var limits = HTTPServerOptions()
            limits.connectionsPerAddress = 3
            limits.trustedProxies = proxies
            server = HTTPServer(handler: router, options: limits, reactor: reactor)
            server.metrics = HTTPServerMetrics(registry)
            server.accessLog = Logger("access", to: sink)
            router.get("/text/{name}", "text") { .text($0.parameters["name"] ?? "") }
            router.get("/fail", "fails") { _ in throw Failure() }
            router.post("/form", "a form") { .text(try $0.form().parts.map(\.name).joined(separator: ",")) }
            router.add(Route(.get, "/never", "never", handler: .later { [unowned self] in responders.append($1) }))
            router.add(
                Route(
                    .get, "/stream", "stream",
                    handler: .later { [unowned self] _, responder in
                        guard let stream = responder.stream(HTTPResponseHead(.accepted)) else { return }
                        stream.write(Array("12345".utf8))
                        streams.append(stream)
                    }))
            router.add(Route(.get, "/ws/{id}", "socket", handler: .webSocket(WebSocketOptions()) { [unowned self] in sockets.append($0) }))
            router.addMetrics(registry)
        }
    }

    private actor Host {
        nonisolated let reactor: Reactor
        nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
        private var served: Served?

        init() throws { reactor = try Reactor(name: "test-reactor") }

        func start(_ sink: Kept) throws -> UInt16 {
            let made = Served(reactor, sink)
            served = made
            return try made.server.listen(SocketAddress(IPAddress(127, 0, 0, 1), 0)).port
        }

        /// Another, behind these proxies.
        func serve(trusting proxies: [IPNetwork]) throws -> UInt16 {
            served?.server.close()
            let made = Served(reactor, Kept(), trusting: proxies)
            served = made
            return try made.server.listen(SocketAddress(IPAddress(127, 0, 0, 1), 0)).port
        }

        func with<T: Sendable>(_ body: @Sendable (Served) -> T) -> T { body(served!) }

        func stop() {
            served?.server.close()
            served = nil
            reactor.stop()
        }

        /// The figures by name and labels.
        var figures: [String: Double] {
            let lines = String(decoding: served!.registry.text(), as: UTF8.self).split(separator: "\n").filter { !$0.hasPrefix("#") }
            return Dictionary(
                uniqueKeysWithValues: lines.map { (String($0[..<$0.lastIndex(of: " ")!]), Double($0.split(separator: " ").last!)!) })
        }
    }

    private let sink = Kept()
    private var host: Host!
    private var port: UInt16 = 0

    override func setUp() async throws {
        host = try Host()
        port = try await host.start(sink)
    }

    override func tearDown() async throws { await host.stop() }

    private func connect(_ text: String) throws -> Int32 { try RawClient.connect(to: port, sending: text) }

    private func ask(_ method: String, _ target: String, _ more: String = "") throws -> String {
        RawClient.readToEnd(try connect("\(method) \(target) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\(more)\r\n"))
    }

    private func lines(_ subject: String) -> [[String: LogValue]] {
        sink.records.all.filter { $0.subject == subject }.map {
            Dictionary(uniqueKeysWithValues: $0.fields.all.map { ($0.name, $0.value) })
        }
    }

    func testRequestsAreCountedByMethodAndClassOfStatus() async throws {
        for target in ["/text/a", "/text/b", "/none"] { _ = try ask("GET", target) }
        _ = try ask("DELETE", "/text/a")
        _ = try ask("BREW", "/text/a")
        _ = RawClient.readToEnd(try connect("nonsense\r\n\r\n"))
        let type = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\nConnection: close\r\n"
        let form = RawClient.readToEnd(try connect("POST /form HTTP/1.1\r\nHost: x\r\n\(type)\r\na=1&b=2"))
        XCTAssertTrue(form.hasSuffix("\r\n\r\na,b"), form)
        try await eventually("all connections are gone") { await host.figures["waldo_http_connections"] == 0 }
        let figures = await host.figures
        for (labels, count) in [
            ("method=\"GET\",status=\"2xx\"", 2), ("method=\"GET\",status=\"4xx\"", 1), ("method=\"DELETE\",status=\"4xx\"", 1),
            ("method=\"other\",status=\"4xx\"", 1), ("method=\"unreadable\",status=\"4xx\"", 1), ("method=\"POST\",status=\"2xx\"", 1),
        ] {
            XCTAssertEqual(figures["waldo_http_requests_total{\(labels)}"], Double(count), labels)
        }
        XCTAssertEqual(figures["waldo_http_connections_accepted_total"], 7)
        XCTAssertEqual(figures["waldo_http_request_duration_seconds_count"], 6)
        XCTAssertEqual(figures["waldo_http_request_duration_seconds_bucket{le=\"10\"}"], 6)
        XCTAssertGreaterThan(figures["waldo_http_received_bytes_total"] ?? 0, 300)
        XCTAssertGreaterThan(figures["waldo_http_sent_bytes_total"] ?? 0, 1000)
    }

    func testWhoeverLeavesIsCountedToo() async throws {
        let impatient = try connect("GET /never HTTP/1.1\r\nHost: x\r\n\r\n")
        try await eventually("it is asked") { await host.with { $0.responders.count } == 1 }
        // A reset: whoever only stops sending may still wait for the answer.
        var abort = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(impatient, SOL_SOCKET, SO_LINGER, &abort, socklen_t(MemoryLayout<linger>.size))
        close(impatient)
        let reader = try connect("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        try await eventually("the stream is read") { await host.with { $0.streams.count } == 1 }
        close(reader)
        let ended = try connect("GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        try await eventually("another") { await host.with { $0.streams.count } == 2 }
        await host.with { $0.streams[1].end() }
        XCTAssertTrue(RawClient.readToEnd(ended).hasSuffix("12345\r\n0\r\n\r\n"))
        try await eventually("three lines") { lines("access").count == 3 }
        XCTAssertEqual(Set(lines("access").map { $0["status"] }), ["gone", 202])
        XCTAssertEqual(lines("access").filter { $0["status"] == 202 }.map { $0["bytes"] }, [5, 5])
        let figures = await host.figures
        XCTAssertEqual(figures["waldo_http_requests_total{method=\"GET\",status=\"gone\"}"], 1)
        XCTAssertEqual(figures["waldo_http_requests_total{method=\"GET\",status=\"2xx\"}"], 2)
        XCTAssertEqual(figures["waldo_http_request_duration_seconds_count"], 0, "their ends are the readers'")
    }

    func testWebSocketsAreCountedAndKnowTheirRequest() async throws {
        let head =
            "GET /ws/r2 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-User: eve\r\n\r\n"
        let client = try connect(head)
        try await eventually("the WebSocket") { await host.figures["waldo_websockets"] == 1 }
        let request = await host.with { served in served.sockets.map { [$0.request.user, $0.request.parameters["id"]] } }
        XCTAssertEqual(request, [["eve", "r2"]])
        close(client)
        try await eventually("its end") { await host.figures["waldo_websockets"] == 0 }
        XCTAssertEqual(lines("access").last?["status"], 101)
        XCTAssertEqual(lines("access").last?["user"], "eve")
    }

    func testConnectionsBeyondTheLimitAreCounted() async throws {
        let held = try (0..<3).map { _ in try connect("GET /never HTTP/1.1\r\n") }
        try await eventually("three") { await host.figures["waldo_http_connections"] == 3 }
        XCTAssertEqual(RawClient.readToEnd(try connect("")), "")
        let figures = await host.figures
        XCTAssertEqual(figures["waldo_http_connections_refused_total"], 1)
        XCTAssertEqual(figures["waldo_http_connections_accepted_total"], 3)
        for descriptor in held { close(descriptor) }
    }

    func testALineForEachRequestSaysWhoAskedForWhat() async throws {
        _ = try ask("GET", "/text/a%0Ab?token=secret", "X-User: eve\r\n")
        _ = try ask("GET", "/text/b")
        let all = lines("access")
        XCTAssertEqual(all.count, 2)
        XCTAssertEqual(all[0]["client"], .address(IPAddress(127, 0, 0, 1)))
        XCTAssertEqual(all[0]["method"], "GET")
        XCTAssertEqual(all[0]["path"], "/text/a%0Ab", "without the query")
        XCTAssertEqual(all[0]["status"], 200)
        XCTAssertEqual(all[0]["bytes"], 3)
        XCTAssertEqual(all[0]["user"], "eve")
        XCTAssertNil(all[1]["user"])
        XCTAssertNotEqual(all[0]["id"], all[1]["id"])
        XCTAssertEqual(sink.records.all.filter { $0.subject == "access" }.map(\.connection), [1, 2])
        XCTAssertTrue(sink.records.all.allSatisfy { $0.level == .info })
    }

    func testWhatIsNoRequestHasALineToo() async throws {
        _ = RawClient.readToEnd(try connect("GET /text/a HTTP/1.1\r\nHost : x\r\n\r\n"))
        _ = RawClient.readToEnd(try connect("GET /\(String(repeating: "x", count: 9000))"))
        let all = sink.records.all.filter { $0.subject == "access" }
        XCTAssertEqual(all.map(\.message), ["refused", "refused"])
        XCTAssertEqual(all.map(\.connection), [1, 2])
        XCTAssertEqual(lines("access").map { $0["status"] }, [400, 414])
        XCTAssertEqual(lines("access")[0]["reason"], "expected a field name and a colon, got \"Host : x\"")
        XCTAssertEqual(lines("access")[0]["client"], .address(IPAddress(127, 0, 0, 1)))
    }

    func testNoBytesAreCountedWhereOnlyTheHeadIsSent() async throws {
        XCTAssertTrue(try ask("HEAD", "/text/abc").contains("\r\nContent-Length: 3\r\n"))
        _ = try ask("HEAD", "/none")
        _ = try ask("GET", "/text/abc")
        XCTAssertEqual(lines("access").map { $0["bytes"] }, [0, 0, 3])
    }

    /// The slot that a stream takes in a handler would never be free again: nobody tells it of an end.
    func testAStreamIsNotBegunForWhoeverAsksForTheHead() async throws {
        let answer = try ask("HEAD", "/stream")
        XCTAssertTrue(answer.hasPrefix("HTTP/1.1 202 ") && answer.contains("\r\nTransfer-Encoding: chunked\r\n"), answer)
        XCTAssertTrue(answer.hasSuffix("\r\n\r\n"), answer)
        let streams = await host.with { $0.streams.count }
        XCTAssertEqual(streams, 0)
        XCTAssertEqual(lines("access").map { $0["bytes"] }, [0])
    }

    /// RFC 9110 clause 10.1.1.
    func testABodyThatIsTooLongIsNotAskedFor() async throws {
        for (length, expected) in [("2000000", "HTTP/1.1 413 "), ("7", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")] {
            let head = "POST /form HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: \(length)\r\n"
            let more = "Content-Type: application/x-www-form-urlencoded\r\n\r\n\(length == "7" ? "a=1&b=2" : "")"
            let answer = RawClient.readToEnd(try connect(head + more))
            XCTAssertTrue(answer.hasPrefix(expected), answer)
        }
    }

    func testARequestKeepsTheNameThatATrustedProxyGaveIt() async throws {
        for (proxies, id, isKept) in [
            ([], "9f3c", false), (["127.0.0.0/8"], "9f3c-a.b", true), (["127.0.0.0/8"], "two words", false),
            (["127.0.0.0/8"], String(repeating: "x", count: 65), false), (["10.0.0.0/8"], "9f3c", false),
        ] as [([String], String, Bool)] {
            let port = try await host.serve(trusting: proxies.compactMap { IPNetwork($0) })
            let head = "GET /text/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: \(id)\r\n\r\n"
            let answer = RawClient.readToEnd(try RawClient.connect(to: port, sending: head))
            XCTAssertEqual(answer.contains("\r\nX-Request-Id: \(id)\r\n"), isKept, answer)
        }
    }

    func testAHandlersFailureIsSaidInTheLogAndNotToTheClient() async throws {
        let answer = try ask("GET", "/fail")
        XCTAssertTrue(answer.hasPrefix("HTTP/1.1 500 "))
        XCTAssertFalse(answer.contains("broken"))
        let failure = sink.records.all.filter { $0.level == .error }
        XCTAssertEqual(failure.count, 1)
        XCTAssertEqual(lines("web").first?["error"], "broken\ninside")
        XCTAssertEqual(lines("web").first?["path"], "/fail")
        guard case .text(let id)? = lines("web").first?["id"] else { return XCTFail("no id") }
        XCTAssertTrue(answer.contains("under request \(id)"))
    }

    func testMetricsAreServedAsTextAndAsJSON() async throws {
        _ = try ask("GET", "/text/a")
        let text = try ask("GET", "/metrics")
        XCTAssertTrue(text.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), text)
        XCTAssertTrue(text.contains("\n# TYPE waldo_http_request_duration_seconds histogram\n"), text)
        XCTAssertTrue(text.contains("\nwaldo_http_requests_total{method=\"GET\",status=\"2xx\"} 1\n"), text)
        let json = try ask("GET", "/metrics.json")
        let body = json.components(separatedBy: "\r\n\r\n").last ?? ""
        let value = try JSON(parsing: Array(body.utf8).span)
        XCTAssertEqual(value["waldo_http_requests_total"]?["values"]?.array?.first?["value"], 2)
    }
}
