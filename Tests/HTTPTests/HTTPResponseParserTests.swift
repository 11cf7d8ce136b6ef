import HTTP
import Wire
import XCTest

final class HTTPResponseParserTests: XCTestCase {
    /// What the parser says of the bytes in these pieces, then of the connection's end.
    private func read(_ pieces: [[UInt8]], _ methods: [HTTPMethod], limits: HTTPLimits) -> [String] {
        var parser = HTTPResponseParser(limits: limits)
        var steps: [String] = [], body: [UInt8] = [], answered = 0
        parser.expect(methods[0])
        do throws(HTTPError) {
            for piece in pieces {
                var offset = 0
                while let event = try parser.next(piece.span, &offset) {
                    switch event {
                    case .informational(let head): steps.append("(\(head.status.rawValue))")
                    case .head(let head): steps.append("\(head.status.rawValue) \(head.fields.count) \(head.keepsAlive ? "keep" : "close")")
                    case .body(let range): body += piece[range]
                    case .end:
                        steps.append("\"\(String(decoding: body, as: UTF8.self))\"")
                        body = []
                        answered += 1
                        parser.expect(methods[min(answered, methods.count - 1)])
                    }
                }
            }
            steps.append(try parser.connectionEnded() ? "\"\(String(decoding: body, as: UTF8.self))\" to the end" : "ended")
        } catch { steps.append("\(error.code)") }
        return steps
    }

    /// Whole, at every cut, and byte by byte.
    private func check(
        _ text: String, to methods: [HTTPMethod] = [.get], limits: HTTPLimits = HTTPLimits(startLine: 100, head: 200, fields: 5, body: 100),
        _ expected: [String], line: UInt = #line
    ) {
        let bytes = Array(text.utf8)
        XCTAssertEqual(read([bytes], methods, limits: limits), expected, line: line)
        for cut in 0...bytes.count {
            XCTAssertEqual(
                read([Array(bytes[..<cut]), Array(bytes[cut...])], methods, limits: limits), expected, "cut at \(cut)", line: line)
        }
        XCTAssertEqual(read(bytes.map { [$0] }, methods, limits: limits), expected, line: line)
    }

    func testResponsesOfEveryFraming_RFC9112_6_3() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", ["200 1 keep", "\"abc\"", "ended"])
        check("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", ["200 1 keep", "\"\"", "ended"])
        check("HTTP/1.1 200 \r\n\r\nabc", ["200 0 keep", "\"abc\" to the end"])
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;a=b\r\nd\r\n0\r\nX: y\r\n\r\n",
            ["200 1 keep", "\"abcd\"", "ended"])
        check(
            "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 X\r\nContent-Length: 9\r\n\r\n",
            ["204 0 keep", "\"\"", "304 1 keep", "\"\"", "ended"])
        check("HTTP/1.0 200 OK\r\n\r\n", ["200 0 close", "\"\" to the end"])
    }

    func testTheRequestDecidesWhetherThereIsABody_RFC9112_6_3() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
        check(head + head + "abc", to: [.head, .get], ["200 1 keep", "\"\"", "200 1 keep", "\"abc\"", "ended"])
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", to: [.connect], ["200 1 keep", "\"\"", "ended"])
        check("HTTP/1.1 407 No\r\nContent-Length: 1\r\n\r\nx", to: [.connect], ["407 1 keep", "\"x\"", "ended"])
    }

    func testInterimResponses_RFC9110_15_2() {
        check(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
            ["(100)", "(103)", "200 1 keep", "\"x\"", "ended"])
        let hint = "HTTP/1.1 103 X\r\n\r\n", hints = [String](repeating: "(103)", count: 16)
        let response = String(repeating: hint, count: 16) + "HTTP/1.1 204 X\r\n\r\n"
        check(response + response, hints + ["204 0 keep", "\"\""] + hints + ["204 0 keep", "\"\"", "ended"])
        check(String(repeating: hint, count: 17), hints + ["statusLine"])
        check("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", ["101 1 keep", "\"\"", "ended"])
    }

    func testWhatIsRefused() {
        for text in [
            "HTTP/2 200 OK\r\n", "HTTP/1.1 99 X\r\n", "HTTP/1.1 600 X\r\n", "HTTP/1.1  200\r\n", "HTTP/1.1 2000\r\n",
            "HTTP/1.1 200 \u{1}\r\n", "\r\n\r\n",
        ] {
            check(text, ["statusLine"])
        }
        let head = "HTTP/1.1 200 OK\r\n"
        check("HTTP/1.1 200 OK\nA: b\n", ["lineEnding"])
        check(head + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", ["contentLength"])
        check(head + "Content-Length: +1\r\n\r\n", ["contentLength"])
        check(head + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", ["lengthAndEncoding"])
        check(head + "Transfer-Encoding: gzip, chunked\r\n\r\n", ["transferEncoding"])
        check(head + "Content-Length: 101\r\n\r\n", ["200 1 keep", "bodyTooLong"])
        check(head + "Transfer-Encoding: chunked\r\n\r\n65\r\n", ["200 1 keep", "bodyTooLong"])
        check(head + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n", ["200 1 keep", "bodyTooLong"])
        check(head + "Transfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n", ["200 1 keep", "chunkEnd"])
        check(head + "A: b\r\n c\r\n\r\n", ["folding"])
    }

    func testAnEndInsideAResponseIsSeen_RFC9112_8() {
        for text in ["HTTP/1.1 2", "HTTP/1.1 200 OK\r\nA: b\r\n"] { check(text, ["truncated"]) }
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", ["200 1 keep", "truncated"])
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", ["200 1 keep", "truncated"])
    }
}
