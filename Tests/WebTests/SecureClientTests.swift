import Crypto
import Glibc
import HTTP
import Reactor
import TestSupport
import Web
import Wire
import XCTest

/// The client over TLS and through proxies.
final class SecureClientTests: XCTestCase {
    /// A certificate for these names, and a file that has it for the client to trust.
    private func makeCertificate(_ names: [String]) throws -> (server: @Sendable () throws -> TLSServer, trust: TLSTrust, path: String) {
        let certificate = try Certificate.selfSigned(commonName: "test", names: names, unixTime: MonotonicClock.unixSeconds(), days: 2)
        let path = "/tmp/waldo-client-test-\(getpid())-\(names.joined()).pem"
        let pem = try certificate.pem()
        guard let file = unsafe fopen(path, "w") else { throw SystemError("fopen", path) }
        unsafe fputs(pem, file)
        unsafe fclose(file)
        return ({ try TLSServer([.certificate(Certificate(pem: pem))]) }, .file(path), path)
    }

    func testCertificatesAreChecked() async throws {
        let (server, trust, path) = try makeCertificate(["localhost", "127.0.0.1"])
        defer { _ = unsafe unlink(path) }
        let harness = try await ClientHarness(trust: trust)
        let port = try await harness.serve(security: server) { request, connection in connection.send(ok(request.field("host") ?? "")) }
        for name in ["127.0.0.1", "localhost"] {
            for _ in 0..<2 {
                let answer = try await harness.get("https://\(name):\(port)/")
                XCTAssertEqual(answer.short, "200 \(name):\(port)")
            }
        }
        let dialed = await harness.dialed
        XCTAssertEqual(dialed, 2, "a connection for each name")
        await harness.stop()

        let (other, _, otherPath) = try makeCertificate(["example.com"])
        defer { _ = unsafe unlink(otherPath) }
        for (trust, reason) in [(TLSTrust.file(otherPath), "mismatch"), (.file(path), "self-signed certificate")] {
            let harness = try await ClientHarness(trust: trust)
            let port = try await harness.serve(security: other) { _, connection in connection.send(ok("no")) }
            let answer = try await harness.get("https://127.0.0.1:\(port)/")
            XCTAssertTrue(answer.short.contains("not trusted") && answer.short.contains(reason), answer.short)
            await harness.stop()
        }
    }

    func testABodyThatIsCutOffInsideTLSIsAnError_RFC9112_9_8() async throws {
        let (server, trust, path) = try makeCertificate(["127.0.0.1"])
        defer { _ = unsafe unlink(path) }
        for (isCut, expected) in [(false, "200 half"), (true, nil)] {
            let harness = try await ClientHarness(trust: trust)
            let port = try await harness.serve(security: server) { _, connection in
                connection.send("HTTP/1.1 200 OK\r\n\r\nhalf")
                if isCut { connection.socket.close() } else { connection.socket.closeAfterSending() }
            }
            let answer = try await harness.get("https://127.0.0.1:\(port)/")
            XCTAssertEqual(answer.short, expected ?? "127.0.0.1:\(port): the connection ended inside the response")
            await harness.stop()
        }
    }

    func testNothingLeadsFromTLSToPlainTextUnlessAllowed() async throws {
        let (server, trust, path) = try makeCertificate(["127.0.0.1"])
        defer { _ = unsafe unlink(path) }
        for allows in [false, true] {
            var options = HTTPClientOptions()
            options.allowsDowngrade = allows
            let harness = try await ClientHarness(options, trust: trust)
            let plain = try await harness.serve { _, connection in connection.send(ok("plain")) }
            let port = try await harness.serve(security: server) { _, connection in
                connection.send("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:\(plain)/\r\nContent-Length: 0\r\n\r\n")
            }
            let answer = try await harness.get("https://127.0.0.1:\(port)/x")
            XCTAssertEqual(
                answer.short,
                allows
                    ? "200 plain"
                    : "https://127.0.0.1:\(port)/x redirects where this client does not go: from https to http://127.0.0.1:\(plain)/")
            await harness.stop()
        }
    }

    // MARK: proxies

    private func throughProxy(_ port: Int) throws -> HTTPClientOptions {
        var options = HTTPClientOptions()
        options.proxies = ProxyEnvironment(try HTTPProxy("http://me:secret@127.0.0.1:\(port)"), exceptions: "direct.invalid")
        return options
    }

    func testPlainRequestsGoToTheProxyWhole_RFC9112_3_2_2() async throws {
        let proxy = try await ClientHarness()
        let port = try await proxy.serve { request, connection in
            connection.send(ok("\(request.line) \(request.field("host") ?? "") \(request.field("proxy-authorization") ?? "")"))
        }
        let harness = try await ClientHarness(try throughProxy(port))
        let answer = try await harness.get("http://a.invalid:81/x?y")
        XCTAssertEqual(answer.short, "200 GET http://a.invalid:81/x?y HTTP/1.1 a.invalid:81 Basic bWU6c2VjcmV0")
        let direct = try await harness.get("http://direct.invalid/")
        XCTAssertEqual(direct.error, .nameUnknown(host: "direct.invalid"))
        await harness.stop()
        await proxy.stop()
    }

    func testTLSGoesThroughATunnel_RFC9110_9_3_6() async throws {
        let (server, trust, path) = try makeCertificate(["a.invalid"])
        defer { _ = unsafe unlink(path) }
        let proxy = try await ClientHarness()
        // The proxy is also the host: after its 200 the same connection speaks TLS.
        let heads = Log<String>()
        let port = try await proxy.serve { request, connection in
            heads.add("\(request.line) \(request.field("host") ?? "") \(request.field("proxy-authorization") ?? "none")")
            guard request.line.hasPrefix("CONNECT a") else {
                if request.line.hasPrefix("CONNECT") { return connection.send("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") }
                return connection.send(ok("inside"))
            }
            connection.send("HTTP/1.1 200 Connection Established\r\n\r\n")
            do { connection.socket.secure(try server().makeStream(at: MonotonicClock.now())) } catch { XCTFail("\(error)") }
        }
        let harness = try await ClientHarness(try throughProxy(port), trust: trust)
        let answer = try await harness.get("https://a.invalid/x")
        XCTAssertEqual(answer.short, "200 inside")
        XCTAssertEqual(heads.all, ["CONNECT a.invalid:443 HTTP/1.1 a.invalid:443 Basic bWU6c2VjcmV0", "GET /x HTTP/1.1 a.invalid none"])
        let refused = try await harness.get("https://b.invalid/")
        XCTAssertEqual(refused.short, "the proxy 127.0.0.1:\(port) opens no tunnel to b.invalid:443: 407 Proxy Authentication Required")
        await harness.stop()
        await proxy.stop()
    }

    // MARK: addresses

    /// RFC 8305: the first address takes no connection; the second does.
    func testTheNextAddressIsTriedBesideASlowOneAndAfterAFailedOne() async throws {
        let harness = try await ClientHarness()
        let port = try await harness.serve { _, connection in connection.send(ok("x")) }
        let log = Log<String>()
        await harness.run { harness, _ in
            // 127.0.0.2 has no listener, 192.0.2.1 nobody at all: refused at once, or silent.
            for addresses in [["127.0.0.2", "127.0.0.1"], ["::1", "127.0.0.1"], ["192.0.2.1", "127.0.0.1"]] {
                harness.keep(
                    AddressRace(
                        to: addresses.compactMap { IPAddress($0) }, port: UInt16(port), delay: .milliseconds(20), reactor: harness.reactor
                    ) {
                        switch $0 {
                        case .success(let socket): log.add("\(socket.remote.ip)")
                        case .failure(let error): log.add("\(error)")
                        }
                    })
            }
            harness.keep(
                AddressRace(
                    to: [IPAddress(127, 0, 0, 2), IPAddress(127, 0, 0, 3)], port: UInt16(port), delay: .seconds(5), reactor: harness.reactor
                ) {
                    if case .failure(let error) = $0 { log.add(error.call) }
                })
        }
        let told = try await log.wait(4).sorted()
        XCTAssertEqual(told, ["127.0.0.1", "127.0.0.1", "127.0.0.1", "connect"])
        let mixed = ["2001:db8::1", "2001:db8::2", "192.0.2.1", "2001:db8::3"].compactMap { IPAddress($0) }
        XCTAssertEqual(AddressRace.interleaved(mixed).map(\.description), ["2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"])
        await harness.stop()
    }

    func testLocalNamesAndSockets() async throws {
        let harness = try await ClientHarness()
        let port = try await harness.serve { _, connection in connection.send(ok("x")) }
        let named = try await harness.get("http://localhost:\(port)/")
        XCTAssertEqual(named.short, "200 x")
        let path = "/tmp/waldo-client-test-\(getpid()).sock"
        try await harness.run { harness, _ in
            let router = Router()
            router.get("/who", "host") { .text($0.fields["host"] ?? "") }
            let server = HTTPServer(handler: router, reactor: harness.reactor)
            try server.listen(path: path)
            harness.keep(server)
        }
        for _ in 0..<2 {
            let answer = try await harness.get("http://robot.local/who") { $0.socketPath = path }
            XCTAssertEqual(answer.short, "200 robot.local")
        }
        await harness.stop()
    }
}
