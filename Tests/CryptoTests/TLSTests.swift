import Crypto
import Glibc
import Wire
import XCTest

/// Two TLS ends and the bytes between them.
private final class Pair {
    let client: TLSStream
    let server: TLSStream
    private(set) var toServer: [UInt8] = []
    private(set) var toClient: [UInt8] = []
    var clientHeard: [UInt8] = []
    var serverHeard: [UInt8] = []

    init(_ client: TLSStream, _ server: TLSStream) {
        (self.client, self.server) = (client, server)
        client.output = { [unowned self] in toServer.append(span: $0) }
        server.output = { [unowned self] in toClient.append(span: $0) }
        server.begin()
        client.begin()
    }

    /// Carries what is there, `piece` bytes at a time, until nothing is said any more.
    func run(piece: Int = .max) {
        while !toServer.isEmpty || !toClient.isEmpty {
            let forServer = toServer, forClient = toClient
            (toServer, toClient) = ([], [])
            feed(server, forServer, piece) { self.serverHeard.append($0) }
            feed(client, forClient, piece) { self.clientHeard.append($0) }
        }
    }

    func damageNextToServer() { toServer[toServer.count - 3] ^= 1 }

    private func feed(_ stream: TLSStream, _ bytes: [UInt8], _ piece: Int, _ take: @escaping (UInt8) -> Void) {
        for start in stride(from: 0, to: bytes.count, by: min(piece, max(bytes.count, 1))) {
            let end = piece < bytes.count - start ? start + piece : bytes.count
            stream.receive(bytes.span.extracting(start..<end)) { plain in
                for index in 0..<plain.count { take(plain[index]) }
            }
        }
    }
}

final class TLSTests: XCTestCase {
    private static let unixTime = Int64(time(nil))
    private let here = Certificate.forTests(["localhost", "127.0.0.1"])
    private var folder = ""

    override func setUp() {
        var template = Array("/tmp/waldo-tls-XXXXXX".utf8CString)
        _ = unsafe mkdtemp(&template)
        folder = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    override func tearDown() {
        for name in ["a.pem", "b.pem"] { _ = unsafe unlink("\(folder)/\(name)") }
        _ = unsafe rmdir(folder)
    }

    private func write(_ text: String, _ name: String) -> String {
        let path = "\(folder)/\(name)"
        let file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        XCTAssertEqual(unsafe Glibc.write(file, text, text.utf8.count), text.utf8.count)
        close(file)
        return path
    }

    private func pair(_ client: TLSClient, _ server: TLSServer, name: String = "localhost") throws -> Pair {
        Pair(try client.makeStream(serverName: name), try server.makeStream(at: Instant(nanoseconds: 0)))
    }

    private func trusting(_ certificate: Certificate, protocols: [String] = []) throws -> TLSClient {
        try TLSClient(trust: .file(write(certificate.pem(), "a.pem")), protocols: protocols)
    }

    private func reason(_ stream: TLSStream) -> String? {
        if case .failed(let reason) = stream.state { reason } else { nil }
    }

    func testBytesGoBothWaysHoweverTheyAreCut() throws {
        let message = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        for piece in [1, 2, 5, 1000, .max] {
            let pair = try pair(trusting(here), TLSServer([.certificate(here)]))
            pair.run(piece: piece)
            XCTAssertEqual(pair.client.state, .open)
            XCTAssertEqual(pair.server.state, .open)
            for start in stride(from: 0, to: message.count, by: 40_000) {
                let part = message[start..<min(start + 40_000, message.count)]
                pair.client.send(Array(part).span)
                pair.server.send(Array(part).span)
            }
            pair.run(piece: piece)
            XCTAssertEqual(pair.serverHeard, message, "in pieces of \(piece)")
            XCTAssertEqual(pair.clientHeard, message, "in pieces of \(piece)")
        }
    }

    func testGoodbyeEndsOneWayAndTheOtherGoesOn() throws {
        let pair = try pair(trusting(here), TLSServer([.certificate(here)]))
        pair.run()
        pair.client.close()
        pair.run()
        XCTAssertEqual(pair.server.state, .ended)
        pair.server.send([1, 2, 3].span)
        pair.run()
        XCTAssertEqual(pair.clientHeard, [1, 2, 3])
        pair.server.close()
        pair.run()
        XCTAssertEqual(pair.client.state, .ended)
    }

    func testDamageIsRefusedAndTold() throws {
        let pair = try pair(trusting(here), TLSServer([.certificate(here)]))
        pair.run()
        XCTAssertEqual(pair.server.agreement?.version, "TLSv1.3")
        pair.client.send([1, 2, 3].span)
        pair.damageNextToServer()
        pair.run()
        XCTAssertNotNil(reason(pair.server))
        XCTAssertNotNil(reason(pair.client), "the alert tells the client")
        pair.server.send([1].span)
        pair.run()
        XCTAssertEqual(pair.clientHeard, [])
    }

    func testClientChecksAuthorityAndName() throws {
        let other = Certificate.forTests(["robot.example", "10.0.0.1"])
        for (shown, trusted, name, expected) in [
            (here, here, "localhost", nil), (here, here, "127.0.0.1", nil), (other, other, "robot.example", nil),
            (here, here, "robot.example", "hostname mismatch"), (here, here, "10.0.0.1", "IP address mismatch"),
            (other, here, "robot.example", "self-signed"),
        ] as [(Certificate, Certificate, String, String?)] {
            let pair = try pair(trusting(trusted), TLSServer([.certificate(shown)]), name: name)
            pair.run()
            guard let expected else {
                XCTAssertEqual(pair.client.state, .open, name)
                continue
            }
            let reason = reason(pair.client) ?? "none"
            XCTAssertTrue(reason.contains(expected) && reason.contains(name), "\(name): \(reason)")
            XCTAssertNotNil(self.reason(pair.server), "the server learns it by an alert")
        }
    }

    func testSystemTrustRefusesAStranger() throws {
        let pair = try pair(TLSClient(), TLSServer([.certificate(here)]))
        pair.run()
        XCTAssertNotNil(reason(pair.client))
    }

    /// RFC 6066 clause 3.
    func testServerShowsTheCertificateThatIsAskedFor() throws {
        let other = Certificate.forTests(["robot.example", "*.fleet.example"])
        let server = try TLSServer([.certificate(here), .certificate(other)])
        for (name, shown) in [("localhost", here), ("robot.example", other), ("seven.fleet.example", other), ("127.0.0.1", here)] {
            let pair = try pair(trusting(shown), server, name: name)
            pair.run()
            XCTAssertEqual(pair.client.state, .open, name)
            XCTAssertEqual(pair.server.agreement?.serverName, IPAddress(name) == nil ? name : nil)
        }
    }

    /// RFC 7301 clause 3.2.
    func testProtocolInsideIsAgreedOn() throws {
        for (offered, expected) in [
            (["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), ([], nil), (["h2"], "refused"),
        ] as [([String], String?)] {
            let pair = try pair(trusting(here, protocols: offered), TLSServer([.certificate(here)]))
            pair.run()
            if expected == "refused" {
                XCTAssertNotNil(reason(pair.client))
            } else {
                XCTAssertEqual(pair.client.state, .open)
                XCTAssertEqual(pair.server.agreement?.applicationProtocol, expected)
                XCTAssertEqual(pair.client.agreement?.applicationProtocol, expected)
            }
        }
    }

    func testChangedFilesServeNewConnectionsAndOldOnesGoOn() throws {
        let old = Certificate.forTests(["localhost"]), new = Certificate.forTests(["localhost"])
        let path = try write(old.pem(), "b.pem")
        let server = try TLSServer([.files(certificate: path, key: path)])
        var problems: [CryptoError] = []
        server.onProblem = { problems.append($0) }
        let first = try pair(trusting(old), server)
        first.run()
        XCTAssertEqual(first.client.state, .open)

        func connect(_ trusted: Certificate, at seconds: Int64) throws -> Pair {
            let client = try trusting(trusted).makeStream(serverName: "localhost")
            let pair = Pair(client, try server.makeStream(at: Instant(nanoseconds: seconds * 1_000_000_000)))
            pair.run()
            return pair
        }
        _ = write("half a file", "b.pem")
        XCTAssertEqual(try connect(old, at: 10).client.state, .open, "what was there before still serves")
        XCTAssertEqual(try connect(old, at: 20).client.state, .open)
        XCTAssertEqual(problems.count, 1, "told once a change")
        _ = try write(new.pem(), "b.pem")
        XCTAssertEqual(try connect(new, at: 30).client.state, .open)
        XCTAssertNotNil(reason(try connect(old, at: 40).client))
        first.client.send([1, 2].span)
        first.run()
        XCTAssertEqual(first.serverHeard, [1, 2])
    }

    /// OpenSSL has room for 127 kinds of BIO in a process.
    func testCertificatesMayChangeForEver() throws {
        for count in 1...300 { XCTAssertNoThrow(try TLSServer([.certificate(here)]), "server \(count)") }
    }

    func testUnusableFilesAreErrorsThatNameThem() throws {
        let good = try write(here.pem(), "a.pem"), bad = write("nonsense", "b.pem")
        for (certificate, key, named) in [(bad, good, bad), (good, bad, bad), ("/nowhere", good, "/nowhere")] {
            XCTAssertThrowsError(try TLSServer([.files(certificate: certificate, key: key)])) {
                XCTAssertTrue("\($0)".contains(named), "\($0)")
            }
        }
    }

    func testGarbageIsRefusedAtOnce() throws {
        for bytes in [
            Array("GET / HTTP/1.1\r\n\r\n".utf8), [22, 3, 1, 255, 255] + [UInt8](repeating: 0, count: 70_000), [UInt8](0..<64),
        ] {
            let stream = try TLSServer([.certificate(here)]).makeStream(at: Instant(nanoseconds: 0))
            stream.begin()
            stream.receive(bytes.span) { _ in XCTFail("nothing can be in this") }
            XCTAssertNotNil(reason(stream), "\(bytes.prefix(5))")
        }
    }

    func testNamesThatNoCertificateCanBearAreRefused() {
        for name in ["a,DNS:b", "x\ny", "a b"] {
            XCTAssertThrowsError(try Certificate.selfSigned(names: [name], unixTime: Self.unixTime), name)
        }
    }
}

extension Certificate {
    fileprivate static func forTests(_ names: [String]) -> Certificate {
        guard let made = try? Certificate.selfSigned(commonName: "test", names: names, unixTime: Int64(time(nil))) else {
            preconditionFailure("a certificate can be made for \(names)")
        }
        return made
    }
}
