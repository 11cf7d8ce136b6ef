import NetSim
import RTC
import Wire
import XCTest

/// What strangers send changes nothing.
final class ICEHostileTests: XCTestCase {
    private func connected(bMode: IceMode) -> (SimulatedNetwork, IceHost, IceHost) {
        let network = SimulatedNetwork(seed: 3)
        for ip in ["10.0.0.1", "10.0.0.2"] { network.addAddress(IPAddress(ip)!) }
        let a = IceHost("a", network, at: [address("10.0.0.1", 5000)], seed: 1, isControlling: true)
        let b = IceHost("b", network, at: [address("10.0.0.2", 5000)], seed: 2, isControlling: false, mode: bMode)
        connect(a, b)
        XCTAssertTrue(network.run(for: .seconds(2)) { a.selections.count > 0 && b.selections.count > 0 })
        return (network, a, b)
    }

    private func check(
        to host: IceHost, fragment: String? = nil, password: String? = nil, controlling: Bool = true, unknown: Bool = false
    ) -> [UInt8] {
        let credentials = host.agent.localCredentials
        var message = STUNMessage(.request, .binding, STUNTransactionID(high: 5, low: host.network.random.next()))
        message.add(.username, text: (fragment ?? credentials.usernameFragment) + ":stranger")
        message.add(.priority, u32: 1)
        message.add(.useCandidate)
        message.add(controlling ? .iceControlling : .iceControlled, u64: 1)
        if unknown { message.add(STUNAttributeType(rawValue: 0x7FFF), [1]) }
        return message.encoded(key: Array((password ?? credentials.password).utf8), SimulatedDigests(), fingerprint: true)
    }

    func testStrangersAreRefusedAndNothingChanges() {
        for bMode in [IceMode.full, .lite] {
            let (network, a, b) = connected(bMode: bMode)
            let route = b.agent.route, path = NetworkPath(TransportID(1), address("10.6.6.6", 6))
            var response = STUNMessage(.success, .binding, STUNTransactionID(high: 1, low: 2))
            response.add(.xorMappedAddress, address: address("1.2.3.4", 5))
            let cases: [([UInt8], IceRefusal)] = [
                ([], .malformed(.length(expected: 1, actual: 0))),
                ([128, 1, 2, 3], .unknownPath),
                ([22, 1, 2, 3], .unknownPath),
                ([0, 1, 0, 0], .malformed(.length(expected: 20, actual: 4))),
                (check(to: b, fragment: "nobody"), .unknownUsername),
                (check(to: b, password: "wrong"), .integrity),
                (response.encoded(), .unknownTransaction),
                (STUNMessage(.request, .allocate, STUNTransactionID(high: 1, low: 2)).encoded(), .unexpectedMessage),
                (STUNMessage(.request, .binding, STUNTransactionID(high: 1, low: 2)).encoded(), .unknownUsername),
            ]
            for (bytes, refusal) in cases {
                XCTAssertEqual(b.agent.receive(bytes.span, on: path, at: network.now), .refused(refusal))
                XCTAssertNil(b.agent.nextOutput(), "strangers get no answer")
            }
            XCTAssertEqual(b.agent.route, route)
            XCTAssertEqual(b.agent.statistics.refused, UInt64(cases.count))
            XCTAssertTrue(a.exchanges(with: b))
        }
    }

    func testUnknownAttributesAreAnsweredBy420_RFC8489_6_3_1() throws {
        let (network, _, b) = connected(bMode: .full)
        let bytes = check(to: b, unknown: true)
        XCTAssertEqual(b.agent.receive(bytes.span, on: NetworkPath(TransportID(1), address("10.6.6.6", 6)), at: network.now), .handled)
        guard case .transmit(let datagrams)? = b.agent.nextOutput() else { return XCTFail("an answer was expected") }
        let answer = try STUNMessage(parsing: datagrams.bytes.span)
        XCTAssertEqual(answer.errorCode?.code, 420)
        XCTAssertEqual(answer.unknownAttributes, [0x7FFF])
    }

    func testFloodsOfChecksStayBoundedAndDisturbNobody() {
        for bMode in [IceMode.full, .lite] {
            let (network, a, b) = connected(bMode: bMode)
            var random = SeededRandom(seed: 9)
            for i in 0..<5000 {
                let source = SocketAddress(IPAddress(v4: 0x0B00_0000 + UInt32(i)), UInt16(1 + i % 60_000))
                // Even with the right password, as the peer itself could: addresses by the thousand.
                let bytes = i % 2 == 0 ? check(to: b, controlling: bMode == .full) : check(to: b, password: "x\(random.next())")
                _ = b.agent.receive(bytes.span, on: NetworkPath(TransportID(1), source), at: network.now)
                var outputs = 0
                while b.agent.nextOutput() != nil { outputs += 1 }
                XCTAssertLessThan(outputs, 10)
            }
            XCTAssertLessThanOrEqual(b.agent.pairCount, IceLimits.pairs)
            network.run(for: .seconds(60))
            XCTAssertFalse(a.states.contains(.failed))
        }
    }

    func testCandidateFloodsAreBounded() {
        let network = SimulatedNetwork(seed: 3)
        network.addAddress(IPAddress("10.0.0.1")!)
        let a = IceHost(
            "a", network, at: [address("10.0.0.1", 5000), address("10.0.0.1", 5001), address("10.0.0.1", 5002)], seed: 1,
            isControlling: true)
        a.begin()
        a.agent.setRemote(
            credentials: IceCredentials(usernameFragment: "abcd", password: "0123456789012345678901"), isLite: false, at: network.now)
        for i in 0..<1000 {
            a.agent.addRemoteCandidate(
                IceCandidate(foundation: "1", priority: UInt32(i), host: .ip(IPAddress(v4: 0x0A00_0100 + UInt32(i))), port: 9, kind: .host),
                at: network.now)
        }
        XCTAssertLessThanOrEqual(a.agent.pairCount, IceLimits.pairs)
        var sent = 0
        network.tap = { _, _, _, _ in sent += 1 }
        a.drain()
        network.run(for: .seconds(10))
        XCTAssertLessThan(sent, 900, "one ordinary check a Ta, and its repetitions")
    }

    func testDamagedDatagramsNeverTrap() {
        let (network, _, b) = connected(bMode: .full)
        var random = SeededRandom(seed: 4)
        let good = check(to: b)
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0..<(1 + random.next() % 4) {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            _ = b.agent.receive(bytes.span, on: NetworkPath(TransportID(1), address("10.0.0.1", 5000)), at: network.now)
            while b.agent.nextOutput() != nil {}
        }
        XCTAssertNotNil(b.agent.route)
    }
}
