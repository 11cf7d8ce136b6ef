import Foundation
import HTTP
import Reactor
import TestSupport
import Web
import Wire
import XCTest

/// Handlers that let go of what they are called by, and answers that come when nobody waits for them any more.
final class ServerLifeTests: XCTestCase {
    /// Lives on the reactor; the tests tell it what to do from inside of a call.
    private final class Served {
        var server: HTTPServer?
        let router = Router()
        var responders: [HTTPResponder] = []
        var sessions: [WebSocketSession] = []
        var streams: [ResponseStream] = []
        var calls: [String] = []
        weak var seen: HTTPServer?

        init(_ reactor: Reactor) {
            let server = HTTPServer(handler: router, reactor: reactor)
            (self.server, seen) = (server, server)
            router.get("/drop", "lets go of the server") { [unowned self] _ in
                drop("drop")
                return .text("gone")
            }
            router.get("/close", "closes all") { [unowned self] _ in
                self.server?.close()
                return .text("closed")
            }
            router.add(Route(.get, "/later", "later", handler: .later { [unowned self] in responders.append($1) }))
            router.add(
                Route(
                    .get, "/stream", "stream",
                    handler: .later { [unowned self] _, responder in
                        guard let stream = responder.stream(HTTPResponseHead(.ok)) else { return }
                        stream.onClose = { [unowned self] in drop("stream") }
                        streams.append(stream)
                    }))
            router.add(
                Route(
                    .get, "/ws", "socket",
                    handler: .webSocket(WebSocketOptions()) { [unowned self] session in
                        sessions.append(session)
                        session.onMessage = { [unowned self] _, message in
                            calls.append("message")
                            message.count == 1 ? drop("message 1") : self.server?.close()
                            session.send("late")
                        }
                        session.onClose = { [unowned self] _, _ in calls.append("closed") }
                    }))
        }

        private func drop(_ what: String) {
            calls.append(what)
            server = nil
        }
    }

    private actor Host {
        nonisolated let reactor: Reactor
        nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
        private var served: Served!

        init() throws { reactor = try Reactor(name: "test-reactor") }

        func start() throws -> UInt16 {
            served = Served(reactor)
            return try served.server!.listen(SocketAddress(IPAddress(127, 0, 0, 1), 0)).port
        }

        func with<T: Sendable>(_ body: @Sendable (Served) -> T) -> T { body(served) }

        func stop() {
            served.server?.close()
            served = nil
            reactor.stop()
        }
    }

    private var host: Host!
    private var port: UInt16 = 0

    override func setUp() async throws {
        host = try Host()
        port = try await host.start()
    }

    override func tearDown() async throws { await host.stop() }

    private func connect(_ text: String) throws -> Int32 { try RawClient.connect(to: port, sending: text) }

    private static let handshake =
        "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

    func testAServerMayBeLetGoFromInsideOfWhatItCalls() async throws {
        let more = "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"
        let idle = try connect("")
        let other = try connect(more)
        try await eventually("the other asks") { await host.with { $0.responders.count } == 1 }
        XCTAssertEqual(RawClient.readToEnd(try connect("GET /drop HTTP/1.1\r\nHost: x\r\n\r\n" + more)), "")
        XCTAssertEqual(RawClient.readToEnd(other), "")
        XCTAssertEqual(RawClient.readToEnd(idle), "")
        let seen = await host.with { ($0.calls, $0.seen == nil) }
        XCTAssertEqual(seen.0, ["drop"])
        XCTAssertTrue(seen.1, "somebody holds the server")
        // Too late for anybody.
        await host.with { served in
            XCTAssertFalse(served.responders[0].isWanted)
            served.responders[0].respond(.text("late"))
            served.responders = []
        }
    }

    /// Frames of the client's, masked with zeros.
    private func send(_ frame: [UInt8], to descriptor: Int32) {
        XCTAssertEqual(unsafe write(descriptor, frame, frame.count), frame.count)
    }

    func testAServerMayBeLetGoFromAMessage() async throws {
        let socket = try connect(Self.handshake)
        try await eventually("the WebSocket") { await host.with { $0.sessions.count } == 1 }
        // Two messages in one piece: the second comes when all is gone.
        send([0x82, 0x81, 0, 0, 0, 0, 1, 0x82, 0x81, 0, 0, 0, 0, 1], to: socket)
        XCTAssertTrue(RawClient.readToEnd(socket).hasPrefix("HTTP/1.1 101 "))
        let seen = await host.with { ($0.calls, $0.seen == nil) }
        XCTAssertEqual(seen.0, ["message", "message 1", "closed"])
        XCTAssertTrue(seen.1)
    }

    func testAllMayBeClosedFromAMessageOrARequest() async throws {
        let socket = try connect(Self.handshake)
        let other = try connect("GET /later HTTP/1.1\r\nHost: x\r\n\r\n")
        try await eventually("both") { await host.with { $0.sessions.count + $0.responders.count } == 2 }
        send([0x82, 0x82, 0, 0, 0, 0, 1, 2, 0x82, 0x82, 0, 0, 0, 0, 1, 2], to: socket)
        XCTAssertTrue(RawClient.readToEnd(socket).hasPrefix("HTTP/1.1 101 "))
        XCTAssertEqual(RawClient.readToEnd(other), "")
        let calls = await host.with { $0.calls }
        XCTAssertEqual(calls, ["message", "closed"])
        let counts = await host.with { $0.server?.connectionCount }
        XCTAssertEqual(counts, 0)
    }

    func testAServerMayBeLetGoWhenAReaderLeaves() async throws {
        let reader = try connect("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        try await eventually("the stream") { await host.with { $0.streams.count } == 1 }
        var abort = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(reader, SOL_SOCKET, SO_LINGER, &abort, socklen_t(MemoryLayout<linger>.size))
        close(reader)
        try await eventually("its end") { await host.with { $0.calls } == ["stream"] }
        try await eventually("the server's") { await host.with { $0.seen == nil } }
    }

    /// RFC 6455 clause 4.1: the client waits for the answer.
    func testBytesBehindAHandshakeThatIsAnsweredLaterAreRefused() async throws {
        for (more, status) in [("", "101"), ("early", "400")] {
            let client = try connect(Self.handshake.replacingOccurrences(of: "/ws", with: "/later") + more)
            try await eventually("it is asked") { await host.with { $0.responders.count } == 1 }
            // Bytes that came with the request wait behind it.
            await host.with { served in
                if let session = served.responders[0].upgrade() { session.close(.normal) }
                served.responders = []
            }
            shutdown(client, Int32(SHUT_WR))
            XCTAssertTrue(RawClient.readToEnd(client).hasPrefix("HTTP/1.1 \(status) "), status)
        }
    }

    /// One address of IPv6 is as easily had as another of its network.
    func testSitesAreAddressesOfIPv4AndNetworksOfIPv6() throws {
        for (text, site) in [
            ("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"), ("::1", "::"),
        ] {
            XCTAssertEqual(try XCTUnwrap(IPAddress(text)).site, IPAddress(site), text)
        }
    }
}
