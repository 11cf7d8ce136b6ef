import HTTP
import Wire
import XCTest

final class WebURLTests: XCTestCase {
    func testPartsOfURLs_RFC3986_3() throws {
        let table: [(String, String, UInt16, String, String)] = [
            ("http://example.com", "example.com", 80, "/", "http://example.com/"),
            ("HTTPS://Example.COM:443/a/b?c=d&e#f", "example.com", 443, "/a/b?c=d&e", "https://example.com/a/b?c=d&e"),
            ("http://127.0.0.1:8080?x", "127.0.0.1", 8080, "/?x", "http://127.0.0.1:8080/?x"),
            ("http://[::1]:80/", "::1", 80, "/", "http://[::1]/"),
            ("http://[2001:DB8:0::1]:81", "2001:db8::1", 81, "/", "http://[2001:db8::1]:81/"),
            ("ws://host:/x", "host", 80, "/x", "ws://host/x"),
            ("wss://a_b.c-d/%7Ex%2F?%41", "a_b.c-d", 443, "/%7Ex%2F?%41", "wss://a_b.c-d/%7Ex%2F?%41"),
            ("http://h/a/./b/../../c/", "h", 80, "/c/", "http://h/c/"), ("http://h/../..", "h", 80, "/", "http://h/"),
            ("http://h/a/..", "h", 80, "/", "http://h/"), ("http://h//a//b", "h", 80, "//a//b", "http://h//a//b"),
            ("http://h/;p@q:r!$&'()*+,=", "h", 80, "/;p@q:r!$&'()*+,=", "http://h/;p@q:r!$&'()*+,="),
            ("http://h/?a?b/c", "h", 80, "/?a?b/c", "http://h/?a?b/c"),
            ("http://h#x", "h", 80, "/", "http://h/"),
        ]
        for (text, host, port, target, again) in table {
            let url = try WebURL(text)
            XCTAssertEqual([url.host, "\(url.port)", url.target, url.description], [host, "\(port)", target, again], text)
            XCTAssertEqual(try WebURL(url.description), url, text)
        }
    }

    func testWhatIsNoURLIsRefused() {
        let table: [(String, WebURLError.Code)] = [
            ("", .scheme), ("example.com", .scheme), ("ftp://h/", .scheme), ("http:/h", .scheme), ("http", .scheme), ("//h/", .scheme),
            ("http://", .host), ("http:///x", .host), ("http://:80/", .host), ("http://a..b/", .host), ("http://a b/", .host),
            ("http://ä/", .host),
            ("http://\u{212A}/", .host), ("http://a%41/", .host), ("http://[::1", .host), ("http://[1.2.3.4]/", .host),
            ("http://[fe80::1%25eth0]/", .host),
            ("http://1.2.3/", .host), ("http://0x7f.1/", .host), ("http://2130706433/", .host), ("http://1.2.3.999/", .host),
            ("http://" + String(repeating: "a", count: 64) + "/", .host), ("http://h:0/", .port), ("http://h:65536/", .port),
            ("http://h:8a/", .port),
            ("http://h:+1/", .port), ("http://[::1]x/", .port), ("http://u@h/", .credentials), ("http://u:p@h/", .credentials),
            ("http://h\\@x/", .credentials),
            ("http://h/ x", .path), ("http://h/\r\nX: y", .path), ("http://h/%4", .path), ("http://h/%zz", .path), ("http://h/ä", .path),
            ("http://h/\"", .path), ("http://h/?\n", .query), ("http://h/?<", .query),
            ("http://h/" + String(repeating: "a", count: 9000), .tooLong),
        ]
        for (text, code) in table {
            XCTAssertThrowsError(try WebURL(text), text) { XCTAssertEqual(($0 as? WebURLError)?.code, code, text) }
        }
    }

    func testAPasswordIsNeverSaid() {
        for text in ["http://user:secret@h/", "xx://user:secret@h/"] {
            XCTAssertThrowsError(try WebURL(text)) { XCTAssertFalse("\($0)".contains("secret"), "\($0)") }
        }
        XCTAssertEqual(try WebURL("http://user:sec%3Aret@h/", allowsCredentials: true).credentials?.basic, "Basic dXNlcjpzZWM6cmV0")
        XCTAssertEqual(try WebURL("http://user:secret@h/", allowsCredentials: true).description, "http://h/")
    }

    /// The examples of RFC 3986 clause 5.4 whose scheme is one of ours.
    func testReferencesAreResolved_RFC3986_5_4() throws {
        let base = try WebURL("http://a/b/c/d;p?q")
        let table = [
            "g": "/b/c/g", "./g": "/b/c/g", "g/": "/b/c/g/", "/g": "/g", "?y": "/b/c/d;p?y", "g?y": "/b/c/g?y", "#s": "/b/c/d;p?q",
            "g#s": "/b/c/g",
            ";x": "/b/c/;x", "g;x": "/b/c/g;x", "": "/b/c/d;p?q", ".": "/b/c/", "./": "/b/c/", "..": "/b/", "../": "/b/", "../g": "/b/g",
            "../..": "/",
            "../../g": "/g", "../../../g": "/g", "/./g": "/g", "/../g": "/g", "g.": "/b/c/g.", "..g": "/b/c/..g", "./../g": "/b/g",
            "g/../h": "/b/c/h",
        ]
        for (reference, target) in table { XCTAssertEqual(try base.resolve(reference).description, "http://a\(target)", reference) }
        XCTAssertEqual(try base.resolve("//g").description, "http://g/")
        XCTAssertEqual(try base.resolve("https://g:1/x").description, "https://g:1/x")
        for wrong in ["g:h", "mailto:x@y", "javascript:1", "http:g", "//", "a b"] { XCTAssertThrowsError(try base.resolve(wrong), wrong) }
    }

    func testRedirections_RFC9110_15_4() throws {
        func redirect(_ status: Int, _ location: String?, _ method: HTTPMethod = .post, at: String = "https://a/x") throws -> HTTPRedirect?
        {
            var head = HTTPResponseHead(HTTPStatus(rawValue: status)!)
            head.fields["Location"] = location
            return try HTTPRedirect(head, to: method, at: WebURL(at))
        }
        for status in [200, 300, 304, 404] { XCTAssertNil(try redirect(status, "/y")) }
        XCTAssertNil(try redirect(301, nil))
        let moved = try XCTUnwrap(redirect(301, "http://a/y"))
        XCTAssertEqual(
            "\(moved.url) \(moved.method) \(moved.keepsBody) \(moved.keepsCredentials) \(moved.isDowngrade)",
            "http://a/y GET false false true")
        let kept = try XCTUnwrap(redirect(308, "y"))
        XCTAssertEqual(
            "\(kept.url) \(kept.method) \(kept.keepsBody) \(kept.keepsCredentials) \(kept.isDowngrade)", "https://a/y POST true true false")
        XCTAssertEqual(try redirect(303, "y", .head)?.method, .head)
        // What is for one server only goes to no other, keys of providers included.
        let secrets: HTTPFields = ["Authorization": "a", "X-Api-Key": "b", "api-key": "c", "Cookie": "d", "X-Mine": "e"]
        XCTAssertEqual(try redirect(307, "https://b/y")?.fields(of: secrets), ["X-Mine": "e"])
        XCTAssertEqual(try redirect(307, "https://a/y")?.fields(of: secrets), secrets)
        XCTAssertThrowsError(try redirect(302, "ws://a/"))
        let fields: HTTPFields = ["Cookie": "c", "Content-Type": "t", "Authorization": "a", "X": "x"]
        XCTAssertEqual(moved.fields(of: fields), ["X": "x"])
        XCTAssertEqual(kept.fields(of: fields), fields)
    }

    func testProxiesOfTheEnvironment() throws {
        let environment = try ProxyEnvironment([
            "http_proxy": "proxy:3128", "HTTPS_PROXY": "http://us%40er:pass@[::1]:8080/", "HTTP_PROXY": "http://evil/",
            "no_proxy": "example.com, .sub.org,10.0.0.0/8,h:81 *.wild.net [2001:db8::1]:443,192.0.2.7",
        ])
        func proxy(_ url: String) throws -> String { try environment.proxy(for: WebURL(url))?.description ?? "none" }
        let table = [
            "http://a/": "proxy:3128", "ws://a/": "proxy:3128", "https://a/": "[::1]:8080", "wss://a/": "[::1]:8080",
            "http://example.com/": "none",
            "http://www.example.com/": "none", "http://notexample.com/": "proxy:3128", "http://sub.org/": "none",
            "http://x.sub.org/": "none",
            "http://10.9.8.7/": "none", "http://11.0.0.1/": "proxy:3128", "http://h/": "proxy:3128", "http://h:81/": "none",
            "http://x.wild.net/": "none",
            "https://[2001:db8::1]/": "none", "http://[2001:db8::1]/": "proxy:3128", "http://192.0.2.7/": "none",
            "http://localhost/": "none",
            "http://127.3.2.1/": "none", "https://[::1]/": "none", "http://x.localhost/": "none",
        ]
        for (url, expected) in table { XCTAssertEqual(try proxy(url), expected, url) }
        XCTAssertEqual(try environment.proxy(for: WebURL("https://a/"))?.authorization, "Basic dXNAZXI6cGFzcw==")
        XCTAssertNil(try ProxyEnvironment(["http_proxy": "p", "no_proxy": "*"]).proxy(for: WebURL("http://a/")))
        XCTAssertNil(try ProxyEnvironment(["HTTP_PROXY": "p"]).proxy(for: WebURL("http://a/")))
        XCTAssertEqual(
            try ProxyEnvironment(["ALL_PROXY": "p", "all_proxy": "", "https_proxy": ""]).proxy(for: WebURL("https://a/"))?.host, "p")
        for wrong in ["socks5://p", "https://p", "http://", "p:x"] {
            XCTAssertThrowsError(try ProxyEnvironment(["http_proxy": wrong]), wrong)
        }
        var loopback = ProxyEnvironment(try HTTPProxy("p"))
        loopback.proxiesLoopback = true
        XCTAssertNotNil(try loopback.proxy(for: WebURL("http://localhost/")))
    }
}
