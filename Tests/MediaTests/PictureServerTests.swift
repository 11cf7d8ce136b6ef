import HTTP
import Media
import Reactor
import Service
import TestSupport
import Web
import Wire
import XCTest

/// Pictures by HTTP.
final class PictureServerTests: XCTestCase {
    private actor Server {
        private let loop: Loop

        init() throws { loop = try Loop() }

        /// What `GET /snapshot.jpg` of a camera with this picture is answered.
        func snapshot(width: Int, height: Int) async throws -> String {
            let feed = PictureFeed(name: "front", width: width, height: height, rate: 30)
            feed.publish(CapturedPicture(Picture(width: width, height: height), captured: MonotonicClock.now(), unixNanoseconds: 0))
            let port = try await loop.run { loop in
                let pictures = loop.keep(try PictureServer(feed, reactor: loop.reactor, log: Logger("test")))
                let router = Router()
                router.add(
                    Route(
                        .get, "/snapshot.jpg", "A picture",
                        handler: .later { _, responder in
                            do throws(HTTPProblem) { try pictures.snapshot(responder) } catch { responder.respond(error) }
                        }))
                let server = loop.keep(HTTPServer(handler: router, reactor: loop.reactor))
                return try server.listen(SocketAddress(IPAddress(127, 0, 0, 1), 0)).port
            }
            let request = "GET /snapshot.jpg HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            return RawClient.readToEnd(try RawClient.connect(to: port, sending: request))
        }

        func stop() async { await loop.stop() }
    }

    func testAPictureIsAJPEG() async throws {
        let server = try Server()
        let answer = try await server.snapshot(width: 64, height: 48)
        XCTAssertTrue(answer.hasPrefix("HTTP/1.1 200 "), String(answer.prefix(300)))
        XCTAssertTrue(answer.contains("image/jpeg") && answer.contains("JFIF"), String(answer.prefix(300)))
        await server.stop()
    }

    /// JPEG ends at 65535 pixels (ITU-T T.81 clause B.2.2).
    func testWhyAPictureIsNoneIsSaid() async throws {
        let server = try Server()
        let answer = try await server.snapshot(width: 70_000, height: 2)
        XCTAssertTrue(answer.hasPrefix("HTTP/1.1 500 "), String(answer.prefix(300)))
        XCTAssertTrue(answer.contains("could not be made into a JPEG: tjCompress2 failed with code"), answer)
        await server.stop()
    }
}
