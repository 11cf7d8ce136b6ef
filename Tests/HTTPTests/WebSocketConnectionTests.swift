import HTTP
import Wire
import XCTest

final class WebSocketConnectionTests: XCTestCase {
    /// A client and a server joined by two queues of bytes.
    private struct Pair {
        var client: WebSocketConnection
        var server: WebSocketConnection
        var now = Instant.zero
        var fromClient: [String] = []
        var fromServer: [String] = []

        init(_ configuration: WebSocketConnection.Configuration = .init(), compressor: (any WebSocketCompressor)? = nil) {
            client = WebSocketConnection(configuration: configuration, compressor: compressor, mask: { 0x1234_5678 }, at: .zero)
            server = WebSocketConnection(configuration: configuration, compressor: compressor, at: .zero)
        }

        mutating func exchange() {
            for _ in 0..<4 {
                fromClient += Self.move(&client, to: &server, at: now)
                fromServer += Self.move(&server, to: &client, at: now)
            }
        }

        static func move(_ from: inout WebSocketConnection, to: inout WebSocketConnection, at now: Instant) -> [String] {
            var heard: [String] = []
            while !from.output.isEmpty {
                var bytes = from.output, offset = 0
                from.sent(bytes.count)
                while true {
                    var span = bytes.mutableSpan
                    guard let event = to.next(&span, &offset, at: now) else { break }
                    switch event {
                    case .message(let kind, let place):
                        let message =
                            switch place {
                            case .given(let range): Array(bytes[range])
                            case .assembled: to.assembled
                            case .expanded: to.expanded
                            }
                        heard.append("\(kind) \(String(decoding: message, as: UTF8.self))")
                    case .closed(let code, let reason, let byPeer): heard.append("closed \(code.rawValue) \(reason) \(byPeer)")
                    }
                }
            }
            return heard
        }

        mutating func advance(by duration: Duration) -> [String] {
            now = now + duration
            let events = [client.advance(to: now), server.advance(to: now)].compactMap { $0 }
            exchange()
            return events.map { if case .closed(let code, let reason, _) = $0 { "closed \(code.rawValue) \(reason)" } else { "\($0)" } }
        }
    }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    func testMessagesGoBothWaysAndCloseIsAnswered_RFC6455_7_1() {
        var pair = Pair()
        XCTAssertTrue(pair.client.send(.text, bytes("hello").span, overflow: .close, at: pair.now))
        XCTAssertTrue(pair.server.send(.binary, bytes("world").span, overflow: .close, at: pair.now))
        pair.exchange()
        pair.client.close(.normal, "done", at: pair.now)
        pair.exchange()
        XCTAssertEqual(pair.fromClient, ["text hello", "closed 1000 done true"])
        XCTAssertEqual(pair.fromServer, ["binary world", "closed 1000 done true"])
        XCTAssertFalse(pair.server.send(.text, bytes("late").span, overflow: .close, at: pair.now))
        XCTAssertNil(pair.server.deadline)
    }

    func testSilenceIsAskedAndThenEnds() {
        var pair = Pair()
        XCTAssertEqual(pair.server.deadline, .zero + .seconds(20))
        for _ in 0..<10 { XCTAssertEqual(pair.advance(by: .seconds(20)), []) }
        // The client is gone: what the server asks is not answered.
        pair.now = pair.now + .seconds(20)
        XCTAssertNil(pair.server.advance(to: pair.now))
        XCTAssertEqual(pair.server.output, [0x89, 0x00])
        pair.now = pair.now + .seconds(25)
        XCTAssertEqual(
            pair.server.advance(to: pair.now), .closed(.abnormal, reason: "nothing was heard for 45 s", byPeer: false))
        XCTAssertNil(pair.server.advance(to: pair.now + .seconds(100)))
    }

    func testWhoeverTalksButAnswersNoPingIsGoneWhereOnlyPongsCount() {
        var configuration = WebSocketConnection.Configuration()
        (configuration.pingAfter, configuration.goneAfter, configuration.countsOnlyPongs) = (.seconds(30), .seconds(40), true)
        var server = WebSocketConnection(configuration: configuration, at: .zero)
        func hear(_ frame: [UInt8], at seconds: Int) {
            var bytes = frame, offset = 0, span = bytes.mutableSpan
            _ = server.next(&span, &offset, at: .zero + .seconds(seconds))
        }
        let (message, pong): ([UInt8], [UInt8]) = ([0x81, 0x81, 0, 0, 0, 0, 65], [0x8A, 0x80, 0, 0, 0, 0])
        XCTAssertEqual(server.deadline, .zero + .seconds(30))
        hear(message, at: 29)
        XCTAssertNil(server.advance(to: .zero + .seconds(30)))
        XCTAssertEqual(server.output, [0x89, 0])
        hear(message, at: 35)
        hear(pong, at: 36)
        XCTAssertEqual(server.deadline, .zero + .seconds(66))
        // It had to wait for us, and its pong behind what waited.
        server.waited(until: .zero + .seconds(50))
        XCTAssertEqual(server.deadline, .zero + .seconds(80))
        XCTAssertNil(server.advance(to: .zero + .seconds(80)))
        hear(message, at: 89)
        XCTAssertNil(server.advance(to: .zero + .seconds(89)))
        XCTAssertEqual(
            server.advance(to: .zero + .seconds(90)), .closed(.abnormal, reason: "a ping was not answered for 10 s", byPeer: false))
    }

    func testWhatTheSocketStillHasCountsAsWaiting() {
        var configuration = WebSocketConnection.Configuration()
        configuration.queueLimit = 100_000
        let frame = WebSocketBroadcast(.text, [UInt8](repeating: 65, count: 30_000).span)
        for (ahead, sent) in [(0, 3), (20_000, 2), (50_000, 1)] {
            var server = WebSocketConnection(configuration: configuration, at: .zero)
            var count = 0
            while server.send(frame, overflow: .close, ahead: ahead, at: .zero) { count += 1 }
            XCTAssertEqual(count, sent)
            XCTAssertFalse(server.isOpen)
            XCTAssertTrue(server.output.contains(0x88), "a close frame is behind what was sent")
        }
    }

    func testACloseThatIsNotAnsweredEnds() {
        var pair = Pair()
        pair.server.close(.goingAway, at: pair.now)
        XCTAssertEqual(pair.server.deadline, .zero + .seconds(5))
        XCTAssertEqual(
            pair.server.advance(to: .zero + .seconds(5)),
            .closed(.abnormal, reason: "the other side did not answer the close", byPeer: false))
    }

    func testWhatIsBrokenIsSaidAndEnds() {
        var pair = Pair()
        var wrong: [UInt8] = [0x83, 0x80, 0, 0, 0, 0, 0x81, 0x80, 0, 0, 0, 0], offset = 0
        var span = wrong.mutableSpan
        guard case .closed(let code, _, byPeer: false)? = pair.server.next(&span, &offset, at: .zero) else {
            return XCTFail("an end was expected")
        }
        XCTAssertEqual(code, .protocolError)
        XCTAssertNil(pair.server.next(&span, &offset, at: .zero))
        XCTAssertEqual(offset, wrong.count)
        pair.exchange()
        XCTAssertEqual(pair.fromServer.count, 1)
        XCTAssertTrue(pair.fromServer[0].hasPrefix("closed 1002 expected a known opcode"), pair.fromServer[0])
    }

    func testAReaderTooFarBehindLosesOldTelemetryFirst() {
        var configuration = WebSocketConnection.Configuration()
        configuration.queueLimit = 40_000
        var pair = Pair(configuration)
        let big = [UInt8](repeating: 65, count: 10_000)
        for index in 0..<10 {
            let message = bytes("\(index)") + big
            XCTAssertTrue(pair.server.send(.text, message.span, overflow: .dropOldest, at: .zero), "\(index)")
            XCTAssertLessThanOrEqual(pair.server.backlog, 40_000)
        }
        XCTAssertEqual(pair.server.dropped, 7)
        pair.exchange()
        // Two were with the socket already; of the others the newest is left.
        XCTAssertEqual(pair.fromServer.map { $0.dropFirst(5).prefix(1) }, ["0", "1", "9"])
        XCTAssertTrue(pair.server.isOpen)
    }

    func testAReaderTooFarBehindForCommandsIsClosedWith1013() {
        var configuration = WebSocketConnection.Configuration()
        configuration.queueLimit = 40_000
        var pair = Pair(configuration)
        let message = [UInt8](repeating: 65, count: 10_000)
        var taken = 0
        while pair.server.send(.binary, message.span, overflow: .close, at: .zero) { taken += 1 }
        XCTAssertEqual(taken, 3)
        pair.exchange()
        XCTAssertEqual(pair.fromServer.last, "closed 1013 the receiver is too far behind true")
    }

    /// Against a list from which the oldest that may go is taken each time, whatever mix waits.
    func testWhatWaitsIsWhatAPlainListWouldKeep() {
        var generator = SplitMix(seed: 7)
        for round in 0..<40 {
            var configuration = WebSocketConnection.Configuration()
            configuration.queueLimit = 60_000
            var server = WebSocketConnection(configuration: configuration, at: .zero)
            // A first message fills what goes out at once.
            XCTAssertTrue(server.send(.binary, [UInt8](repeating: 1, count: 20_000).span, overflow: .dropOldest, at: .zero))
            var list: [(frame: [UInt8], isDroppable: Bool)] = []
            var expected = server.output
            var dropped = 0
            let commands = round % 3 == 0 ? 0 : 1 + generator.below(30)
            for number in 0..<600 {
                if generator.below(50) == 0 {
                    // The reader takes what is out, and some of what waits follows.
                    let out = server.output.count
                    server.sent(out)
                    var size = 0
                    while size <= 16 << 10, !list.isEmpty {
                        let frame = list.removeFirst().frame
                        size += frame.count
                        expected += frame
                    }
                    XCTAssertEqual(server.output.count, size, "round \(round), message \(number)")
                }
                let payload = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: generator.below(2000))
                let isDroppable = generator.below(100) >= commands
                var frame: [UInt8] = [0x82]
                if payload.count < 126 {
                    frame.append(UInt8(payload.count))
                } else {
                    frame += [126, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
                }
                frame += payload
                if server.output.count <= 16 << 10, list.isEmpty {
                    expected += frame
                    XCTAssertTrue(server.send(.binary, payload.span, overflow: .dropOldest, at: .zero))
                    continue
                }
                let waiting = list.reduce(0) { $0 + $1.frame.count } + server.output.count
                var needed = waiting + frame.count - configuration.queueLimit
                if needed > 0 {
                    let most = list.reduce(0) { $0 + ($1.isDroppable ? $1.frame.count : 0) }
                    // A command that has no room ends the connection: another test's.
                    guard isDroppable || most >= needed else { break }
                    if most < needed {
                        dropped += 1
                        XCTAssertFalse(server.send(.binary, payload.span, overflow: .dropOldest, at: .zero))
                        continue
                    }
                    list = list.filter { waiting in
                        guard needed > 0, waiting.isDroppable else { return true }
                        needed -= waiting.frame.count
                        dropped += 1
                        return false
                    }
                }
                list.append((frame, isDroppable))
                XCTAssertTrue(server.send(.binary, payload.span, overflow: isDroppable ? .dropOldest : .close, at: .zero))
                XCTAssertEqual(
                    server.backlog, list.reduce(0) { $0 + $1.frame.count } + server.output.count, "round \(round), message \(number)")
            }
            XCTAssertEqual(server.dropped, dropped, "round \(round)")
            var sent = Array(expected.dropLast(server.output.count))
            while !server.output.isEmpty {
                sent += server.output
                server.sent(server.output.count)
            }
            XCTAssertEqual(sent, expected + list.flatMap(\.frame), "round \(round)")
        }
    }

    private struct SplitMix {
        private var state: UInt64
        init(seed: UInt64) { state = seed }
        mutating func below(_ limit: Int) -> Int {
            state &+= 0x9E37_79B9_7F4A_7C15
            var word = state
            word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
            return Int((word ^ word >> 27) >> 33) % limit
        }
    }

    private final class Bomb: WebSocketCompressor {
        func compress(_ message: Span<UInt8>, into out: inout [UInt8]) { out.append(contentsOf: [1]) }
        func expand(_ message: Span<UInt8>, into out: inout [UInt8], limit: Int) -> Bool {
            out.append(contentsOf: [UInt8](repeating: 0, count: 1_000_000))
            return true
        }
    }

    func testMessagesThatExpandWithoutMeasureEndWith1008WhenTheyAreMany() {
        var pair = Pair(compressor: Bomb())
        pair.now = .zero + .seconds(100)
        for _ in 0..<3 {
            for _ in 0..<4 { XCTAssertTrue(pair.client.send(.binary, [1, 2, 3].span, overflow: .close, at: pair.now)) }
            pair.exchange()
            XCTAssertEqual(pair.fromClient.count, 4)
            pair.fromClient = []
            pair.now = pair.now + .seconds(10)
        }
        for _ in 0..<5 { XCTAssertTrue(pair.client.send(.binary, [1, 2, 3].span, overflow: .close, at: pair.now)) }
        pair.exchange()
        XCTAssertEqual(pair.fromClient.count, 5)
        XCTAssertTrue(pair.fromClient.last?.hasPrefix("closed 1008 ") ?? false, "\(pair.fromClient.last ?? "")")
    }

    func testAFloodOfPingsEndsWith1008() {
        var pair = Pair()
        var flood: [UInt8] = []
        for _ in 0..<101 { flood += [0x89, 0x80, 0, 0, 0, 0] }
        var offset = 0, span = flood.mutableSpan
        guard case .closed(let code, _, _)? = pair.server.next(&span, &offset, at: .zero) else { return XCTFail("an end was expected") }
        XCTAssertEqual(code, .policyViolation)
        XCTAssertLessThan(pair.server.output.count, 400)
    }

    /// RFC 6455 clause 5.5.1: nothing follows a close frame.
    func testWhatWaitsGoesOutBeforeTheAnswerToAClose() {
        let messages = (0..<5).map { [UInt8](repeating: UInt8($0), count: 20_000) }
        for (last, expected) in [([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8], [5, 1000]), ([0x83], [1, 1002])] as [([UInt8], [Int])] {
            var server = WebSocketConnection(at: .zero)
            for message in messages { XCTAssertTrue(server.send(.binary, message.span, overflow: .close, at: .zero)) }
            var bytes = last, offset = 0, span = bytes.mutableSpan
            guard case .closed? = server.next(&span, &offset, at: .zero) else { return XCTFail("an end was expected") }
            var sent: [UInt8] = []
            while !server.output.isEmpty {
                sent += server.output
                server.sent(server.output.count)
            }
            var reader = WebSocketReader(role: .client, limit: 1 << 20)
            var events: [Int] = [0], place = 0
            var frames = sent.mutableSpan
            while let event = try? reader.next(&frames, &place) {
                switch event {
                case .message: events[0] += 1
                case .close(let code, _): events.append(Int(code.rawValue))
                default: XCTFail("\(event)")
                }
            }
            XCTAssertEqual(events, expected)
            XCTAssertEqual(place, sent.count)
            XCTAssertEqual(server.backlog, 0)
        }
    }

    func testConnectionEndsAreToldOnce() {
        var pair = Pair()
        XCTAssertNotNil(pair.server.connectionEnded())
        XCTAssertNil(pair.server.connectionEnded())
    }

    /// Swaps bits: enough to see who compresses what.
    private final class Swapper: WebSocketCompressor {
        func compress(_ message: Span<UInt8>, into out: inout [UInt8]) { for index in 0..<message.count { out.append(~message[index]) } }
        func expand(_ message: Span<UInt8>, into out: inout [UInt8], limit: Int) -> Bool {
            guard message.count <= limit, message[0] != 0 else { return false }
            for index in 0..<message.count { out.append(~message[index]) }
            return true
        }
    }

    func testCompressedMessagesAreExpandedAndChecked_RFC7692() {
        var pair = Pair(compressor: Swapper())
        _ = pair.client.send(.text, bytes("hello").span, overflow: .close, at: .zero)
        _ = pair.client.send(.text, bytes("").span, overflow: .close, at: .zero)
        pair.exchange()
        XCTAssertEqual(pair.fromClient, ["text hello", "text "])
        _ = pair.client.send(.text, ([0x80] as [UInt8]).span, overflow: .close, at: .zero)
        pair.exchange()
        XCTAssertTrue(pair.fromClient.last?.hasPrefix("closed 1007") ?? false)
    }

    // MARK: the handshake

    /// RFC 6455 clause 1.3 gives this key's digest.
    private let nonce = Array("the sample nonce".utf8)

    private func request(_ change: (inout HTTPRequestHead) -> Void = { _ in }) -> HTTPRequestHead {
        var head = HTTPRequestHead(
            .get, "/ws", fields: WebSocketHandshake.request(nonce: nonce, protocols: ["a", "b"], offersCompression: true))
        head.fields.append("Host", "x")
        change(&head)
        return head
    }

    func testSHA1_RFC3174() {
        for (text, count, expected) in [
            ("", 1, "da39a3ee5e6b4b0d3255bfef95601890afd80709"), ("abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
            ("a", 1_000_000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
            ("0123456701234567012345670123456701234567012345670123456701234567", 10, "dea356a2cddd90c7a7ecedc5ebb563934f460452"),
        ] {
            let message = (0..<count).flatMap { _ in Array(text.utf8) }
            XCTAssertEqual(Hex.encode(SHA1.digest(message)), expected, "\(text) \(count) times")
        }
    }

    func testHandshake_RFC6455_4() throws {
        let agreement = try WebSocketHandshake.accept(request(), protocols: ["c", "b"], allowsCompression: true)
        XCTAssertEqual(agreement.response.fields["Sec-WebSocket-Accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        XCTAssertEqual(agreement.protocol, "b")
        XCTAssertEqual(agreement.deflate?.description, "permessage-deflate; server_no_context_takeover; client_no_context_takeover")
        let checked = try WebSocketHandshake.check(
            agreement.response, nonce: nonce, protocols: ["a", "b"], offeredCompression: true)
        XCTAssertEqual(checked.protocol, "b")
        XCTAssertEqual(checked.deflate?.serverKeepsContext, false)
        XCTAssertNil(try WebSocketHandshake.accept(request()).deflate)
    }

    func testWrongHandshakesAreRefused() {
        let cases: [(HTTPStatus, (inout HTTPRequestHead) -> Void)] = [
            (.upgradeRequired, { $0.method = .post }), (.upgradeRequired, { $0.fields["Upgrade"] = "h2c" }),
            (.upgradeRequired, { $0.fields["Connection"] = "keep-alive" }),
            (.upgradeRequired, { $0.fields["Sec-WebSocket-Version"] = "8" }),
            (.upgradeRequired, { $0.version = .http10 }), (.badRequest, { $0.fields["Sec-WebSocket-Key"] = nil }),
            (.badRequest, { $0.fields["Sec-WebSocket-Key"] = "c2hvcnQ=" }), (.badRequest, { $0.fields.append("Sec-WebSocket-Key", "x") }),
        ]
        for (index, (status, change)) in cases.enumerated() {
            XCTAssertThrowsError(try WebSocketHandshake.accept(request(change)), "\(index)") {
                XCTAssertEqual(($0 as? WebSocketRefusal)?.status, status, "\(index)")
            }
        }
        let answers: [(inout HTTPResponseHead) -> Void] = [
            { $0.status = .ok }, { $0.fields["Upgrade"] = nil }, { $0.fields["Sec-WebSocket-Accept"] = "x" },
            { $0.fields.append("Sec-WebSocket-Accept", "x") },
            {
                $0.fields.append("Sec-WebSocket-Protocol", "a")
                $0.fields.append("Sec-WebSocket-Protocol", "a")
            },
            { $0.fields["Sec-WebSocket-Protocol"] = "z" }, { $0.fields["Sec-WebSocket-Extensions"] = "permessage-bzip2" },
        ]
        for (index, change) in answers.enumerated() {
            var answer = try! WebSocketHandshake.accept(request()).response
            change(&answer)
            XCTAssertThrowsError(
                try WebSocketHandshake.check(answer, nonce: nonce, protocols: ["a"], offeredCompression: true), "\(index)")
        }
    }

    func testDeflateOffers_RFC7692_7_1() throws {
        let cases: [(String, String?)] = [
            ("permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
            (
                "x-webkit-deflate-frame, permessage-deflate; client_max_window_bits",
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
            ),
            (
                "permessage-deflate; server_max_window_bits=10",
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10"
            ),
            (
                "permessage-deflate; client_max_window_bits=\"12\"",
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=12"
            ),
            ("permessage-deflate; server_max_window_bits=16", nil), ("permessage-deflate; server_max_window_bits", nil),
            ("permessage-deflate; foo", nil),
            ("permessage-deflate; server_max_window_bits=8", nil),
            ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", nil),
            ("permessage-deflate; server_no_context_takeover=1", nil), ("permessage-deflate; client_no_context_takeover=", nil),
            ("permessage-deflate; server_max_window_bits=010", nil), ("permessage-deflate; client_max_window_bits=+10", nil),
            ("permessage-deflate; client_max_window_bits=", nil),
            ("permessage-deflate; foo, permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
        ]
        for (offer, answer) in cases {
            let head = request { $0.fields["Sec-WebSocket-Extensions"] = offer }
            XCTAssertEqual(
                try WebSocketHandshake.accept(head, allowsCompression: true).response.fields["Sec-WebSocket-Extensions"],
                answer, offer)
        }
    }
}
