import HTTP
import Wire
import XCTest

/// RFC 7578 and RFC 2046 clause 5.1.1: every body is fed whole, byte by byte and cut at every place, and all must agree.
final class MultipartTests: XCTestCase {
    private struct Part: Equatable {
        var name: String
        var fileName: String?
        var type: String
        var content: [UInt8]
    }

    private enum Outcome: Equatable {
        case parts([Part])
        case failed(MultipartError.Code, after: [Part])
    }

    private let type = "multipart/form-data; boundary=b"

    private func feed(_ pieces: [ArraySlice<UInt8>], _ type: String, _ limits: MultipartLimits) -> Outcome {
        var parts: [Part] = [], current: Part?
        do throws(MultipartError) {
            var reader = try MultipartReader(contentType: type, limits: limits)
            for piece in pieces {
                let bytes = Array(piece)
                var offset = 0
                while let event = try reader.next(bytes.span, &offset) {
                    switch event {
                    case .part(let head):
                        XCTAssertNil(current)
                        current = Part(name: head.name, fileName: head.fileName, type: head.contentType, content: [])
                    case .data(let range):
                        XCTAssertFalse(range.isEmpty)
                        current?.content += bytes[range]
                    case .held(let range):
                        XCTAssertFalse(range.isEmpty)
                        current?.content += reader.delimiter[range]
                    case .partEnd:
                        parts.append(current!)
                        current = nil
                    case .end: XCTAssertNil(current)
                    }
                }
                XCTAssertEqual(offset, bytes.count, "all bytes are taken")
            }
            try reader.finish()
            return .parts(parts)
        } catch { return .failed(error.code, after: parts) }
    }

    private func read(_ body: [UInt8], _ type: String? = nil, limits: MultipartLimits = MultipartLimits(), line: UInt = #line) -> Outcome {
        let type = type ?? self.type
        let whole = feed([body[...]], type, limits)
        XCTAssertEqual(whole, feed(body.indices.map { body[$0...$0] }, type, limits), "byte by byte", line: line)
        for cut in body.indices { XCTAssertEqual(whole, feed([body[..<cut], body[cut...]], type, limits), "cut at \(cut)", line: line) }
        for size in [2, 3, 7] {
            let pieces = stride(from: 0, to: body.count, by: size).map { body[$0..<min($0 + size, body.count)] }
            XCTAssertEqual(whole, feed(pieces, type, limits), "pieces of \(size)", line: line)
        }
        return whole
    }

    private func read(_ text: String, _ type: String? = nil, limits: MultipartLimits = MultipartLimits(), line: UInt = #line) -> Outcome {
        read(Array(text.utf8), type, limits: limits, line: line)
    }

    private func field(_ name: String, _ content: String) -> Part {
        Part(name: name, fileName: nil, type: "text/plain", content: Array(content.utf8))
    }

    private func part(_ content: String, _ head: String = "Content-Disposition: form-data; name=a") -> String {
        "--b\r\n\(head)\r\n\r\n\(content)\r\n--b--"
    }

    func testFieldsAndFilesComeInOrder_RFC7578_4() {
        let body =
            "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n"
            + "--b\r\nContent-Disposition: form-data; name=\"pic\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\u{0}PNG\r\n\r\n--b--\r\n"
        XCTAssertEqual(
            read(body),
            .parts([field("note", "hello"), Part(name: "pic", fileName: "a.png", type: "image/png", content: Array("\u{0}PNG\r\n".utf8))]))
        XCTAssertEqual(read("--b--"), .parts([]))
        XCTAssertEqual(read("--b--\r\n"), .parts([]))
    }

    func testContentsThatLookLikeBoundariesStayContents_RFC2046_5_1_1() {
        let boundary = "----WebKitFormBoundary7MA4"
        for content in [
            "", "\r", "\n", "\r\n", "\r\n\r\n", "-", "--", "\r\n-", "\r\n--", "\r\n--\r\n--", "\r\r\r\n", "\r\n-\r\n--",
            "\r\n------WebKitFormBoundary7MA",
            "\r\n------WebKitFormBoundary7MA\r\n------WebKitFormBoundary7M", "--\(boundary.dropFirst())", "a--\(boundary)",
            "\n--\(boundary)",
            "\r--\(boundary)", "------WebKitFormBoundary7MA\r", "\r\n\r\n------WebKitFormBoundary7MA5\r\n------",
        ] {
            let body = "--\(boundary)\r\nContent-Disposition: form-data; name=a\r\n\r\n\(content)\r\n--\(boundary)--\r\n"
            XCTAssertEqual(read(body, "multipart/form-data; boundary=\(boundary)"), .parts([field("a", content)]), content.debugDescription)
        }
    }

    func testABoundaryAtTheBeginningOfALineCountsWhateverFollows() {
        XCTAssertEqual(
            read("--b\r\nContent-Disposition: form-data; name=a\r\n\r\n--b--"), .parts([field("a", "")]), "a part without a body")
        for content in ["x\r\n--bc", "x\r\n--b\n", "--bx", "--b-x"] {
            XCTAssertEqual(
                read(part(content)), .failed(.delimiter, after: [field("a", content.hasPrefix("x") ? "x" : "")]), content.debugDescription)
        }
        XCTAssertEqual(
            read("--b \t \r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b-- \t\r\nepilogue \r\n--b\r\n"),
            .parts([field("a", "1")]))
    }

    func testWhatComesBeforeTheFirstBoundaryIsNotRead() {
        XCTAssertEqual(read("preamble\r\n-\r\n--\r\n" + part("1")), .parts([field("a", "1")]))
        XCTAssertEqual(read("x" + part("1")), .parts([]), "the first is not at the beginning of a line")
        let limits = MultipartLimits(preamble: 10)
        XCTAssertEqual(read("12345678\r\n\r\n" + part("1"), limits: limits), .parts([field("a", "1")]))
        XCTAssertEqual(read("123456789\r\n\r\n" + part("1"), limits: limits), .failed(.preambleTooLong, after: []))
    }

    func testEndsThatAreMissingAreSaid() {
        let body = part("content")
        for end in 0..<body.utf8.count {
            let outcome = feed([Array(body.utf8.prefix(end))[...]], type, MultipartLimits())
            guard case .failed(.truncated, _) = outcome else { return XCTFail("\(end): \(outcome)") }
        }
    }

    func testLimitsAreKept() {
        let many = String(repeating: "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n", count: 4) + "--b--"
        XCTAssertEqual(read(many, limits: MultipartLimits(parts: 4)), .parts([Part](repeating: field("a", ""), count: 4)))
        XCTAssertEqual(
            read(many, limits: MultipartLimits(parts: 3)), .failed(.tooManyParts, after: [Part](repeating: field("a", ""), count: 3)))
        XCTAssertEqual(read(part("12345678"), limits: MultipartLimits(part: 8)), .parts([field("a", "12345678")]))
        XCTAssertEqual(read(part("12\r\n--567"), limits: MultipartLimits(part: 8)), .failed(.partTooLong, after: []))
        let long = "Content-Disposition: form-data; name=a\r\nX: " + String(repeating: "x", count: 200)
        XCTAssertEqual(read(part("", long), limits: MultipartLimits(head: 200)), .failed(.headTooLong, after: []))
        let fields = "Content-Disposition: form-data; name=a" + String(repeating: "\r\nX: y", count: 16)
        XCTAssertEqual(read(part("", fields)), .failed(.headTooLong, after: []))
    }

    func testBoundariesFollowTheGrammar_RFC2046_5_1_1() {
        func code(_ type: String) -> MultipartError.Code? {
            do throws(MultipartError) {
                _ = try MultipartReader(contentType: type)
                return nil
            } catch { return error.code }
        }
        for type in [
            "multipart/form-data; boundary=x", "Multipart/Form-Data;charset=utf-8;BOUNDARY=\"a b'()+_,-./:=?\"",
            "multipart/form-data; boundary=\(String(repeating: "x", count: 70));",
        ] {
            XCTAssertNil(code(type), type)
        }
        for type in [
            "multipart/form-data", "multipart/form-data; boundary=\"\"", "multipart/form-data; boundary=\"a \"",
            "multipart/form-data; boundary=\(String(repeating: "x", count: 71))", "multipart/form-data; boundary=\"a\\\"b\"",
            "multipart/form-data; boundary=\"é\"",
        ] {
            XCTAssertEqual(code(type), .boundary, type)
        }
        for type in [
            "", "text/plain; boundary=x", "multipart/mixed; boundary=x", "multipart/form-data; boundary=x; boundary=y",
            "multipart/form-data; boundary=", "multipart/form-data; boundary=x" + (0..<16).map { "; p\($0)=1" }.joined(),
            "multipart/form-data; boundary=\"x", "multipart/form-data boundary=x",
        ] {
            XCTAssertEqual(code(type), .contentType, type)
        }
    }

    func testPartsHaveADispositionWithAName_RFC7578_4_2() {
        for head in [
            "Content-Type: text/plain", "Content-Disposition: form-data", "Content-Disposition: attachment; name=a",
            "Content-Disposition: form-data; name=a; name=b",
            "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b",
            "Content-Disposition: form-data; name=\"a", "Content-Disposition: form-data; filename=a",
        ] {
            XCTAssertEqual(read(part("", head)), .failed(.disposition, after: []), head)
        }
        for head in ["Content-Disposition : form-data; name=a", " x: y", "nonsense", "Content-Disposition: form-data; name=a\nX: y"] {
            XCTAssertEqual(read(part("", head)), .failed(.head, after: []), head)
        }
        let disposition = "Content-Disposition: form-data; name=a\r\n"
        XCTAssertEqual(
            read(part("", disposition + "Content-Transfer-Encoding: base64")), .failed(.transferEncoding, after: []), "RFC 7578 clause 4.7")
        XCTAssertEqual(read(part("1", disposition + "Content-Transfer-Encoding: binary")), .parts([field("a", "1")]))
    }

    func testNamesAreReadAsBrowsersWriteThem() throws {
        for (written, name) in [
            ("\"a b\"", "a b"), ("\"a%22b%0D%0A%41\"", "a\"b\r\n%41"), ("\"a\\\"b\\\\c\\d\"", "a\"b\\c\\d"), ("\"größe\"", "größe"),
            ("plain", "plain"),
            ("\"\"", ""), ("\"100%\"", "100%"), ("\"%2\"", "%2"),
        ] {
            XCTAssertEqual(
                read(part("1", "content-disposition: form-data; name=\(written)")), .parts([field(name, "1")]), written)
        }
    }

    func testFileNamesAreNoPaths() throws {
        for (name, safe) in [
            ("a.png", "a.png"), ("../../etc/passwd", "passwd"), ("C:\\\\Users\\\\x\\\\a b.txt", "a b.txt"), ("..", nil), (".", nil),
            ("", nil),
            (".bashrc", "bashrc"), ("a/", "a"), ("/", nil), ("nul\u{202E}gnp.exe", "nulgnp.exe"), ("größe.txt", "größe.txt"),
            ("a;rm -rf `x`", "arm -rf x"),
            ("-rf", "rf"), ("CON:", "CON"), (String(repeating: "é", count: 300), String(repeating: "é", count: 100)),
        ] as [(String, String?)] {
            let body = part("", "Content-Disposition: form-data; name=a; filename=\"\(name)\"")
            let form = try HTTPForm(Array(body.utf8), contentType: type)
            XCTAssertEqual(form["a"]?.head.safeFileName, safe, name)
            XCTAssertNotNil(form["a"]?.head.fileName)
        }
    }

    func testAFormIsReadAtOnce() throws {
        let body =
            "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n1\r\n2\r\n--b\r\nContent-Disposition: form-data; name=y\r\n\r\n\r\n--b--\r\n"
        let form = try HTTPForm(Array(body.utf8), contentType: type)
        XCTAssertEqual(form.parts.map(\.name), ["x", "y"])
        XCTAssertEqual(form.parts.map(\.text), ["1\r\n2", ""])
        let simple = try HTTPForm(Array("a=1&b=two+words%21&a=3".utf8), contentType: "application/x-www-form-urlencoded; charset=utf-8")
        XCTAssertEqual(simple.parts.map(\.text), ["1", "two words!", "3"])
        XCTAssertEqual(simple["b"]?.text, "two words!")
        for (text, limits, code) in [
            ("a=%zz", MultipartLimits(), MultipartError.Code.escape), ("a&b&c", MultipartLimits(parts: 2), .tooManyParts),
            ("a=12345", MultipartLimits(part: 4), .partTooLong),
        ] {
            XCTAssertThrowsError(try HTTPForm(Array(text.utf8), contentType: "application/x-www-form-urlencoded", limits: limits)) {
                XCTAssertEqual(($0 as? MultipartError)?.code, code)
            }
        }
    }
}
