import HTTP
import Reactor
import TestSupport
import Web
import Wire
import XCTest

/// Servers that do anything, and requests that are given up at any time: each request ends once, and nothing is left.
final class ClientRandomLifeTests: XCTestCase {
    private final class Life {
        let harness: ClientHarness
        let client: HTTPClient
        var random: SeededRandom
        var timers: [ReactorTimer] = []
        var ends: [Int] = []
        /// How requests ended, by the first word of the outcome.
        var kinds: Set<Substring> = []
        let ports: [Int]
        let finished: Log<String>
        let count: Int

        init(_ harness: ClientHarness, _ client: HTTPClient, ports: [Int], count: Int, seed: UInt64, finished: Log<String>) {
            (self.harness, self.client, self.ports, self.count, self.finished) = (harness, client, ports, count, finished)
            random = SeededRandom(seed: seed)
            ends = [Int](repeating: 0, count: count)
        }

        func after(_ milliseconds: Int, _ body: @escaping () -> Void) {
            let timer = harness.reactor.makeTimer { _ in body() }
            timer.deadline = MonotonicClock.now() + .milliseconds(milliseconds)
            timers.append(timer)
        }

        func start() { for index in 0..<count { after(Int.random(in: 0..<600, using: &random)) { [unowned self] in ask(index) } } }

        private func ask(_ index: Int) {
            let methods: [HTTPMethod] = [.get, .get, .post, .put, .head, .delete]
            let port = ports[Int.random(in: 0..<ports.count, using: &random)]
            guard var request = try? HTTPClientRequest(methods[Int.random(in: 0..<6, using: &random)], "http://127.0.0.1:\(port)/\(index)")
            else {
                return XCTFail("no URL")
            }
            if Bool.random(using: &random) {
                request.body = [UInt8](repeating: 1, count: Int.random(in: 0..<300_000, using: &random))
            }
            request.acceptsGzip = Bool.random(using: &random)
            let givesUp = Int.random(in: 0..<10, using: &random)
            final class Holder { weak var exchange: HTTPExchange? }
            let holder = Holder()
            let exchange = client.start(
                request, onHead: { _ in if givesUp == 0 { holder.exchange?.cancel() } },
                onBody: { [unowned self] _ in
                    if givesUp == 1 { holder.exchange?.cancel() }
                    guard givesUp == 2, holder.exchange?.isPaused == false else { return }
                    holder.exchange?.isPaused = true
                    after(3) { holder.exchange?.isPaused = false }
                },
                onEnd: { [unowned self] outcome in
                    if case .failure(let error) = outcome { kinds.insert(String(reflecting: error).prefix { $0 != "(" }) }
                    ends[index] += 1
                    XCTAssertEqual(ends[index], 1, "request \(index)")
                    if ends.allSatisfy({ $0 == 1 }) { finished.add(kinds.sorted().joined(separator: " ")) }
                })
            holder.exchange = exchange
            if givesUp == 3 { after(Int.random(in: 0..<20, using: &random)) { holder.exchange?.cancel() } }
            XCTAssertLessThanOrEqual(client.connectionCount, client.options.connections)
        }
    }

    /// What the server of a test does by a number.
    @Sendable private static func answer(_ request: RawServer.Request, _ connection: RawServer.Connection) {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in request.line.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        let isHead = request.line.hasPrefix("HEAD")
        let body = isHead ? "" : "hello"
        func chunk(_ count: Int) -> String { "\(String(count, radix: 16))\r\n\(String(repeating: "x", count: count))\r\n" }
        if request.field("expect") != nil { return connection.send(ok(body, "Connection: close")) }
        switch (hash >> 20) % 16 {
        case 0: connection.end()
        case 1: connection.socket.close()
        case 2: connection.end("HTTP/1.1 200 OK\r\n\r\n\(body)")
        case 3: connection.end("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n\(body)")
        case 4: break
        case 5: connection.send("garbage\r\n\r\n")
        case 6: connection.send("HTTP/1.1 302 Found\r\nLocation: /\(hash % 7)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
        case 7: connection.send("HTTP/1.1 100 Continue\r\n\r\n" + (isHead ? ok("", "Content-Type: text/plain") : ok(body)))
        case 8: connection.send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
        case 9:
            connection.send(isHead ? ok("") : "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(chunk(100_000))\(chunk(5))0\r\n\r\n")
        case 10: connection.send(ok(body) + "rest")
        case 11: connection.end(ok(body, "Connection: close"))
        default: connection.send(isHead ? "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n" : ok(body))
        }
    }

    func testEachRequestEndsOnceWhateverHappens() async throws {
        for seed in UInt64(1)...3 {
            var options = HTTPClientOptions()
            options.connectionsPerServer = 4
            options.connections = 6
            options.waiting = 20
            options.idleTimeout = .milliseconds(30)
            options.silenceTimeout = .milliseconds(60)
            options.continueAbove = 200_000
            options.continueTimeout = .milliseconds(20)
            let harness = try await ClientHarness(options)
            var ports: [Int] = []
            for _ in 0..<3 { ports.append(try await harness.serve { Self.answer($0, $1) }) }
            let finished = Log<String>(), all = ports
            await harness.run { harness, client in
                let life = Life(harness, client, ports: all, count: 400, seed: seed, finished: finished)
                harness.keep(life)
                life.start()
            }
            let kinds = try await finished.wait()[0].split(separator: " ")
            XCTAssertGreaterThanOrEqual(kinds.count, 6, "seed \(seed): \(kinds)")
            let requests = await harness.requestCount
            XCTAssertEqual(requests, 0, "seed \(seed)")
            try await eventually("no connection is left, seed \(seed)") { await harness.connectionCount == 0 }
            await harness.stop()
        }
    }
}
