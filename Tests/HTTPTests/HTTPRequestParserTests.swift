import HTTP
import Wire
import XCTest

/// RFC 9112, clause by clause. Every text is fed whole, byte by byte and in pieces of every kind, and all must agree.
final class HTTPRequestParserTests: XCTestCase {
    /// What came out, body pieces joined.
    private enum Step: Equatable {
        case head(HTTPRequestHead, expectsContinue: Bool)
        case body([UInt8])
        case end
        case failed(HTTPError)
    }

    private func feed(_ pieces: [[UInt8]], limits: HTTPLimits) -> [Step] {
        var parser = HTTPRequestParser(limits: limits)
        var steps: [Step] = []
        do throws(HTTPError) {
            for piece in pieces {
                var offset = 0
                while let event = try parser.next(piece.span, &offset) {
                    switch event {
                    case .head(let head, let expectsContinue): steps.append(.head(head, expectsContinue: expectsContinue))
                    case .end: steps.append(.end)
                    case .body(let range):
                        if case .body(let before)? = steps.last {
                            steps[steps.count - 1] = .body(before + piece[range])
                        } else {
                            steps.append(.body(Array(piece[range])))
                        }
                    }
                }
                XCTAssertEqual(offset, piece.count, "all bytes are taken")
            }
        } catch { steps.append(.failed(error)) }
        return steps
    }

    private func parse(_ text: String, limits: HTTPLimits = HTTPLimits(), line: UInt = #line) -> [Step] {
        let bytes = Array(text.utf8)
        let whole = feed([bytes], limits: limits)
        XCTAssertEqual(whole, feed(bytes.map { [$0] }, limits: limits), "byte by byte: \(text.debugDescription)", line: line)
        var random = SeededRandom(seed: 5)
        for _ in 0..<10 {
            var pieces: [[UInt8]] = [], rest = bytes[...]
            while !rest.isEmpty {
                let count = 1 + Int(random.next() % 17)
                pieces.append(Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            XCTAssertEqual(whole, feed(pieces, limits: limits), "in pieces: \(text.debugDescription)", line: line)
        }
        return whole
    }

    private func failure(_ text: String, limits: HTTPLimits = HTTPLimits(), line: UInt = #line) -> HTTPError.Code? {
        guard case .failed(let error)? = parse(text, limits: limits, line: line).last else { return nil }
        return error.code
    }

    private let get = "GET / HTTP/1.1\r\nHost: a\r\n"

    func testRequestsWithoutBodies() {
        let steps = parse("GET /x?y=1 HTTP/1.1\r\nHost: robot:8000\r\nX-Odd:  \t two words \t\r\nEmpty:\r\n\r\nOPTIONS * HTTP/1.0\r\n\r\n")
        let first = HTTPRequestHead(.get, "/x?y=1", fields: ["Host": "robot:8000", "X-Odd": "two words", "Empty": ""])
        XCTAssertEqual(
            steps,
            [
                .head(first, expectsContinue: false), .end, .head(HTTPRequestHead(.options, "*", version: .http10), expectsContinue: false),
                .end,
            ])
    }

    func testPipelinedBodiesOfBothFramings_RFC9112_6() {
        let post = "POST /a HTTP/1.1\r\nHost: a\r\n"
        let steps = parse(
            post + "Content-Length: 5\r\n\r\nhello" + post
                + "Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n00A;x=\"y\";z\r\n0123456789\r\n0\r\nT: v\r\n\r\n"
                + post + "Content-Length: 0\r\n\r\n" + get + "\r\n")
        let bodies = steps.compactMap { if case .body(let bytes) = $0 { String(decoding: bytes, as: UTF8.self) } else { nil } }
        XCTAssertEqual(bodies, ["hello", "abc0123456789"])
        XCTAssertEqual(steps.filter { $0 == .end }.count, 4)
    }

    func testOneEmptyLineBeforeARequestIsForgiven_RFC9112_2_2() {
        XCTAssertNil(failure("\r\n" + get + "\r\n"))
        XCTAssertNil(failure(get + "\r\n\r\n" + get + "\r\n"))
        XCTAssertEqual(failure("\r\n\r\n" + get + "\r\n"), .requestLine)
    }

    func testExpectation_RFC9110_10_1_1() {
        let head = HTTPRequestHead(.post, "/", fields: ["Host": "a", "Content-Length": "1", "Expect": "100-Continue"])
        XCTAssertEqual(
            parse("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\nx"),
            [.head(head, expectsContinue: true), .body([UInt8(ascii: "x")]), .end])
        XCTAssertEqual(failure(get + "Expect: tea\r\n\r\n"), .expectation)
    }

    func testMalformedHeadsAreRefused() {
        let cases: [(String, HTTPError.Code)] = [
            ("GET / HTTP/1.1\nHost: a\n\n", .lineEnding), (get + "A: b\n\r\n", .lineEnding), ("\n", .lineEnding),
            (get + "A: b\rC: d\r\n\r\n", .fieldValue), ("GET / HTTP/1.1\r\r\n", .requestLine), (get + "A: \0\r\n\r\n", .fieldValue),
            (get + "A: \u{7f}\r\n\r\n", .fieldValue), (get + "A: b\r\n folded\r\n\r\n", .folding), (get + "\tA: b\r\n\r\n", .folding),
            ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", .folding), (get + "A : b\r\n\r\n", .fieldName), (get + ": b\r\n\r\n", .fieldName),
            (get + "A\r\n\r\n", .fieldName), (get + "A(: b\r\n\r\n", .fieldName), (get + "Ä: b\r\n\r\n", .fieldName),
            (get + "A\t: b\r\n\r\n", .fieldName), ("GET  / HTTP/1.1\r\n", .requestLine), ("GET /  HTTP/1.1\r\n", .requestLine),
            (" GET / HTTP/1.1\r\n", .requestLine), ("GET / HTTP/1.1 \r\n", .requestLine), ("GET\t/\tHTTP/1.1\r\n", .requestLine),
            ("GET / HTTP/1.1x\r\n", .requestLine), ("GET / http/1.1\r\n", .requestLine), ("GET / HTTP/11\r\n", .requestLine),
            ("GET /\r\n", .requestLine), ("GET x HTTP/1.1\r\n", .requestLine), ("GET /a b HTTP/1.1\r\n", .requestLine),
            ("GET /\u{e4} HTTP/1.1\r\n", .requestLine), ("G(T / HTTP/1.1\r\n", .requestLine), ("/ HTTP/1.1\r\n", .requestLine),
            (String(repeating: "G", count: 33) + " / HTTP/1.1\r\n", .requestLine), ("PRI * HTTP/2.0\r\n\r\n", .version),
            ("GET / HTTP/3.0\r\n", .version), ("GET / HTTP/0.9\r\n", .version), ("\u{16}\u{3}\u{1}\r\n", .requestLine),
            ("GET / HTTP/1.1\r\n\r\n", .host), (get + "Host: a\r\n\r\n", .host), (get + "host: b\r\n\r\n", .host),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", .host), ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", .host),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", .host), ("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", .host),
        ]
        for (text, code) in cases { XCTAssertEqual(failure(text), code, text.debugDescription) }
    }

    /// Where two readers would look for the path, or for the host, in two places.
    func testTargetsOfFourForms_RFC9112_3_2() {
        let taken = [
            "GET http://a/x", "GET http://A", "GET HTTP://a/", "GET http://a?x=/y", "OPTIONS *", "OPTIONS http://a", "GET /x?y=http://b/",
            "CONNECT a:80",
        ]
        for line in taken { XCTAssertNil(failure("\(line) HTTP/1.1\r\nHost: a\r\n\r\n"), line) }
        XCTAssertNil(failure("GET https://[2001:db8::1]:81/x HTTP/1.1\r\nHost: [2001:DB8::1]:81\r\n\r\n"))
        XCTAssertNil(failure("GET http://a/x HTTP/1.0\r\n\r\n"))
        for (target, code): (String, HTTPError.Code) in [
            ("x?y=://b/admin", .requestLine), ("x://b/admin", .requestLine), ("javascript://a/", .requestLine), ("http:/a/x", .requestLine),
            ("http:///x", .requestLine), ("http://", .requestLine), ("http://u@a/x", .requestLine), ("http://a\\b/x", .requestLine),
            ("/x#y", .requestLine), ("/#/../admin", .requestLine), ("http://a#b", .requestLine), ("*", .requestLine),
            ("a:80", .requestLine),
            ("http://b/x", .host), ("http://a:80/x", .host), ("https://b?a", .host),
        ] {
            XCTAssertEqual(failure("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n"), code, target)
        }
    }

    func testABodyThatWillBeRefusedIsKnownByItsHead() throws {
        for (field, isRefused) in [("Content-Length: 10", false), ("Content-Length: 11", true), ("Transfer-Encoding: chunked", false)] {
            var parser = HTTPRequestParser(limits: HTTPLimits(body: 10))
            let text = Array("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\(field)\r\n\r\n".utf8)
            var offset = 0
            guard case .head? = try parser.next(text.span, &offset) else { return XCTFail("a head was expected") }
            XCTAssertEqual(parser.isBodyRefused, isRefused, field)
            parser.bodyLimit = 11
            XCTAssertFalse(parser.isBodyRefused, field)
        }
    }

    func testAmbiguousLengthsAreRefused_RFC9112_6_3() {
        let post = "POST / HTTP/1.1\r\nHost: a\r\n"
        let cases: [(String, HTTPError.Code)] = [
            (post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", .lengthAndEncoding),
            (post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", .lengthAndEncoding),
            (post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", .contentLength),
            (post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", .contentLength),
            (post + "Content-Length: 5, 5\r\n\r\n", .contentLength), (post + "Content-Length: +5\r\n\r\n", .contentLength),
            (post + "Content-Length: -5\r\n\r\n", .contentLength), (post + "Content-Length: 0x5\r\n\r\n", .contentLength),
            (post + "Content-Length: 5 5\r\n\r\n", .contentLength), (post + "Content-Length:\r\n\r\n", .contentLength),
            (post + "Content-Length: 99999999999999999999\r\n\r\n", .contentLength),
            (post + "Transfer-Encoding: identity\r\n\r\n", .lengthAndEncoding),
            (post + "Transfer-Encoding: chunked, gzip\r\n\r\n", .lengthAndEncoding),
            (post + "Transfer-Encoding: gzip, chunked\r\n\r\n", .transferEncoding),
            (post + "Transfer-Encoding: xchunked\r\n\r\n", .transferEncoding),
            (post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", .lengthAndEncoding),
            (post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", .lengthAndEncoding),
            (post + "Transfer-Encoding:\r\n\r\n", .lengthAndEncoding), (post + "Transfer-Encoding: \u{b}chunked\r\n\r\n", .fieldValue),
            (post + "Transfer-Encoding : chunked\r\n\r\n", .fieldName), (post + "Transfer-Encoding\t: chunked\r\n\r\n", .fieldName),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", .lengthAndEncoding),
        ]
        for (text, code) in cases { XCTAssertEqual(failure(text), code, text.debugDescription) }
    }

    func testMalformedChunksAreRefused_RFC9112_7_1() {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        let cases: [(String, HTTPError.Code)] = [
            ("\r\n", .chunkSize), ("g\r\n", .chunkSize), ("-1\r\n", .chunkSize), ("+1\r\n", .chunkSize), ("0x1\r\n", .chunkSize),
            (" 1\r\n", .chunkSize), ("1 \r\nx\r\n", .chunkSize), ("1\n", .chunkSize), ("1\rx", .lineEnding), ("1\r\nxy", .chunkEnd),
            ("1\r\nx\n", .chunkEnd), ("1\r\nx\ry", .chunkEnd), ("1;a\nb\r\n", .chunkExtension), (";a\r\n", .chunkSize),
            ("11111111111111111\r\n", .chunkSize), ("ffffffffffffffff\r\n", .bodyTooLong), ("100001\r\n", .bodyTooLong),
            ("0\r\nA : b\r\n\r\n", .fieldName), ("0\r\n\n", .lineEnding), ("0\r\n folded\r\n\r\n", .folding),
            ("0;" + String(repeating: "x", count: 5000), .chunkExtension),
            ("0\r\n" + String(repeating: "A: b\r\n", count: 101), .tooManyFields),
        ]
        for (text, code) in cases { XCTAssertEqual(failure(head + text), code, text.prefix(40).debugDescription) }
    }

    func testLimits() {
        let limits = HTTPLimits(startLine: 40, head: 100, fields: 3, body: 10)
        XCTAssertEqual(failure("GET /" + String(repeating: "x", count: 40), limits: limits), .startLineTooLong)
        XCTAssertEqual(failure(get + "A: " + String(repeating: "x", count: 100), limits: limits), .headTooLong)
        XCTAssertEqual(failure(get + "A: b\r\nB: c\r\nC: d\r\n\r\n", limits: limits), .tooManyFields)
        XCTAssertEqual(failure("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", limits: limits), .bodyTooLong)
        XCTAssertNil(failure("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789", limits: limits))
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        XCTAssertEqual(failure(chunked + "6\r\n012345\r\n5\r\n", limits: limits), .bodyTooLong)
        XCTAssertNil(failure(chunked + "6\r\n012345\r\n4\r\n0123\r\n0\r\n\r\n", limits: limits))
    }

    /// Whichever limit is passed first is the one that is named.
    func testTheFirstLimitThatIsPassedIsSaid() {
        let long = "GET /" + String(repeating: "x", count: 100)
        XCTAssertEqual(failure(long, limits: HTTPLimits(startLine: 20, head: 30)), .startLineTooLong)
        XCTAssertEqual(failure(long, limits: HTTPLimits(startLine: 30, head: 20)), .headTooLong)
        XCTAssertEqual(failure(long, limits: HTTPLimits(startLine: 30, head: 30)), .startLineTooLong)
        let limits = HTTPLimits(startLine: 14, head: 31)
        XCTAssertNil(failure("GET / HTTP/1.1\r\nHost: abcdefgh\r\n\r\n", limits: HTTPLimits(startLine: 15, head: 33)))
        XCTAssertEqual(failure("GET / HTTP/1.1\r\nHost: abcdefgh\r\n\r\n", limits: limits), .startLineTooLong)
    }

    func testARouteMayAllowAnotherLength() throws {
        var parser = HTTPRequestParser(limits: HTTPLimits(body: 10))
        let text = Array("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n01234567890123456789".utf8)
        var offset = 0
        guard case .head? = try parser.next(text.span, &offset) else { return XCTFail("a head was expected") }
        parser.bodyLimit = 20
        guard case .body(let range)? = try parser.next(text.span, &offset) else { return XCTFail("a body was expected") }
        XCTAssertEqual(range.count, 20)
        guard case .end? = try parser.next(text.span, &offset) else { return XCTFail("the end was expected") }
        XCTAssertTrue(parser.isIdle)
    }

    func testAfterAnErrorNothingMoreIsRead() throws {
        var parser = HTTPRequestParser()
        let bad = Array("nonsense\r\n".utf8), good = Array((get + "\r\n").utf8)
        for bytes in [bad, good] {
            var offset = 0
            XCTAssertThrowsError(try parser.next(bytes.span, &offset)) { XCTAssertEqual(($0 as? HTTPError)?.code, .requestLine) }
        }
    }

    func testConnectionsStayOpenAsAgreed_RFC9112_9_3() {
        let cases: [(HTTPVersion, String?, Bool)] = [
            (.http11, nil, true), (.http11, "close", false), (.http11, "Upgrade, CLOSE", false), (.http11, "keep-alive", true),
            (.http10, nil, false), (.http10, "Keep-Alive", true), (.http10, "keep-alive, close", false), (.http11, "closed", true),
        ]
        for (version, connection, expected) in cases {
            var head = HTTPRequestHead(.get, "/", version: version)
            head.fields["Connection"] = connection
            XCTAssertEqual(head.keepsAlive, expected, "\(version) \(connection ?? "-")")
        }
    }

    func testDamagedRequestsNeverTrap() {
        let good = Array(
            (get
                + "\r\nPOST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n4;a=b\r\nwiki\r\n0\r\nT: v\r\n\r\n")
                .utf8)
        var random = SeededRandom(seed: 6)
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0..<(1 + random.next() % 3) {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            let limits = HTTPLimits(startLine: 64, head: 256, fields: 4, body: 64)
            let cut = Int(random.next() % UInt64(bytes.count))
            XCTAssertEqual(
                feed([bytes], limits: limits), feed([Array(bytes[..<cut]), Array(bytes[cut...])], limits: limits), "seed 6")
        }
    }
}
