import CVirtualTime
import Crypto
import RTC
import TestSupport
import Wire
import XCTest

final class DTLSTests: XCTestCase {
    private var alice: CryptoContext!
    private var bob: CryptoContext!

    override func setUpWithError() throws {
        alice = try CryptoContext(certificate: .selfSigned(commonName: "alice", unixTime: 1_790_000_000))
        bob = try CryptoContext(certificate: .selfSigned(commonName: "bob", unixTime: 1_790_000_000))
    }

    // XCTest keeps its test cases, and with them what they hold, to the end.
    override func tearDown() {
        alice = nil
        bob = nil
    }

    private func link(_ conditions: LossyWire.Conditions = .init(), seed: UInt64 = 1) -> DTLSLink {
        DTLSLink(client: alice.makeDTLS(), server: bob.makeDTLS(), conditions, seed: seed)
    }

    private func start(_ link: DTLSLink) { link.start(clientExpects: bob.fingerprints, serverExpects: alice.fingerprints) }

    private func bothConnected(_ link: DTLSLink) -> Bool { link.sides[0].isConnected && link.sides[1].isConnected }

    func testBothRolesConnectAndAgreeOnGCMKeysRFC5764() throws {
        let link = link()
        start(link)
        link.run { self.bothConnected($0) }
        XCTAssertTrue(bothConnected(link), link.sides[0].failure ?? link.sides[1].failure ?? "no reason")
        let client = try XCTUnwrap(link.sides[0].keys), server = try XCTUnwrap(link.sides[1].keys)
        XCTAssertEqual(client.profile, .aeadAES128GCM)
        XCTAssertEqual(client.sendKey, server.receiveKey)
        XCTAssertEqual(client.sendSalt, server.receiveSalt)
        XCTAssertEqual(client.receiveKey, server.sendKey)
        XCTAssertEqual(client.receiveSalt, server.sendSalt)
        XCTAssertEqual([client.sendKey.count, client.sendSalt.count], [16, 12])
        XCTAssertNotEqual(client.sendKey, client.receiveKey)
        // Two round trips of 20 ms and nothing repeated.
        XCTAssertEqual(link.now, Instant(nanoseconds: 5_040_000_000))
    }

    func testDataCrossesBothWaysInRecordsOfAtMost1200Bytes() {
        let link = link()
        start(link)
        link.run { self.bothConnected($0) }
        let large = [UInt8](repeating: 7, count: OpenSSLDTLSEndpoint.largestRecord)
        link.send([1, 2, 3], from: 0)
        link.send(large, from: 1)
        link.send(large + [8], from: 1)
        link.run { _ in false }
        XCTAssertEqual(link.sides[1].data, [[1, 2, 3]])
        XCTAssertEqual(link.sides[0].data, [large])
    }

    func testCloseNotifyEndsBothSides() {
        let link = link()
        start(link)
        link.run { self.bothConnected($0) }
        link.sides[0].endpoint.close(at: link.now)
        link.drain()
        link.run { _ in false }
        XCTAssertTrue(link.sides[1].isClosed)
        XCTAssertNil(link.sides[1].failure)
        XCTAssertNil(link.sides[0].endpoint.deadline)
        link.send([1], from: 0)
        link.run { _ in false }
        XCTAssertEqual(link.sides[1].data, [])
    }

    func testLossReorderingAndDuplicationOnlyDelayTheHandshake() {
        for seed in 1...60 as ClosedRange<UInt64> {
            let link = link(.init(loss: 0.25, duplication: 0.1, delay: .milliseconds(20), jitter: .milliseconds(30)), seed: seed)
            start(link)
            link.run { self.bothConnected($0) }
            XCTAssertTrue(
                bothConnected(link),
                "seed \(seed): \(link.sides[0].failure ?? "-") \(link.sides[1].failure ?? "-") at \(link.now.nanoseconds)")
        }
    }

    func testFirstRepetitionAfter150MillisecondsThenDoubling() {
        let link = link(.init(loss: 1))
        let begin = link.now
        start(link)
        var times: [Int64] = []
        var count = link.sides[0].sent.count
        while link.sides[0].failure == nil, let deadline = link.sides[0].endpoint.deadline {
            link.now = deadline
            link.sides[0].endpoint.advance(to: deadline)
            link.drain()
            if link.sides[0].sent.count > count { times.append((deadline - begin).wholeMilliseconds) }
            count = link.sides[0].sent.count
        }
        XCTAssertEqual(times.prefix(6), [150, 450, 1050, 2250, 4650, 8650])
        XCTAssertEqual((link.now - begin).wholeMilliseconds, 30_000)
        XCTAssertNotNil(link.sides[0].failure)
    }

    func testAWallClockThatIsSetDoesNotTouchTheHandshake() {
        let hour: Int64 = 3_600_000_000
        for steps in [[0], [-hour], [hour], [hour, -2 * hour]] {
            var wall: Int64 = 1_790_000_000_000_000
            virtual_time_set(wall)
            let link = link()
            let begin = link.now
            var sent = 0
            link.tamper = { from, datagram in
                if from == 0 { sent += 1 }
                // The first three flights of the client are lost, and the clock is set meanwhile.
                if sent <= steps.count {
                    wall += steps[sent - 1]
                    virtual_time_set(wall)
                }
                return from == 0 && sent <= 3 ? [] : [datagram]
            }
            start(link)
            link.run { self.bothConnected($0) }
            virtual_time_off()
            XCTAssertTrue(bothConnected(link), "\(steps): \(link.sides[0].failure ?? "-")")
            XCTAssertEqual((link.now - begin).wholeMilliseconds, 1050 + 40, "\(steps)")
        }
    }

    func testServerThatHearsNothingFailsAfter30Seconds() {
        let link = link(.init(loss: 1))
        start(link)
        link.run { $0.sides[1].failure != nil }
        XCTAssertEqual(link.sides[1].failure?.contains("ClientHello"), true)
    }

    func testWrongFingerprintFailsBothSidesBeforeAnythingIsDelivered() {
        let wrong = Fingerprint(algorithm: .sha256, digest: [UInt8](repeating: 0xAB, count: 32))
        for (client, server) in [([wrong], alice.fingerprints), (bob.fingerprints, [wrong]), ([], alice.fingerprints)] {
            let link = link()
            link.start(clientExpects: client, serverExpects: server)
            link.run { $0.sides[0].failure != nil && $0.sides[1].failure != nil }
            let isClients = server == alice.fingerprints
            let reason = link.sides[isClients ? 0 : 1].failure ?? ""
            if !client.isEmpty {
                XCTAssertTrue(reason.contains("ab:ab:ab"), reason)
                let shown = (isClients ? bob : alice).fingerprints[0].digest
                XCTAssertTrue(reason.contains(Hex.encode(shown, separator: ":")), reason)
            }
            XCTAssertNotNil(link.sides[isClients ? 1 : 0].failure, "the peer is told by an alert")
            XCTAssertFalse(link.sides[isClients ? 0 : 1].isConnected)
        }
    }

    func testStrongestSignalledAlgorithmDecidesRFC8122Clause6_2() throws {
        let good = try Certificate.selfSigned(unixTime: 1_790_000_000)
        bob = try CryptoContext(certificate: good)
        let bad512 = Fingerprint(algorithm: .sha512, digest: [UInt8](repeating: 1, count: 64))
        let cases: [([Fingerprint], Bool)] = [
            ([good.fingerprint(.sha384)], true), ([good.fingerprint(.sha512)], true),
            ([bad512, good.fingerprint(.sha512)], true), ([good.fingerprint(.sha256), bad512], false),
        ]
        for (expected, connects) in cases {
            let link = link()
            link.start(clientExpects: expected, serverExpects: alice.fingerprints)
            link.run { self.bothConnected($0) || $0.sides[0].failure != nil }
            XCTAssertEqual(link.sides[0].isConnected, connects)
        }
    }

    /// Browsers send a ClientHello of more than one datagram (a post-quantum key share makes it large).
    func testClientHelloInThreeFragmentsInAnyOrderRFC6347Clause4_2_3() {
        for permutation in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
            let link = link()
            link.tamper = { from, datagram in
                guard from == 0, let parts = Self.fragments(ofClientHello: datagram, count: 3) else { return [datagram] }
                return permutation.map { parts[$0] }
            }
            start(link)
            link.run { self.bothConnected($0) }
            XCTAssertTrue(bothConnected(link), "\(permutation): \(link.sides[1].failure ?? "-")")
        }
    }

    private static func fragments(ofClientHello datagram: [UInt8], count: Int) -> [[UInt8]]? {
        guard datagram.count > 25, datagram[0] == 22, datagram[13] == 1, datagram[4] == 0 else { return nil }
        let body = Array(datagram[25...])
        let step = (body.count + count - 1) / count
        return (0..<count).map { i in
            let piece = Array(body[(i * step)..<min((i + 1) * step, body.count)])
            var record = Array(datagram[..<10])
            record.append(UInt8(datagram[10] &+ UInt8(i)))
            record.append(u16: UInt16(12 + piece.count))
            record += datagram[13..<19]
            record += [0]
            record.append(u16: UInt16(i * step))
            record += [0]
            record.append(u16: UInt16(piece.count))
            return record + piece
        }
    }

    func testGarbageBeforeDuringAndAfterTheHandshakeKillsNothing() {
        for seed in 1...20 as ClosedRange<UInt64> {
            var random = SeededRandom(seed: seed)
            func noise() -> [UInt8] {
                var bytes = (0..<Int.random(in: 0...300, using: &random)).map { _ in UInt8.random(in: .min ... .max, using: &random) }
                if bytes.count >= 13, Bool.random(using: &random) {
                    bytes.replaceSubrange(0..<3, with: [UInt8.random(in: 20...25, using: &random), 0xFE, 0xFD])
                    if Bool.random(using: &random) {
                        bytes.replaceSubrange(11..<13, with: [UInt8((bytes.count - 13) >> 8), UInt8((bytes.count - 13) & 255)])
                    }
                }
                return bytes
            }
            let link = link()
            link.sides[1].endpoint.start(role: .server, peerFingerprints: alice.fingerprints, at: link.now)
            for _ in 0..<200 { link.inject(noise(), to: 1) }
            XCTAssertNil(link.sides[1].failure, "seed \(seed)")
            link.tamper = { _, datagram in [noise(), datagram, noise()] }
            link.sides[0].endpoint.start(role: .client, peerFingerprints: bob.fingerprints, at: link.now)
            link.drain()
            link.run { self.bothConnected($0) }
            XCTAssertTrue(bothConnected(link), "seed \(seed): \(link.sides[0].failure ?? "-") \(link.sides[1].failure ?? "-")")
            for _ in 0..<200 {
                link.inject(noise(), to: 0)
                link.inject(noise(), to: 1)
            }
            link.inject([UInt8](repeating: 22, count: 70_000), to: 1)
            link.send([9], from: 0)
            link.send([8], from: 1)
            link.run { _ in false }
            XCTAssertEqual(link.sides.map(\.data), [[[8]], [[9]]], "seed \(seed)")
            XCTAssertNil(link.sides[0].failure)
            XCTAssertNil(link.sides[1].failure)
        }
    }

    func testReplayedAndDamagedRecordsAreDroppedSilently() {
        let link = link()
        start(link)
        link.run { self.bothConnected($0) }
        link.tamper = { from, datagram in
            var damaged = datagram
            damaged[datagram.count - 1] ^= 1
            return from == 0 ? [damaged, datagram, datagram] : [datagram]
        }
        for i in 0..<50 { link.send([UInt8(i)], from: 0) }
        link.run { _ in false }
        XCTAssertEqual(link.sides[1].data, (0..<50).map { [UInt8($0)] })
    }

    func testUnencryptedAlertsAfterTheHandshakeAreOfNobody() {
        let link = link()
        start(link)
        link.run { self.bothConnected($0) }
        for description in [0, 10, 40] as [UInt8] {
            for sequence in 0..<20 as Range<UInt8> {
                let alert: [UInt8] = [21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, sequence, 0, 2, 2, description]
                link.inject(alert, to: 0)
                link.inject(alert, to: 1)
            }
        }
        link.send([1], from: 0)
        link.send([2], from: 1)
        link.run { _ in false }
        XCTAssertEqual(link.sides.map(\.data), [[[2]], [[1]]])
        XCTAssertNil(link.sides[0].failure ?? link.sides[1].failure)
    }

    func testPeerWithNothingInCommonIsRefusedAtOnceAndToldSo() {
        let link = link()
        link.tamper = { from, datagram in
            guard from == 0, datagram[0] == 22, datagram[13] == 1 else { return [datagram] }
            // The list of cipher suites (after version, random, empty session and cookie) becomes one of unknown ones.
            var changed = datagram
            let suites = 25 + 2 + 32 + 1 + 1
            let count = Int(changed[suites]) << 8 | Int(changed[suites + 1])
            for i in 0..<count { changed[suites + 2 + i] = 0xEE }
            return [changed]
        }
        start(link)
        link.run { $0.sides[0].failure != nil && $0.sides[1].failure != nil }
        XCTAssertEqual(link.sides[1].failure?.contains("no shared cipher"), true, link.sides[1].failure ?? "-")
        XCTAssertNotNil(link.sides[0].failure)
        XCTAssertLessThan(link.now, Instant(nanoseconds: 5_100_000_000))
    }

    func testDamageInTheMiddleOfTheHandshakeFailsWithAReason() {
        let link = link()
        link.tamper = { from, datagram in
            // The client's second flight begins with its Certificate (handshake type 11): one byte of the key becomes another.
            guard from == 0, datagram[0] == 22, datagram[13] == 11 else { return [datagram] }
            var changed = datagram
            changed[60] ^= 1
            return [changed]
        }
        start(link)
        link.run { $0.sides[1].failure != nil }
        XCTAssertNotNil(link.sides[1].failure)
        XCTAssertFalse(link.sides[1].isConnected)
        XCTAssertLessThan(link.now, Instant(nanoseconds: 5_100_000_000))
    }

    func testLostLastFlightIsRepeatedWhenTheClientAsks() {
        let link = link()
        var lost = 0
        link.tamper = { from, datagram in
            // The server's second flight: ChangeCipherSpec and Finished.
            if from == 1, datagram[0] == 20, lost < 2 {
                lost += 1
                return []
            }
            return [datagram]
        }
        start(link)
        link.run { self.bothConnected($0) }
        XCTAssertEqual(lost, 2)
        XCTAssertTrue(bothConnected(link), link.sides[0].failure ?? "-")
    }
}
