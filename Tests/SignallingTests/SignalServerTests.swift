import Glibc
import HTTP
import Reactor
import Service
import TestSupport
import Wire
import XCTest

/// The signalling server on real sockets; other implementations judge it in Tests/interop/test_signal.py.
final class SignalServerTests: XCTestCase {
    private var server: SignalServer!
    private var port: UInt16 = 0

    private func start(_ change: (inout SignalOptions) -> Void = { _ in }) async throws {
        var options = SignalOptions()
        (options.port, options.bind, options.log) = (0, [IPAddress(127, 0, 0, 1)], Logger("signal", to: Silence()))
        change(&options)
        server = try SignalServer(options)
        port = try await server.start().addresses[0].port
    }

    override func tearDown() async throws {
        await server?.stop()
        server = nil
    }

    private struct Silence: LogSink {
        func log(_ record: LogRecord) {}
    }

    private func connections(_ count: Int, file: StaticString = #filePath, line: UInt = #line) async throws {
        try await eventually("\(count) connections", file: file, line: line) { await server.connectionCount == count }
    }

    func testEverybodyElseGetsEachMessageOnceAndInOrder() async throws {
        try await start()
        let clients = try (0..<5).map { _ in try RawWebSocket(port) }
        try await connections(5)
        // Cut in other places than between frames.
        for (number, client) in clients.enumerated() {
            let bytes = (0..<150).flatMap { RawWebSocket.frame(0x81, Array("\(number) \($0)".utf8)) }
            for start in stride(from: 0, to: bytes.count, by: 700) { client.send(Array(bytes[start..<min(start + 700, bytes.count)])) }
        }
        for (number, client) in clients.enumerated() {
            var next = [Int](repeating: 0, count: 5)
            for _ in 0..<600 {
                let words = String(decoding: client.next()?.payload ?? [], as: UTF8.self).split(separator: " ").compactMap { Int($0) }
                guard words.count == 2 else { return XCTFail("a message is missing") }
                XCTAssertNotEqual(words[0], number, "its own")
                XCTAssertEqual(words[1], next[words[0]])
                next[words[0]] += 1
            }
        }
    }

    /// One that is alone in its round goes out in it: nothing else has to happen first.
    func testASingleMessageGoesAtOnce() async throws {
        try await start()
        let (a, b) = (try RawWebSocket(port), try RawWebSocket(port, path: "/another"))
        for text in ["one", String(repeating: "ü", count: 100_000), ""] {
            a.send(text)
            XCTAssertEqual(b.next(), .text(text))
            b.send(text)
            XCTAssertEqual(a.next(), .text(text))
        }
    }

    func testTheExcessWaitsInOrderAndNothingOfItIsLost() async throws {
        try await start { $0.limits.messagesPerSecond = 50 }
        let (flooder, reader, other) = (try RawWebSocket(port), try RawWebSocket(port), try RawWebSocket(port))
        try await connections(3)
        let began = MonotonicClock.now()
        flooder.send((0..<170).flatMap { RawWebSocket.frame(0x81, Array("\($0)".utf8)) })
        other.send("beside")
        var heard: [String] = []
        for _ in 0..<171 { heard.append(String(decoding: reader.next()?.payload ?? [], as: UTF8.self)) }
        XCTAssertGreaterThan((MonotonicClock.now() - began).seconds, 2.9, "50 at once, and after each second 50 more")
        let place = heard.firstIndex(of: "beside") ?? heard.count
        XCTAssertLessThan(place, 60, "it waited for the flood of another")
        heard.remove(at: place)
        XCTAssertEqual(heard, (0..<170).map(String.init))
    }

    /// More than may be said at once, and then gone, in each of the ways to go.
    func testWhatWaitsIsStillHeardWhenItsSenderHasLeft() async throws {
        try await start { $0.limits.messagesPerSecond = 40 }
        let reader = try RawWebSocket(port)
        let flood = (0..<90).flatMap { RawWebSocket.frame(0x81, Array("\($0)".utf8)) }
        for end in ["close frame", "half of a close"] {
            let sender = try RawWebSocket(port)
            try await connections(2)
            sender.send(flood + (end == "close frame" ? RawWebSocket.frame(0x88, [0x03, 0xE8]) : []))
            if end != "close frame" { sender.endSending() }
            for number in 0..<90 { XCTAssertEqual(reader.next(), .text("\(number)"), end) }
            try await connections(1)
        }
    }

    func testASlowReceiverIsClosedWith1013AndNobodyElseNotices() async throws {
        try await start {
            $0.limits.messagesPerSecond = 100_000
            $0.unsentLimit = 200_000
        }
        let slow = try RawWebSocket(port, buffer: 200_000)
        let (a, b) = (try RawWebSocket(port), try RawWebSocket(port))
        try await connections(3)
        let text = String(repeating: "x", count: 50_000)
        var count = 0
        while await server.connectionCount == 3, count < 500 {
            a.send(text)
            XCTAssertEqual(b.next(), .text(text))
            count += 1
        }
        try await connections(2)
        b.send("still here")
        XCTAssertEqual(a.next(), .text("still here"))
        var last = slow.next()
        while last == .text(text) { last = slow.next() }
        XCTAssertEqual(last?.code, 1013)
    }

    func testOneTooManyIsRefusedWith503() async throws {
        try await start { $0.limits.connections = 2 }
        let (a, b) = (try RawWebSocket(port), try RawWebSocket(port))
        try await connections(2)
        let refused = try RawWebSocket(port)
        XCTAssertTrue(refused.head.hasPrefix("HTTP/1.1 503 "), refused.head)
        a.close()
        try await connections(1)
        let late = try RawWebSocket(port)
        b.send("welcome")
        XCTAssertEqual(late.next(), .text("welcome"))
    }

    func testWhatIsTooLongOrBrokenEndsAlone() async throws {
        try await start { $0.messageLimit = 1000 }
        let (a, b) = (try RawWebSocket(port), try RawWebSocket(port))
        for (bytes, code) in [
            (RawWebSocket.frame(0x81, [UInt8](repeating: 65, count: 1001)), 1009), (RawWebSocket.frame(0x81, [0xFF]), 1007),
            ([0x81, 1, 65], 1002), (RawWebSocket.frame(0x88, [0x03, 0xE9]), 1001),
        ] {
            let stranger = try RawWebSocket(port)
            try await connections(3)
            stranger.send(bytes)
            XCTAssertEqual(stranger.next()?.code, code)
            try await connections(2)
            a.send("on")
            XCTAssertEqual(b.next(), .text("on"))
        }
    }

    func testRoomsAndTokens() async throws {
        let tokens = try RelayTokens(parsing: "team-token\nhall-token /hall\n", allowsRooms: true)
        try await start {
            $0.hasRooms = true
            $0.tokens = tokens
        }
        for (path, status) in [
            ("/", 401), ("/hall?token=wrong-token", 401), ("/other?token=hall-token", 403), ("/hall?token=hall-token", 101),
            ("/other?token=team-token", 101),
        ] {
            XCTAssertTrue(try RawWebSocket(port, path: path).head.hasPrefix("HTTP/1.1 \(status) "), path)
        }
        try await connections(0)
        let (a, b) = (try RawWebSocket(port, path: "/hall?token=hall-token"), try RawWebSocket(port, path: "/hall?token=team-token"))
        let c = try RawWebSocket(port, path: "/other?token=team-token")
        try await connections(3)
        c.send("elsewhere")
        a.send("here")
        XCTAssertEqual(b.next(), .text("here"))
        await server.admit(by: nil)
        let d = try RawWebSocket(port, path: "/other")
        try await connections(4)
        c.send("to all who come")
        XCTAssertEqual(d.next(), .text("to all who come"))
    }

    func testTheEndIsSaidWith1001() async throws {
        try await start()
        let (a, b) = (try RawWebSocket(port), try RawWebSocket(port))
        try await connections(2)
        a.send("last words")
        XCTAssertEqual(b.next(), .text("last words"))
        await server.stop()
        server = nil
        XCTAssertEqual(a.next()?.code, 1001)
        XCTAssertEqual(b.next()?.code, 1001)
    }
}
