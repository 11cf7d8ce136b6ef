import Crypto
import HTTP
import Reactor
import TestSupport
import Web
import Wire
import XCTest

final class WebSocketClientTests: XCTestCase {
    private static let sha1: @Sendable ([UInt8]) -> [UInt8] = { OpenSSLDigests().sha1($0) }

    /// Our own server, whose sockets send every message back.
    private func makeEcho(_ harness: ClientHarness, _ log: Log<String>, compresses: Bool = false) async throws -> Int {
        try await harness.run { harness, _ in
            let router = Router()
            var options = WebSocketOptions()
            options.protocols = ["echo"]
            options.allowsCompression = compresses
            options.connection.messageLimit = 4 << 20
            options.connection.queueLimit = 16 << 20
            router.add(
                Route(
                    .get, "/ws", "echo",
                    handler: .webSocket(options) { session in
                        log.add("server: \(session.request.fields["authorization"] ?? "") \(session.protocol ?? "none")")
                        session.send("welcome")
                        session.onMessage = { [unowned session] kind, message in session.send(kind, message) }
                        session.onClose = { log.add("server closed \($0.rawValue) \($1)") }
                    }))
            router.get("/json", "no socket") { _ in .json(["a": 1]) }
            let server = HTTPServer(handler: router, reactor: harness.reactor)
            harness.keep(server)
            return Int(try server.listen(SocketAddress(IPAddress(127, 0, 0, 1), 0)).port)
        }
    }

    func testMessagesOfAllKindsGoBothWays_RFC6455() async throws {
        for compresses in [false, true] {
            let harness = try await ClientHarness()
            let log = Log<String>()
            let port = try await makeEcho(harness, log, compresses: compresses)
            let sent: [(WebSocketMessageKind, [UInt8])] = [
                (.text, Array("hé".utf8)), (.binary, []), (.binary, (0..<70_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }),
                (.text, [UInt8](repeating: 65, count: 900_000)),
            ]
            try await harness.run { _, client in
                var options = WebSocketClientOptions()
                options.protocols = ["other", "echo"]
                options.offersCompression = compresses
                options.fields = ["Authorization": "Bearer x", "Sec-WebSocket-Key": "mine"]
                options.connection.queueLimit = 16 << 20
                client.connect(try WebURL("ws://127.0.0.1:\(port)/ws"), options) { outcome in
                    guard case .success(let session) = outcome else { return log.add("\(outcome)") }
                    var received = -1
                    session.onMessage = { [unowned session] kind, message in
                        var bytes: [UInt8] = []
                        bytes.append(span: message)
                        if received == -1 { log.add("first: \(String(decoding: bytes, as: UTF8.self))") }
                        if received >= 0, kind != sent[received].0 || bytes != sent[received].1 {
                            log.add("message \(received) is another")
                        }
                        received += 1
                        if received == sent.count { session.close(.normal, "done") }
                    }
                    session.onClose = { log.add("client closed \($0.rawValue) \($1)") }
                    for (kind, message) in sent { session.send(kind, message.span) }
                    let text = Array("x".utf8)
                    let frame = WebSocketBroadcast(.text, text.span)
                    XCTAssertFalse(session.send(frame), "a client's frames are masked")
                }
            }
            let told = try await log.wait(4)
            XCTAssertEqual(Set(told), ["server: Bearer x echo", "first: welcome", "server closed 1000 done", "client closed 1000 done"])
            let open = await harness.openWebSockets
            XCTAssertEqual(open, 0)
            await harness.stop()
        }
    }

    func testWhoDoesNotSayWhoItIsIsClosed() async throws {
        let harness = try await ClientHarness()
        let log = Log<String>()
        let port = try await harness.run { harness, _ in
            let router = Router()
            var options = WebSocketOptions()
            options.admission = WebSocketOptions.Admission(
                timeout: .milliseconds(100), code: WebSocketCloseCode(rawValue: 4000), reason: "Authentication timeout")
            router.add(
                Route(
                    .get, "/ws", "for those who say who they are",
                    handler: .webSocket(options) { session in
                        session.onMessage = { [unowned session] _, _ in
                            session.admit("ada")
                            session.send("welcome \(session.user ?? "nobody")")
                        }
                    }))
            let server = HTTPServer(handler: router, reactor: harness.reactor)
            harness.keep(server)
            return Int(try server.listen(SocketAddress(IPAddress(127, 0, 0, 1), 0)).port)
        }
        try await harness.run { _, client in
            for name in ["ada", ""] {
                client.connect(try WebURL("ws://127.0.0.1:\(port)/ws")) { outcome in
                    guard case .success(let session) = outcome else { return log.add("\(outcome)") }
                    session.onMessage = { _, message in log.add("\(message.count) bytes") }
                    session.onClose = { log.add("'\(name)' closed \($0.rawValue) \($1)") }
                    if !name.isEmpty { session.send(name) }
                }
            }
        }
        let told = try await log.wait(2)
        XCTAssertEqual(Set(told), ["11 bytes", "'' closed 4000 Authentication timeout"])
        let open = await harness.openWebSockets
        XCTAssertEqual(open, 1)
        await harness.stop()
    }

    func testAServerThatAnswersWronglyIsRefused_RFC6455_4_1() async throws {
        let harness = try await ClientHarness()
        let accept = "Sec-WebSocket-Accept: ACCEPT\r\n", upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        let table = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200 OK: expected 101 Switching Protocols, got 200 OK"),
            ("HTTP/1.1 401 Unauthorized\r\n\r\n", "401 Unauthorized: expected 101 Switching Protocols, got 401 Unauthorized"),
            ("HTTP/1.1 101 X\r\n\(upgrade)Sec-WebSocket-Accept: AAAA\r\n\r\n", "expected the answer to our Sec-WebSocket-Key, got another"),
            ("HTTP/1.1 101 X\r\n\(accept)\r\n", "expected `Upgrade: websocket` and `Connection: Upgrade` in the answer"),
            (
                "HTTP/1.1 101 X\r\n\(upgrade)\(accept)Sec-WebSocket-Protocol: other\r\n\r\n",
                "expected one of our sub-protocols, got another"
            ),
            (
                "HTTP/1.1 101 X\r\n\(upgrade)\(accept)Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
                "expected the extensions that were offered"
            ),
            ("nonsense\r\n\r\n", "cannot be read"), ("", "the connection ended before a response"),
        ]
        for (text, expected) in table {
            let port = try await harness.serve { request, connection in
                let key = request.field("sec-websocket-key") ?? ""
                let digest = Base64.encode(Self.sha1(Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)))
                let answer = text.split(separator: "ACCEPT", omittingEmptySubsequences: false).joined(separator: digest)
                if answer.isEmpty { connection.end() } else { connection.send(answer) }
            }
            let log = Log<String>()
            try await harness.run { _, client in
                var options = WebSocketClientOptions()
                options.protocols = ["mine"]
                client.connect(try WebURL("ws://127.0.0.1:\(port)/"), options) { outcome in
                    if case .failure(let error) = outcome { log.add("\(error)") } else { log.add("open") }
                }
            }
            let told = try await log.wait()
            XCTAssertTrue(told[0].contains(expected), "\(told[0]) for \(text)")
        }
        await harness.stop()
    }

    /// RFC 7692 clause 7.1.1.1.
    func testCompressionThatWasNotAgreedOnIsRefused() throws {
        let nonce = [UInt8](repeating: 1, count: 16)
        func check(_ extensions: String) throws -> DeflateParameters? {
            let request = WebSocketHandshake.request(nonce: nonce, offersCompression: true)
            var answer = try WebSocketHandshake.accept(HTTPRequestHead(.get, "/", fields: request)).response
            answer.fields["Sec-WebSocket-Extensions"] = extensions
            return try WebSocketHandshake.check(answer, nonce: nonce, offeredCompression: true).deflate
        }
        XCTAssertEqual(try check("permessage-deflate; server_no_context_takeover; client_max_window_bits=10")?.clientWindowBits, 10)
        for wrong in [
            "permessage-deflate", "permessage-deflate; client_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; client_max_window_bits=8",
            "permessage-deflate; server_no_context_takeover; x", "x-webkit-deflate-frame",
            "permessage-deflate; server_no_context_takeover, permessage-deflate; server_no_context_takeover",
        ] { XCTAssertThrowsError(try check(wrong), wrong) }
    }

    func testAnOpeningThatGoesNowhereEnds() async throws {
        var options = HTTPClientOptions()
        options.connectTimeout = .milliseconds(400)
        options.webSockets = 1
        let harness = try await ClientHarness(options)
        let port = try await harness.serve { _, _ in }
        let log = Log<String>()
        try await harness.run { _, client in
            for url in ["ws://127.0.0.1:\(port)/", "ws://127.0.0.1:\(port)/", "wss://127.0.0.1:\(port)/"] {
                client.connect(try WebURL(url)) { outcome in
                    if case .failure(let error) = outcome { log.add("\(error)") } else { log.add("open") }
                }
            }
            XCTAssertEqual(log.all, [])
        }
        let told = Set(try await log.wait(3))
        XCTAssertEqual(
            told,
            [
                "127.0.0.1:\(port): waited 400 ms for the response",
                "1 WebSockets are open already: close some, or allow more",
            ])
        try await harness.run { _, client in
            client.connect(try WebURL("wss://127.0.0.1:\(port)/")) { outcome in
                if case .failure(let error) = outcome { log.add("\(error)") }
            }
            client.connect(try WebURL("ws://127.0.0.1:\(port)/")) { outcome in
                if case .failure(let error) = outcome { log.add("\(error)") }
            }.cancel()
        }
        let then = try await log.wait(5)
        XCTAssertTrue(then.contains("127.0.0.1:\(port): https was asked for, but this client was made without TLS"), "\(then)")
        XCTAssertTrue(then.contains("the request was given up"), "\(then)")
        await harness.stop()
    }

    func testAnActorOpensOneAndGivesOneUp() async throws {
        let harness = try await ClientHarness()
        let log = Log<String>(), news = Log<String>()
        let port = try await makeEcho(harness, log)
        let opened = await harness.talk("ws://127.0.0.1:\(port)/ws", news)
        XCTAssertNil(opened)
        let first = try await news.wait()
        XCTAssertEqual(first, ["welcome"], "what was right behind the answer")
        let mute = try await harness.serve { _, _ in }
        let url = "ws://127.0.0.1:\(mute)/"
        let task = Task.detached { await harness.talk(url, news) }
        try await eventually("two are there") { await harness.openWebSockets == 2 }
        task.cancel()
        let error = await task.value
        XCTAssertEqual(error, .cancelled)
        await harness.stop()
    }

    func testAServerThatIsGoneIsNoticed() async throws {
        let harness = try await ClientHarness()
        let log = Log<String>()
        let port = try await makeEcho(harness, log)
        try await harness.run { _, client in
            var options = WebSocketClientOptions()
            options.connection.pingAfter = .milliseconds(50)
            options.connection.goneAfter = .milliseconds(100)
            client.connect(try WebURL("ws://127.0.0.1:\(port)/ws"), options) { outcome in
                guard case .success(let session) = outcome else { return log.add("\(outcome)") }
                session.onClose = { log.add("closed \($0.rawValue) \($1)") }
            }
        }
        _ = try await log.wait(1)
        // The server answers pings: it is not gone. Then it goes.
        for _ in 0..<20 { await harness.run { _, _ in } }
        await harness.run { harness, _ in harness.dropKept() }
        let told = try await log.wait(3)
        XCTAssertTrue(told.contains { $0.hasPrefix("closed 1006") || $0.hasPrefix("closed 1001") }, "\(told)")
        await harness.stop()
    }
}
