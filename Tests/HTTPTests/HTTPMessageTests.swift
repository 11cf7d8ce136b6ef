import HTTP
import Wire
import XCTest

final class HTTPMessageTests: XCTestCase {
    func testFieldsCompareNamesWithoutCase() {
        var fields: HTTPFields = ["Content-Type": "text/plain", "Via": "a, b", "via": "c"]
        XCTAssertEqual(fields["content-type"], "text/plain")
        XCTAssertEqual(fields.all("VIA"), ["a, b", "c"])
        XCTAssertEqual(fields.list("Via"), ["a", "b", "c"])
        XCTAssertTrue(fields.lists("via", "B") && !fields.lists("via", "a,") && !fields.lists("via", ""))
        fields["VIA"] = "d"
        XCTAssertEqual(fields.all("via"), ["d"])
        fields["via"] = nil
        XCTAssertEqual(fields.count, 1)
        var out: [UInt8] = []
        fields.write(to: &out)
        XCTAssertEqual(String(decoding: out, as: UTF8.self), "Content-Type: text/plain\r\n")
        XCTAssertFalse(HTTPFields.isValue("a\r\nSet-Cookie: b") || HTTPFields.isValue("\0"))
    }

    func testFieldsLieAsTheyAreSent() {
        var fields: HTTPFields = ["A": "1", "B": "", "C": "3"]
        var more: HTTPFields = ["D": "4"]
        more.append(contentsOf: HTTPFields())
        fields.append(contentsOf: more)
        fields["b"] = nil
        fields.compact()
        fields.append("E", "5")
        var out: [UInt8] = []
        fields.write(to: &out)
        XCTAssertEqual(String(decoding: out, as: UTF8.self), "A: 1\r\nC: 3\r\nD: 4\r\nE: 5\r\n")
        XCTAssertEqual(fields.map(\.name), ["A", "C", "D", "E"])
        XCTAssertEqual(["c", "d", "e", "b"].map { fields[$0] }, ["3", "4", "5", nil])
    }

    func testNoControlCharacterIsAFieldValueWhereverItStands_RFC9110_5_5() {
        for count in [1, 7, 8, 9, 16, 23] {
            for place in 0..<count {
                for byte in UInt8(0)...127 {
                    var text = [UInt8](repeating: UInt8(ascii: "x"), count: count)
                    text[place] = byte
                    let isValue = HTTPFields.isValue(String(decoding: text, as: UTF8.self))
                    XCTAssertEqual(isValue, byte >= 0x20 && byte != 0x7F || byte == 0x09, "\(byte) at \(place) of \(count)")
                }
            }
        }
        XCTAssertTrue(HTTPFields.isValue("größer als – 0\t12345678"))
    }

    func testTargetsAreTakenApart() {
        let cases: [(String, [String]?)] = [
            ("/", []), ("/a/b", ["a", "b"]), ("/a%20b/%C3%A9", ["a b", "é"]), ("/a/", ["a", ""]), ("//a", ["", "a"]), ("/a+b", ["a+b"]),
            ("http://host/x?y", ["x"]), ("http://host", []), ("*", []), ("/a#b", ["a"]),
            ("http://host?x=/admin", []),
            // Every way out of the tree.
            ("/..", nil), ("/a/../b", nil), ("/.", nil), ("/%2e%2e/etc/passwd", nil), ("/%2E./x", nil), ("/..%2fx", nil),
            ("/a%5c..%5cb", nil),
            ("/a\\b", nil), ("/%00", nil), ("/%c0%ae%c0%ae/", nil), ("/%ff", nil), ("/%", nil), ("/%2", nil), ("/%zz", nil),
            ("/%252e%252e/", ["%2e%2e", ""]),
            ("/...", ["..."]), ("/..a", ["..a"]),
        ]
        for (text, segments) in cases { XCTAssertEqual(HTTPTarget(text)?.segments, segments, text) }
        let target = HTTPTarget("/p?a=1&b=two+words&c&a=%26&=x")
        XCTAssertEqual(target?.query.map { "\($0.name)|\($0.value)" }, ["a|1", "b|two words", "c|", "a|&", "|x"])
        XCTAssertEqual(target?["a"], "1")
        XCTAssertNil(HTTPTarget("/p?a=%f"))
        XCTAssertEqual(PercentEncoding.encode("a/b c~é"), "a%2fb%20c~%c3%a9")
    }

    func testDates_RFC9110_5_6_7() {
        XCTAssertEqual(HTTPDate.format(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT")
        XCTAssertEqual(HTTPDate.parse("Sun, 06 Nov 1994 08:49:37 GMT"), 784_111_777)
        XCTAssertEqual(HTTPDate.format(0), "Thu, 01 Jan 1970 00:00:00 GMT")
        XCTAssertEqual(HTTPDate.format(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT")
        for seconds in stride(from: Int64(0), to: 253_402_300_799, by: 7_777_777_777) {
            XCTAssertEqual(HTTPDate.parse(HTTPDate.format(seconds)), seconds)
        }
        for text in [
            "", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Xxx 1994 08:49:37 GMT",
            "Sun, 0x Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
        ] { XCTAssertNil(HTTPDate.parse(text), text) }
    }

    func testRanges_RFC9110_14_1_2() {
        let cases: [(String?, HTTPRange)] = [
            (nil, .all), ("bytes=0-4", .part(0..<5)), ("bytes=5-", .part(5..<10)), ("bytes=-3", .part(7..<10)),
            ("bytes=-30", .part(0..<10)),
            ("bytes=0-99", .part(0..<10)), ("bytes=9-9", .part(9..<10)), ("bytes=10-", .unsatisfiable), ("bytes=-0", .unsatisfiable),
            ("bytes=4-2", .all), ("bytes=0-1,3-4", .all), ("items=0-1", .all), ("bytes=", .all), ("bytes=-", .all), ("bytes=a-b", .all),
            ("bytes=99999999999999999999-", .all), ("bytes=+1-2", .all), ("bytes= 1-2", .part(1..<3)),
        ]
        for (field, range) in cases { XCTAssertEqual(HTTPRange(field, size: 10), range, field ?? "-") }
        XCTAssertEqual(HTTPRange("bytes=-1", size: 0), .unsatisfiable)
    }

    func testConditions_RFC9110_13() {
        let date = HTTPDate.format(1000)
        let cases: [(HTTPFields, Bool)] = [
            ([:], false), (["If-None-Match": "\"a\""], true), (["If-None-Match": "\"b\", W/\"a\""], true),
            (["If-None-Match": "\"b\""], false),
            (["If-None-Match": "*"], true), (["If-Modified-Since": date], true), (["If-Modified-Since": HTTPDate.format(999)], false),
            (["If-None-Match": "\"b\"", "If-Modified-Since": date], false), (["If-Modified-Since": "yesterday"], false),
        ]
        for (fields, expected) in cases {
            XCTAssertEqual(HTTPConditions.isUnchanged(fields, tag: "\"a\"", modified: 1000), expected, "\(Array(fields))")
        }
        XCTAssertTrue(HTTPConditions.allowsRange(["If-Range": "\"a\""], tag: "\"a\"", modified: nil))
        XCTAssertFalse(HTTPConditions.allowsRange(["If-Range": "W/\"a\""], tag: "W/\"a\"", modified: nil))
        XCTAssertTrue(HTTPConditions.allowsRange(["If-Range": date], tag: nil, modified: 1000))
        XCTAssertFalse(HTTPConditions.allowsRange(["If-Range": date], tag: nil, modified: 1001))
    }

    func testForwardedIsBelievedFromTrustedProxiesOnly_RFC7239() {
        let proxy = IPAddress("10.0.0.1")!, inner = IPAddress("10.0.0.2")!, client = IPAddress("192.0.2.60")!,
            stranger = IPAddress("203.0.113.9")!
        let cases: [(HTTPFields, peer: IPAddress, IPAddress, isSecure: Bool)] = [
            (["X-Forwarded-For": "192.0.2.60", "X-Forwarded-Proto": "https"], proxy, client, true),
            (["X-Forwarded-For": "192.0.2.60", "X-Forwarded-Proto": "https"], stranger, stranger, false),
            (["X-Forwarded-For": "1.2.3.4, 192.0.2.60, 10.0.0.2"], proxy, client, false),
            (["X-Forwarded-For": "unknown, 10.0.0.2"], proxy, inner, false), (["X-Forwarded-For": "nonsense"], proxy, proxy, false),
            (["Forwarded": "for=1.2.3.4, for=\"192.0.2.60:4711\";proto=https;by=10.0.0.1"], proxy, client, true),
            (["Forwarded": "for=_hidden;proto=https"], proxy, proxy, true),
            (["Forwarded": "For=\"[2001:db8::1]:47\""], proxy, IPAddress("2001:db8::1")!, false),
            (["X-Forwarded-For": "2001:db8::1"], proxy, IPAddress("2001:db8::1")!, false), ([:], proxy, proxy, false),
            (["X-Forwarded-Proto": "https"], proxy, proxy, true), (["X-Forwarded-Proto": "http, https"], proxy, proxy, true),
            (["X-Forwarded-Proto": "https"], stranger, stranger, false),
            // One form is the proxy's, the other anybody's.
            (["Forwarded": "for=1.2.3.4;proto=https", "X-Forwarded-For": "192.0.2.60"], proxy, proxy, false),
            (["Forwarded": "for=192.0.2.60", "X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https"], proxy, proxy, false),
            (["Forwarded": "nonsense", "X-Forwarded-For": "192.0.2.60"], proxy, proxy, false),
            (
                ["Forwarded": "for=192.0.2.60;proto=https", "X-Forwarded-For": "192.0.2.60", "X-Forwarded-Proto": "https"], proxy, client,
                true
            ),
        ]
        for (fields, peer, expected, isSecure) in cases {
            let found = ForwardedClient(fields, peer: peer, isSecure: false) { $0 == proxy || $0 == inner }
            XCTAssertEqual(found.address, expected, "\(Array(fields))")
            XCTAssertEqual(found.isSecure, isSecure, "\(Array(fields))")
        }
    }

    func testProxyHeaders() throws {
        let v2: [UInt8] = [
            0x0D, 0x0A, 0x0D, 0x0A, 0, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A, 0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 1, 0xDC,
            0x04, 1, 0xBB,
        ]
        let six = v2[..<13] + [0x21, 0, 36] + IPAddress("2001:db8::1")!.bytes + IPAddress("2001:db8::2")!.bytes + [0, 80, 0, 81]
        let good: [([UInt8], String?, Int)] = [
            (Array("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\nGET".utf8), "192.0.2.1:56324", 45),
            (Array("PROXY TCP6 2001:db8::1 2001:db8::2 80 81\r\n".utf8), "[2001:db8::1]:80", 42),
            (Array("PROXY UNKNOWN ff\r\n".utf8), nil, 18),
            (v2 + [1, 2], "192.0.2.1:56324", 28), (Array(six), "[2001:db8::1]:80", 52), (v2[..<12] + [0x20, 0, 0, 0], nil, 16),
        ]
        for (bytes, source, length) in good {
            let expected = ProxyProtocol.Outcome.header(source: source.flatMap(socketAddress), length: length)
            XCTAssertEqual(try ProxyProtocol.parse(bytes.span), expected)
            for cut in 0..<length { XCTAssertEqual(try ProxyProtocol.parse(Array(bytes[..<cut]).span), .incomplete, "\(cut)") }
        }
        let bad: [[UInt8]] = [
            Array("GET / HTTP/1.1\r\n".utf8), Array("PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n".utf8),
            Array("PROXY TCP4 ::1 ::2 1 2\r\n".utf8),
            Array("PROXY TCP4 192.0.2.1 198.51.100.1 70000 443\r\n".utf8), Array("PROXY TCP4 x y 1 2\n".utf8),
            Array(("PROXY " + String(repeating: "x", count: 120)).utf8),
            v2[..<12] + [0x31, 0x11, 0, 12], v2[..<12] + [0x21, 0x11, 0xFF, 0xFF], v2[..<12] + [0x21, 0x21, 0, 4, 1, 2, 3, 4],
            [0x0D, 0x0B],
        ]
        for bytes in bad { XCTAssertThrowsError(try ProxyProtocol.parse(bytes.span), "\(bytes)") }
    }

    private func socketAddress(_ text: String) -> SocketAddress? {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
        return IPAddress(text[..<colon].filter { $0 != "[" && $0 != "]" }).map { SocketAddress($0, port) }
    }
}
