import Crypto
import HTTP
import Reactor
import TestSupport
import Web
import Wire
import XCTest

final class HTTPClientTests: XCTestCase {
    private func options(_ change: (inout HTTPClientOptions) -> Void) -> HTTPClientOptions {
        var options = HTTPClientOptions()
        change(&options)
        return options
    }

    /// One client, one server; the answer to `path` of it.
    private func ask(
        _ options: HTTPClientOptions = HTTPClientOptions(), _ change: @escaping @Sendable (inout HTTPClientRequest) -> Void = { _ in },
        _ script: @escaping @Sendable (RawServer.Request, RawServer.Connection) -> Void
    ) async throws -> (answer: ClientHarness.Answer, port: Int) {
        let harness = try await ClientHarness(options)
        let port = try await harness.serve(script)
        let answer = try await harness.get("http://127.0.0.1:\(port)/a?b=%20", change)
        let left = await harness.requestCount
        XCTAssertEqual(left, 0)
        await harness.stop()
        return (answer, port)
    }

    // MARK: requests and responses

    func testARequestSaysWhatItMustAndNothingTwice() async throws {
        let seen = Log<String>()
        let change: @Sendable (inout HTTPClientRequest) -> Void = {
            $0.method = .post
            $0.body = Array("hi".utf8)
            $0.fields = [
                "Content-Length": "7", "Transfer-Encoding": "chunked", "Connection": "close", "X-Mine": "1", "Accept": "text/plain",
            ]
        }
        let (answer, port) = try await ask(HTTPClientOptions(), change) { request, connection in
            seen.add(request.head + String(decoding: request.body, as: UTF8.self))
            connection.send(ok("yes"))
        }
        XCTAssertEqual(answer.short, "200 yes")
        XCTAssertEqual(
            seen.all,
            [
                "POST /a?b=%20 HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nUser-Agent: waldo\r\nAccept-Encoding: identity\r\nX-Mine: 1\r\n"
                    + "Accept: text/plain\r\nContent-Length: 2\r\nhi"
            ])
    }

    func testBodiesOfEveryFraming_RFC9112_6_3() async throws {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\nTrailer: 1\r\n\r\n"
        let table: [(String, String, Bool)] = [
            (ok("abc"), "200 abc", false), (chunked, "200 abcde", false), ("HTTP/1.1 200 OK\r\n\r\nto the end", "200 to the end", true),
            ("HTTP/1.1 204 No Content\r\n\r\n", "204 ", false), ("HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", "304 ", false),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok("after"), "200 after", false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "200 ok", true),
        ]
        for (text, expected, ends) in table {
            // All at once, and byte by byte.
            let (whole, _) = try await ask { _, connection in if ends { connection.end(text) } else { connection.send(text) } }
            XCTAssertEqual(whole.short, expected)
            let (cut, _) = try await ask { _, connection in
                for byte in text.utf8 { connection.socket.send([byte]) }
                if ends { connection.socket.closeAfterSending() }
            }
            XCTAssertEqual(cut.short, expected)
        }
    }

    func testAHeadOnlyAnswerHasNoBody_RFC9110_9_3_2() async throws {
        let harness = try await ClientHarness()
        let port = try await harness.serve { request, connection in
            connection.send(request.line.hasPrefix("HEAD") ? "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" : ok("body"))
        }
        for (method, expected) in [(HTTPMethod.head, "200 "), (.get, "200 body"), (.head, "200 ")] {
            let answer = try await harness.get("http://127.0.0.1:\(port)/") { $0.method = method }
            XCTAssertEqual(answer.short, expected)
        }
        let dialed = await harness.dialed
        XCTAssertEqual(dialed, 1)
        await harness.stop()
    }

    func testWhatIsNoResponseIsATypedError() async throws {
        let table: [(String, HTTPError.Code)] = [
            ("garbage\r\n\r\n", .statusLine), ("HTTP/1.1 200 OK\nA: b\n\n", .lineEnding),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", .lengthAndEncoding),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", .chunkSize),
            ("HTTP/1.1 200 OK\r\nA: " + String(repeating: "a", count: 40_000), .headTooLong),
            ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", .statusLine),
            (String(repeating: "HTTP/1.1 102 Processing\r\n\r\n", count: 20), .statusLine),
        ]
        for (text, code) in table {
            let (answer, port) = try await ask { _, connection in connection.send(text) }
            XCTAssertEqual(answer.error, .malformed(host: "127.0.0.1:\(port)", HTTPError(code, "")), text)
        }
    }

    func testATruncatedBodyIsAnError_RFC9112_8() async throws {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nha",
            "HTTP/1.1 2",
        ] {
            let (answer, port) = try await ask { _, connection in connection.end(text) }
            XCTAssertEqual(answer.error, .truncated(host: "127.0.0.1:\(port)"), text)
        }
        let (answer, port) = try await ask { _, connection in connection.end() }
        XCTAssertEqual(answer.error, .closed(host: "127.0.0.1:\(port)"))
    }

    func testABodyOverTheLimitEndsTheRequest() async throws {
        for text in [ok(String(repeating: "a", count: 101)), "HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "a", count: 101)] {
            let (answer, port) = try await ask(HTTPClientOptions(), { $0.bodyLimit = 100 }) { _, connection in connection.send(text) }
            XCTAssertEqual(answer.error, .bodyTooLong(host: "127.0.0.1:\(port)", limit: 100))
        }
        let (answer, _) = try await ask(HTTPClientOptions(), { $0.bodyLimit = 100 }) { _, connection in
            connection.send(ok(String(repeating: "a", count: 100)))
        }
        XCTAssertNil(answer.error)
    }

    func testAnAnswerBeforeTheBodyIsOutStopsIt() async throws {
        let harness = try await ClientHarness(options { $0.continueAbove = .max })
        // What is read of the request is its head and a little; the rest the kernel does not take.
        let port = try await harness.serve(opened: { connection in
            connection.socket.onBytes = { [unowned connection] _ in
                guard !connection.socket.isPaused else { return }
                connection.socket.isPaused = true
                connection.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
            }
        }) { _, _ in }
        var request = try HTTPClientRequest(.post, "http://127.0.0.1:\(port)/")
        request.body = [UInt8](repeating: 1, count: 30_000_000)
        let answer = await harness.send(request)
        XCTAssertEqual(answer.short, "413 no")
        try await eventually("the connection is closed, as the rest of the body is not sent") { await harness.connectionCount == 0 }
        await harness.stop()
    }

    func testAnAnswerIsReadAlthoughItsServerResetsTheRest_RFC9112_9_6() async throws {
        for _ in 0..<20 {
            let harness = try await ClientHarness(options { $0.continueAbove = .max })
            let port = try await harness.serve(opened: { connection in
                connection.socket.onBytes = { [unowned connection] _ in
                    connection.send("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
                    // With bytes that nobody read: the kernel resets.
                    connection.socket.close()
                }
            }) { _, _ in }
            var request = try HTTPClientRequest(.post, "http://127.0.0.1:\(port)/")
            request.body = [UInt8](repeating: 1, count: 3_000_000)
            let answer = await harness.send(request)
            XCTAssertEqual(answer.short, "413 no")
            await harness.stop()
        }
    }

    func testALargeBodyIsAskedForFirst_RFC9110_10_1_1() async throws {
        let body = [UInt8](repeating: 7, count: 200_000)
        let change: @Sendable (inout HTTPClientRequest) -> Void = {
            $0.method = .put
            $0.body = body
        }
        let limits = options { $0.continueAbove = 100_000 }
        let heads = Log<String>()
        /// Reads the body by itself: the request was handed over at its head.
        @Sendable func takeBody(_ connection: RawServer.Connection) {
            var left = body.count
            connection.socket.onBytes = { [unowned connection] bytes in
                left -= bytes.count
                if left == 0 { connection.send(ok("taken")) }
            }
        }
        let (asked, _) = try await ask(limits, change) { request, connection in
            heads.add(request.field("expect") ?? "none")
            takeBody(connection)
            connection.send("HTTP/1.1 100 Continue\r\n\r\n")
        }
        XCTAssertEqual(asked.short, "200 taken")
        var impatient = limits
        impatient.continueTimeout = .milliseconds(50)
        let (unasked, _) = try await ask(impatient, change) { _, connection in takeBody(connection) }
        XCTAssertEqual(unasked.short, "200 taken")
        let (refused, _) = try await ask(limits, change) { _, connection in
            connection.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        }
        XCTAssertEqual(refused.short, "403 ")
        let (again, _) = try await ask(limits, change) { request, connection in
            heads.add(request.field("expect") ?? "none")
            connection.send(request.field("expect") == nil ? ok("without") : "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
        }
        XCTAssertEqual(again.short, "200 without")
        XCTAssertEqual(heads.all, ["100-continue", "100-continue", "none"])
    }

    // MARK: compression

    /// `hello gzip`.
    private static let zipped: [UInt8] = [
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 203, 72, 205, 201, 201, 87, 72, 175, 202, 44, 0, 0, 25, 106, 210, 223, 10, 0, 0, 0,
    ]

    func testGzipIsExpandedWhereItWasAskedFor_RFC9110_8_4() async throws {
        var damaged = Self.zipped
        damaged[24] ^= 1
        let table: [([UInt8], limit: Int, String?)] = [
            (Self.zipped, 10, "200 hello gzip"), (Self.zipped + Self.zipped, 20, "200 hello gziphello gzip"), ([], 10, "200 "),
            (damaged, 10, nil),
            (Self.zipped.dropLast(), 10, nil), (Self.zipped + [0], 10, nil), ([1, 2, 3], 10, nil),
        ]
        for (bytes, limit, expected) in table {
            for isCut in [false, true] {
                let change: @Sendable (inout HTTPClientRequest) -> Void = {
                    $0.acceptsGzip = true
                    // The limit holds for both forms.
                    $0.bodyLimit = max(limit, bytes.count)
                }
                let (answer, port) = try await ask(HTTPClientOptions(), change) { request, connection in
                    XCTAssertEqual(request.field("accept-encoding"), "gzip")
                    connection.send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: \(bytes.count)\r\n\r\n")
                    if isCut { for byte in bytes { connection.socket.send([byte]) } } else { connection.socket.send(bytes) }
                }
                XCTAssertEqual(answer.short, expected ?? HTTPClientError.badEncoding(host: "127.0.0.1:\(port)").description)
                if case .success(let response) = answer { XCTAssertNil(response.fields["content-encoding"]) }
            }
        }
        let (asIs, _) = try await ask { request, connection in
            XCTAssertEqual(request.field("accept-encoding"), "identity")
            connection.send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: \(Self.zipped.count)\r\n\r\n")
            connection.socket.send(Self.zipped)
        }
        guard case .success(let response) = asIs else { return XCTFail("\(asIs)") }
        XCTAssertEqual(response.body, Self.zipped)
        XCTAssertEqual(response.fields["content-encoding"], "gzip")
    }

    func testWhatGzipExpandsToIsBounded() {
        for limit in [9, 10] {
            let decoder = GzipDecoder(limit: limit)
            var out: [UInt8] = []
            let outcome = decoder.expand(Self.zipped.span) { out.append(span: $0) }
            XCTAssertEqual(outcome, limit == 10 ? .done : .tooLong)
            XCTAssertEqual(out.count, limit == 10 ? 10 : 0)
        }
    }

    // MARK: keeping connections

    func testConnectionsAreKeptAndBounded() async throws {
        let harness = try await ClientHarness(
            options {
                $0.connectionsPerServer = 2
                $0.connections = 3
            })
        let open = Log<Int>()
        let script: @Sendable (RawServer.Request, RawServer.Connection) -> Void = { request, connection in
            open.add(request.connection)
            connection.send(ok("\(request.connection)"))
        }
        let first = try await harness.serve(script), second = try await harness.serve(script), third = try await harness.serve(script)
        for _ in 0..<5 {
            let answer = try await harness.get("http://127.0.0.1:\(first)/")
            XCTAssertEqual(answer.short, "200 0")
        }
        try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<20 {
                for port in [first, second, third] { group.addTask { try await harness.get("http://127.0.0.1:\(port)/").short } }
            }
            for try await answer in group { XCTAssertTrue(answer.hasPrefix("200 "), answer) }
        }
        let left = await harness.connectionCount
        XCTAssertLessThanOrEqual(left, 3)
        XCTAssertEqual(open.all.count, 65)
        await harness.stop()
    }

    func testTooManyWaitingIsAnError() async throws {
        let harness = try await ClientHarness(
            options {
                $0.connectionsPerServer = 1
                $0.waiting = 2
            })
        let held = Log<Int>()
        let port = try await harness.serve { _, _ in held.add(1) }
        let answers = Log<String>()
        let url = "http://127.0.0.1:\(port)/"
        try await harness.run { _, client in
            for _ in 0..<4 {
                client.send(try HTTPClientRequest(.get, url)) { answers.add($0.short) }
            }
            XCTAssertEqual(answers.all, [], "nothing is told before the call returns")
        }
        let told = try await answers.wait(1)
        XCTAssertEqual(told, ["2 requests wait already: the servers are slower than the requests come"])
        await harness.run { _, client in client.close() }
        XCTAssertEqual(answers.all.dropFirst(), ["the request was given up", "the request was given up", "the request was given up"])
        await harness.stop()
    }

    func testAConnectionThatIsNotKeptIsNotUsedAgain_RFC9112_9_3() async throws {
        let answers = [
            ok("x", "Connection: close"), ok("x") + "more than the length", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
            ok("x", "Keep-Alive: timeout=0"),
        ]
        for text in answers {
            let harness = try await ClientHarness()
            let port = try await harness.serve { _, connection in connection.send(text) }
            for _ in 0..<2 {
                let answer = try await harness.get("http://127.0.0.1:\(port)/")
                XCTAssertEqual(answer.short, "200 x")
                try await eventually("no connection is left") { await harness.connectionCount == 0 }
            }
            let dialed = await harness.dialed
            XCTAssertEqual(dialed, 2, text)
            await harness.stop()
        }
    }

    func testAStaleConnectionIsTriedOnceMore_RFC9112_9_3_1() async throws {
        // The second request of each connection finds it closed as soon as it is there.
        for (method, expected) in [(HTTPMethod.get, "200 1"), (.put, "200 1"), (.post, nil)] {
            let harness = try await ClientHarness()
            let port = try await harness.serve { request, connection in
                if request.number == 0 { connection.send(ok("\(request.connection)")) } else { connection.end() }
            }
            let url = "http://127.0.0.1:\(port)/"
            let first = try await harness.get(url)
            XCTAssertEqual(first.short, "200 0")
            let second = try await harness.get(url) { $0.method = method }
            XCTAssertEqual(second.short, expected ?? "127.0.0.1:\(port): the connection ended before a response", "\(method)")
            await harness.stop()
        }
        // A new connection that ends so is an error at once.
        let (answer, _) = try await ask { _, connection in connection.end() }
        XCTAssertNotNil(answer.error)
    }

    func testAKeptConnectionThatEndsIsForgotten() async throws {
        let harness = try await ClientHarness()
        let connections = Log<Int>()
        let port = try await harness.serve { request, connection in
            connections.add(request.connection)
            connection.send(ok("x"))
            // The server's own idle time is over; some say so.
            connection.end(request.connection == 0 ? "" : "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        }
        for _ in 0..<3 {
            let answer = try await harness.get("http://127.0.0.1:\(port)/") { $0.method = .post }
            XCTAssertEqual(answer.short, "200 x")
            try await eventually("it is forgotten") { await harness.connectionCount == 0 }
        }
        XCTAssertEqual(connections.all, [0, 1, 2])
        await harness.stop()
    }

    // MARK: redirections

    func testRedirectionsChangeTheMethodAsTheyMust_RFC9110_15_4() async throws {
        for (status, method, expected) in [
            (301, HTTPMethod.post, "GET  none"), (302, .post, "GET  none"), (303, .post, "GET  none"), (303, .put, "GET  none"),
            (307, .post, "POST body text/plain"), (308, .put, "PUT body text/plain"), (302, .put, "PUT body text/plain"),
        ] {
            let change: @Sendable (inout HTTPClientRequest) -> Void = {
                $0.method = method
                $0.body = Array("body".utf8)
                $0.fields = ["Content-Type": "text/plain", "Authorization": "secret"]
            }
            let (answer, _) = try await ask(HTTPClientOptions(), change) { request, connection in
                guard request.line.contains(" /a?") else {
                    XCTAssertEqual(request.field("authorization"), "secret")
                    let method = request.line.split(separator: " ")[0]
                    return connection.send(
                        ok("\(method) \(String(decoding: request.body, as: UTF8.self)) \(request.field("content-type") ?? "none")"))
                }
                connection.send("HTTP/1.1 \(status) Moved\r\nLocation: b/../c\r\nContent-Length: 4\r\n\r\ngone")
            }
            XCTAssertEqual(answer.short, "200 \(expected)", "\(status)")
        }
    }

    func testWhatIsForOneServerDoesNotGoToAnother_RFC9110_15_4() async throws {
        let harness = try await ClientHarness()
        let other = try await harness.serve { request, connection in
            connection.send(
                ok("\(request.field("authorization") ?? "none") \(request.field("cookie") ?? "none") \(request.field("x-mine") ?? "")"))
        }
        let port = try await harness.serve { _, connection in
            connection.send("HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:\(other)/x\r\nContent-Length: 0\r\n\r\n")
        }
        let answer = try await harness.get("http://127.0.0.1:\(port)/") {
            $0.fields = ["Authorization": "secret", "Cookie": "a=b", "X-Mine": "1", "Host": "mine"]
        }
        XCTAssertEqual(answer.short, "200 none none 1")
        await harness.stop()
    }

    func testRedirectionsAreBounded() async throws {
        let count = Log<Int>()
        let (answer, port) = try await ask { request, connection in
            count.add(1)
            connection.send("HTTP/1.1 302 Found\r\nLocation: /\(count.all.count % 3)\r\nContent-Length: 0\r\n\r\n")
        }
        XCTAssertEqual(answer.error, .tooManyRedirects(limit: 5, last: "http://127.0.0.1:\(port)/0"))
        XCTAssertEqual(count.all.count, 6)
        for location in ["ftp://x/", "http://u:p@x/", "//[::1", "\u{FF}"] {
            let (answer, port) = try await ask { _, connection in
                connection.send("HTTP/1.1 302 Found\r\nLocation: \(location)\r\nContent-Length: 0\r\n\r\n")
            }
            guard case .redirect(let from, _)? = answer.error else { return XCTFail("\(location): \(answer)") }
            XCTAssertEqual(from, "http://127.0.0.1:\(port)/a?b=%20")
        }
        let (asIs, _) = try await ask(HTTPClientOptions(), { $0.redirects = 0 }) { _, connection in
            connection.send("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 1\r\n\r\nx")
        }
        XCTAssertEqual(asIs.short, "302 x")
    }

    // MARK: time

    func testEveryWaitEndsAndSaysWhatForWas() async throws {
        let quick = options {
            $0.silenceTimeout = .milliseconds(250)
        }
        var (answer, port) = try await ask(quick) { _, _ in }
        XCTAssertEqual(answer.error, .timeout(host: "127.0.0.1:\(port)", .response, after: .milliseconds(250)))
        (answer, port) = try await ask(quick) { _, connection in connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nha") }
        XCTAssertEqual(answer.error, .timeout(host: "127.0.0.1:\(port)", .body, after: .milliseconds(250)))
        XCTAssertEqual(answer.short, "127.0.0.1:\(port): waited 250 ms for the rest of the response")
        (answer, port) = try await ask(HTTPClientOptions(), { $0.requestTimeout = .milliseconds(200) }) { _, connection in
            connection.send("HTTP/1.1 100 Continue\r\n\r\n")
        }
        XCTAssertEqual(answer.error, .timeout(host: "127.0.0.1:\(port)", .response, after: .milliseconds(200)))
        // A request that the server does not read.
        let harness = try await ClientHarness(quick)
        let deaf = try await harness.serve(opened: { $0.socket.isPaused = true }) { _, _ in }
        var request = try HTTPClientRequest(.post, "http://127.0.0.1:\(deaf)/")
        request.body = [UInt8](repeating: 0, count: 900_000)
        (answer, _) = (await harness.send(request), 0)
        if case .timeout(_, let stage, _)? = answer.error {
            XCTAssertTrue(stage == .request || stage == .response)
        } else {
            XCTFail("\(answer)")
        }
        // A server that never shakes hands: its listener speaks no TLS.
        await harness.stop()
        let secure = try await ClientHarness(options { $0.connectTimeout = .milliseconds(250) }, trust: .anyone)
        let mute = try await secure.serve { _, _ in }
        let refused = try await secure.get("https://127.0.0.1:\(mute)/")
        XCTAssertEqual(refused.error, .timeout(host: "127.0.0.1:\(mute)", .tls, after: .milliseconds(250)))
        await secure.stop()
    }

    func testWaitingForAConnectionEndsToo() async throws {
        let harness = try await ClientHarness(options { $0.connectionsPerServer = 1 })
        let seen = Log<Int>()
        let port = try await harness.serve { _, _ in seen.add(1) }
        let url = "http://127.0.0.1:\(port)/"
        let first = Task.detached { try await harness.get(url) }
        _ = try await seen.wait()
        let second = try await harness.get(url) { $0.requestTimeout = .milliseconds(60) }
        XCTAssertEqual(second.error, .timeout(host: "127.0.0.1:\(port)", .connection, after: .milliseconds(60)))
        first.cancel()
        let given = try await first.value
        XCTAssertEqual(given.error, .cancelled)
        await harness.stop()
    }

    func testNobodyThere() async throws {
        let harness = try await ClientHarness()
        let port = try await harness.serve { _, _ in }
        await harness.run { harness, _ in }
        let refused = try await harness.get("http://127.0.0.1:1/")
        XCTAssertEqual(refused.short, "127.0.0.1:1: cannot connect: connect 127.0.0.1:1: Connection refused")
        let unknown = try await harness.get("http://no-such-name.invalid/")
        XCTAssertEqual(unknown.error, .nameUnknown(host: "no-such-name.invalid"))
        let insecure = try await harness.get("https://127.0.0.1:\(port)/")
        XCTAssertEqual(insecure.error, .noSecurity(host: "127.0.0.1:\(port)"))
        let unix = try await harness.get("http://x/") { $0.socketPath = "/nowhere/socket" }
        XCTAssertEqual(unix.short, "/nowhere/socket: cannot connect: connect /nowhere/socket: No such file or directory")
        await harness.stop()
    }

    // MARK: giving up

    func testACancelledTaskClosesTheConnection() async throws {
        let harness = try await ClientHarness()
        let seen = Log<String>()
        let port = try await harness.serve(opened: { $0.socket.onEnd = { seen.add("end") } }) { _, connection in
            seen.add("request")
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nha")
        }
        let task = Task { try await harness.get("http://127.0.0.1:\(port)/") }
        _ = try await seen.wait(1)
        task.cancel()
        let answer = try await task.value
        XCTAssertEqual(answer.error, .cancelled)
        _ = try await seen.wait(2)
        let left = await harness.connectionCount
        XCTAssertEqual(left, 0)
        await harness.stop()
    }

    func testGivingUpInTheMiddleOfWhatIsTold() async throws {
        let harness = try await ClientHarness()
        let port = try await harness.serve { _, connection in connection.send(ok(String(repeating: "a", count: 300_000))) }
        let told = Log<String>()
        final class Holder { var exchange: HTTPExchange? }
        let url = "http://127.0.0.1:\(port)/"
        for place in ["head", "body"] {
            try await harness.run { _, client in
                let holder = Holder()
                holder.exchange = client.start(
                    try HTTPClientRequest(.get, url), onHead: { _ in if place == "head" { holder.exchange?.cancel() } },
                    onBody: { _ in
                        told.add("body")
                        holder.exchange?.cancel()
                    },
                    onEnd: { told.add("\($0)") })
            }
            try await eventually("it ends") { await harness.requestCount == 0 }
        }
        XCTAssertEqual(told.all, ["failure(the request was given up)", "body", "failure(the request was given up)"])
        await harness.stop()
    }

    // MARK: streams

    private final class SlowReader {
        var exchange: HTTPExchange?
        var count = 0
        var pauses = true
    }

    func testAStreamWaitsForItsReader() async throws {
        let harness = try await ClientHarness()
        let size = 20_000_000
        let port = try await harness.serve { _, connection in
            connection.socket.limit = 64 << 20
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
            connection.socket.send([UInt8](repeating: 1, count: size))
        }
        let url = "http://127.0.0.1:\(port)/"
        let paused = Log<Int>(), ended = Log<Int>()
        try await harness.run { harness, client in
            let reader = SlowReader()
            harness.keep(reader)
            var request = try HTTPClientRequest(.get, url)
            request.bodyLimit = .max
            reader.exchange = client.start(
                request,
                onBody: {
                    reader.count += $0.count
                    guard reader.pauses else { return }
                    reader.exchange?.isPaused = true
                    paused.add(reader.count)
                }, onEnd: { _ in ended.add(reader.count) })
        }
        for count in 1...3 {
            let seen = try await paused.wait(count)
            // Nobody takes anything: what waits is one read.
            for _ in 0..<20 { await harness.run { _, _ in } }
            XCTAssertEqual(paused.all, seen)
            XCTAssertLessThanOrEqual(seen[count - 1], count * 65_536)
            await harness.run { harness, _ in
                guard let reader = harness.kept.first as? SlowReader else { return }
                reader.pauses = count < 3
                reader.exchange?.isPaused = false
            }
        }
        let total = try await ended.wait()
        XCTAssertEqual(total, [size])
        await harness.stop()
    }

    func testEventsComeOneByOne() async throws {
        let harness = try await ClientHarness()
        let port = try await harness.serve { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for text in ["data: one\n", "\n: comment\n\nevent: x\ndata: two\ndata: lines\nid: 7\n\n", "data: lost"] {
                connection.send("\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n")
            }
            connection.send("0\r\n\r\n")
        }
        let url = "http://127.0.0.1:\(port)/"
        let events = try await harness.events(url)
        XCTAssertEqual(events.map { "\($0.type) \($0.data) \($0.id)" }, ["message one ", "x two\nlines 7"])
        // They come before the end: this server has none.
        let endless = try await harness.serve { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: now\n\n")
        }
        let now = try await harness.events("http://127.0.0.1:\(endless)/", most: 1)
        XCTAssertEqual(now.map(\.data), ["now"])
        // A reader that goes away takes the request with it.
        let first = try await harness.events(url, most: 1)
        XCTAssertEqual(first.map(\.data), ["one"])
        try await eventually("no request is left") { await harness.requestCount == 0 }
        await harness.stop()
    }
}
