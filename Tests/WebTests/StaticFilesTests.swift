import Glibc
import HTTP
import Web
import Wire
import XCTest

/// Files of a folder, with what their readers already have and what they take.
final class StaticFilesTests: XCTestCase {
    private var folder = ""

    override func setUpWithError() throws {
        var template = Array("/tmp/waldo-files-XXXXXX".utf8CString)
        folder = try XCTUnwrap(unsafe mkdtemp(&template).map { unsafe String(cString: $0) })
        for (name, content) in [
            ("app.js", "0123456789"), ("app.js.gz", "zipped"), ("app.js.br", "pressed"), ("index.html", "<p>"), (".secret", "no"),
            ("odd", "?"),
        ] { write(name, content) }
        XCTAssertEqual(unsafe symlink("/etc/hostname", folder + "/out"), 0)
    }

    override func tearDown() {
        for name in ["app.js", "app.js.gz", "app.js.br", "index.html", ".secret", "odd", "out"] { _ = unsafe unlink(folder + "/" + name) }
        _ = unsafe rmdir(folder)
    }

    private func write(_ name: String, _ content: String) {
        let descriptor = unsafe open(folder + "/" + name, O_WRONLY | O_CREAT, 0o600)
        XCTAssertEqual(unsafe Glibc.write(descriptor, content, content.utf8.count), content.utf8.count)
        close(descriptor)
    }

    private func answer(_ target: String, _ method: HTTPMethod = .get, _ fields: HTTPFields = [:]) throws -> HTTPResponse {
        let files = try XCTUnwrap(StaticFiles(root: folder)), parsed = try XCTUnwrap(HTTPTarget(target))
        let request = HTTPRequest(
            head: HTTPRequestHead(method, target, fields: fields), target: parsed,
            client: ForwardedClient(address: IPAddress(127, 0, 0, 1), isSecure: false), id: "1")
        do throws(HTTPProblem) { return try files.answer(request, parsed.segments) } catch { return error.response }
    }

    func testTypesFollowTheName() throws {
        for (target, type) in [
            ("/", "text/html; charset=utf-8"), ("/app.js", "text/javascript; charset=utf-8"), ("/odd", "application/octet-stream"),
        ] {
            let response = try answer(target)
            XCTAssertEqual(response.status, .ok, target)
            XCTAssertEqual(response.fields["Content-Type"], type, target)
        }
    }

    func testNothingOutsideAndNothingHiddenIsServed() throws {
        for target in ["/none", "/.secret", "/out", "/app.js/", "/index.html/x"] {
            XCTAssertEqual(try answer(target).status, .notFound, target)
        }
    }

    func testCompressedSiblingsAreForThoseWhoTakeThem_RFC9110_12_5_3() throws {
        for (accepted, coding) in [
            ("gzip", "gzip"), ("gzip, br", "br"), ("GZIP;q=0.5", "gzip"), ("br;q=0, gzip", "gzip"), ("br; q=0.0 ,gzip;q=0", nil),
            ("br;q=0.001", "br"), ("identity", nil), ("", nil),
        ] {
            let response = try answer("/app.js", .get, ["Accept-Encoding": accepted])
            XCTAssertEqual(response.fields["Content-Encoding"], coding, accepted)
            XCTAssertEqual(response.fields["Vary"], "Accept-Encoding", accepted)
            XCTAssertEqual(response.fields["Content-Type"], "text/javascript; charset=utf-8", accepted)
        }
    }

    /// RFC 9110 clause 8.8.1: a strong tag changes with the content, also within a second.
    func testVersionsOfOneSecondHaveTagsOfTheirOwn() throws {
        var tags: Set<String> = []
        for nanoseconds in [0, 4_000_000, 4_000_001] {
            let time = timespec(tv_sec: 1_700_000_000, tv_nsec: nanoseconds)
            XCTAssertEqual(unsafe utimensat(AT_FDCWD, folder + "/app.js", [time, time], 0), 0)
            tags.insert(try XCTUnwrap(answer("/app.js").fields["ETag"]))
        }
        XCTAssertEqual(tags.count, 3, "\(tags)")
    }

    func testConditionsAndRanges_RFC9110_13_14() throws {
        let tag = try XCTUnwrap(answer("/app.js").fields["ETag"]), modified = try XCTUnwrap(answer("/app.js").fields["Last-Modified"])
        for (fields, status, range) in [
            (["If-None-Match": tag], 304, nil), (["If-None-Match": "\"other\""], 200, nil), (["If-Modified-Since": modified], 304, nil),
            (["Range": "bytes=2-4"], 206, "bytes 2-4/10"), (["Range": "bytes=-3"], 206, "bytes 7-9/10"),
            (["Range": "bytes=10-"], 416, "bytes */10"), (["Range": "bytes=2-4", "If-Range": tag], 206, "bytes 2-4/10"),
            (["Range": "bytes=2-4", "If-Range": "\"other\""], 200, nil),
            // Of a range the plain file is meant.
            (["Range": "bytes=2-4", "Accept-Encoding": "gzip"], 206, "bytes 2-4/10"),
        ] as [(HTTPFields, Int, String?)] {
            let response = try answer("/app.js", .get, fields)
            XCTAssertEqual(response.status.rawValue, status, "\(Array(fields))")
            XCTAssertEqual(response.fields["Content-Range"], range, "\(Array(fields))")
        }
        let zipped = try answer("/app.js", .get, ["Accept-Encoding": "gzip"]).fields["ETag"]
        XCTAssertNotEqual(zipped, tag, "the same file in another coding is another representation")
    }
}
