import NetSim
import RTC
import Wire
import XCTest

/// What happens to a path that stood.
final class ICEChangeTests: XCTestCase {
    private func connected(
        seed: UInt64 = 1, bMode: IceMode = .full, loss: Double = 0, aAddresses: [String] = ["10.0.0.1"], bAddresses: [String] = ["10.0.0.2"]
    ) -> (SimulatedNetwork, IceHost, IceHost) {
        let network = SimulatedNetwork(seed: seed)
        for ip in aAddresses + bAddresses {
            network.addAddress(
                IPAddress(ip)!, up: LinkConditions(delay: .milliseconds(10), loss: loss), down: LinkConditions(delay: .milliseconds(10)))
        }
        let a = IceHost("a", network, at: aAddresses.map { address($0, 5000) }, seed: seed &* 5, isControlling: true)
        let b = IceHost("b", network, at: bAddresses.map { address($0, 5000) }, seed: seed &* 5 &+ 1, isControlling: false, mode: bMode)
        connect(a, b)
        XCTAssertTrue(network.run(for: .seconds(20)) { a.selections.count > 0 && b.selections.count > 0 }, "seed \(seed)")
        return (network, a, b)
    }

    func testRestartKeepsTheOldPathUntilTheNewOneIsNominated_RFC8445_9() {
        for seed in UInt64(1)...20 {
            for bMode in [IceMode.full, .lite] {
                let (network, a, b) = connected(seed: seed, bMode: bMode, loss: seed > 10 ? 0.2 : 0)
                network.run(for: .seconds(3))
                let oldCredentials = a.agent.localCredentials
                var sent = 0, failed = 0
                for i in 0..<200 {
                    network.schedule(after: .milliseconds(i * 10)) {
                        sent += 1
                        if !a.send([128, 9]) || !b.send([128, 9]) { failed += 1 }
                    }
                }
                a.received = []
                b.received = []
                a.restart()
                XCTAssertNotNil(a.agent.route)
                network.schedule(after: .milliseconds(15)) { b.restart() }
                XCTAssertTrue(
                    network.run(for: .seconds(20)) { a.selections.count > 1 && b.selections.count > 1 },
                    "seed \(seed) \(bMode) \(a.states) \(b.states)")
                network.run(for: .seconds(5))
                XCTAssertEqual(failed, 0)
                if seed <= 10 {
                    XCTAssertEqual(a.received.count, 200, "nothing is lost, seed \(seed) \(bMode)")
                    XCTAssertEqual(b.received.count, 200, "nothing is lost, seed \(seed) \(bMode)")
                }
                XCTAssertNotEqual(a.agent.localCredentials, oldCredentials)
                XCTAssertFalse(a.states.contains(.failed) || b.states.contains(.failed), "seed \(seed)")
                XCTAssertTrue(a.exchanges(with: b), "seed \(seed)")
            }
        }
    }

    /// As Chromium does where its new port is gathered before our answer comes: its new fragment, our old one, for good.
    func testAPairOfTheirNewFragmentAndOurOldOneIsOfTheNewGeneration() {
        for bMode in [IceMode.full, .lite] {
            let (network, a, b) = connected(bMode: bMode)
            let old = b.agent.localCredentials
            a.restart()
            b.agent.setRemote(credentials: a.agent.localCredentials, isLite: false, at: network.now)
            b.restart()
            var message = STUNMessage(.request, .binding, STUNTransactionID(high: 7, low: 7))
            message.add(.username, text: old.usernameFragment + ":" + a.agent.localCredentials.usernameFragment)
            message.add(.priority, u32: 1 << 24)
            message.add(.useCandidate)
            message.add(.iceControlling, u64: .max)
            let bytes = message.encoded(key: Array(old.password.utf8), SimulatedDigests(), fingerprint: true)
            let path = NetworkPath(TransportID(1), address("10.0.0.1", 5999))
            XCTAssertEqual(b.agent.receive(bytes.span, on: path, at: network.now), .handled)
            let application: [UInt8] = [128, 9]
            XCTAssertEqual(b.agent.receive(application.span, on: path, at: network.now), .application(0..<2))
            var answer: STUNMessage?, question: STUNMessage?
            while let output = b.agent.nextOutput() {
                guard case .transmit(let datagrams) = output, datagrams.path == path else { continue }
                let sent = try? STUNMessage(parsing: datagrams.bytes.span)
                if let sent, sent.kind == .request { question = sent }
                if let sent, sent.kind == .success {
                    answer = sent
                    XCTAssertTrue(sent.hasIntegrity(key: Array(old.password.utf8), in: datagrams.bytes.span, SimulatedDigests()))
                }
            }
            XCTAssertNotNil(answer, "\(bMode)")
            // Our own check names us as they know us there; Chromium answers no other.
            guard let question else { return XCTFail("\(bMode): nothing was asked") }
            XCTAssertEqual(
                question[.username].map { String(decoding: $0, as: UTF8.self) },
                a.agent.localCredentials.usernameFragment + ":" + old.usernameFragment)
            var response = STUNMessage(.success, to: question)
            response.add(.xorMappedAddress, address: address("10.0.0.2", 5000))
            let reply = response.encoded(key: Array(a.agent.localCredentials.password.utf8), SimulatedDigests(), fingerprint: true)
            XCTAssertEqual(b.agent.receive(reply.span, on: path, at: network.now), .handled)
            if bMode == .lite { XCTAssertEqual(b.agent.route, .direct(path)) }
        }
    }

    func testBlackOutOfTenSecondsIsSeenAndOutlived() {
        for seed in UInt64(1)...10 {
            for bMode in [IceMode.full, .lite] {
                let (network, a, b) = connected(seed: seed, bMode: bMode)
                network.run(for: .seconds(10))
                network.update(IPAddress("10.0.0.2")!) { $0.isBlackedOut = true }
                network.run(for: .seconds(12))
                XCTAssertEqual(a.agent.state, .disconnected, "seed \(seed)")
                XCTAssertEqual(b.agent.state, .disconnected, "seed \(seed)")
                network.update(IPAddress("10.0.0.2")!) { $0.isBlackedOut = false }
                XCTAssertTrue(
                    network.run(for: .seconds(7)) {
                        ![.disconnected, .failed].contains(a.agent.state) && ![.disconnected, .failed].contains(b.agent.state)
                    }, "seed \(seed) \(bMode) \(a.states) \(b.states)")
                XCTAssertTrue(a.exchanges(with: b), "seed \(seed)")
            }
        }
    }

    func testBlackOutIsHealedByRestartToo() {
        let (network, a, b) = connected()
        network.update(IPAddress("10.0.0.2")!) { $0.isBlackedOut = true }
        network.run(for: .seconds(60))
        XCTAssertEqual(a.agent.state, .failed)
        XCTAssertNil(a.agent.route, "RFC 7675 clause 5.1: without consent nothing is sent")
        network.update(IPAddress("10.0.0.2")!) { $0.isBlackedOut = false }
        a.restart()
        b.restart()
        XCTAssertTrue(
            network.run(for: .seconds(2)) { a.agent.state == .completed && b.agent.state == .completed }, "\(a.states) \(b.states)")
        XCTAssertTrue(a.exchanges(with: b))
    }

    func testConsentEndsAfterThirtySeconds_RFC7675_5_1() {
        for seed in UInt64(1)...10 {
            let (network, a, b) = connected(seed: seed)
            network.run(for: .seconds(7))
            let start = network.now
            network.update(IPAddress("10.0.0.2")!) { $0.isBlackedOut = true }
            XCTAssertTrue(network.run(for: .seconds(40)) { a.agent.state == .failed && b.agent.state == .failed })
            XCTAssertGreaterThan(network.now - start, .seconds(23), "seed \(seed)")
            XCTAssertLessThan(network.now - start, .seconds(31), "seed \(seed)")
            XCTAssertFalse(a.send([128]))
        }
    }

    func testConsentIsAskedEveryFiveSecondsMoreOrLess_RFC7675_5_1() {
        let (network, a, _) = connected()
        let before = a.agent.statistics.consentRequestsSent
        network.run(for: .seconds(500))
        XCTAssertEqual(Double(a.agent.statistics.consentRequestsSent - before), 100, accuracy: 10)
    }

    func testAnotherAddressTakesOverWhenTheOneInUseGoes() {
        for seed in UInt64(1)...10 {
            let (network, a, b) = connected(seed: seed, aAddresses: ["10.0.0.1", "10.1.0.1"])
            XCTAssertTrue(a.exchanges(with: b))
            network.run(for: .seconds(2))
            let used = a.selections.last!.local.address!.ip
            network.removeAddress(used)
            network.run(for: .seconds(14))
            XCTAssertTrue(a.exchanges(with: b), "seed \(seed) \(a.states) \(b.states)")
            XCTAssertFalse(a.states.contains(.failed) || b.states.contains(.failed))
        }
    }

    func testTwoRestartsInARowKeepThePathAlive() {
        for bMode in [IceMode.full, .lite] {
            let (network, a, b) = connected(bMode: bMode)
            a.agent.restart(at: network.now)
            a.restart()
            network.run(for: .seconds(20))
            XCTAssertTrue(a.exchanges(with: b), "\(bMode)")
            XCTAssertFalse(a.states.contains(.disconnected), "the old path's consent is still asked with its own credentials, \(a.states)")
            b.restart()
            XCTAssertTrue(
                network.run(for: .seconds(5)) { a.selections.count > 1 && b.selections.count > 1 }, "\(bMode) \(a.states) \(b.states)")
            XCTAssertTrue(a.exchanges(with: b), "\(bMode)")
        }
    }

    func testAHostThatMovesToAnotherAddressIsFollowed() {
        for bMode in [IceMode.full, .lite] {
            for isControlling in bMode == .lite ? [true] : [true, false] {
                let (network, x, y) = connected(bMode: bMode)
                let (mover, stayer) = isControlling ? (x, y) : (y, x)
                network.run(for: .seconds(2))
                let new = address("10.9.0.9", 7000)
                network.addAddress(new.ip)
                network.bind(mover, to: new)
                mover.transports.append(LocalTransport(id: TransportID(50), address: new))
                mover.agent.addTransport(mover.transports.last!, at: network.now)
                mover.agent.removeTransport(TransportID(1), at: network.now)
                mover.drain()
                network.run(for: .seconds(2))
                XCTAssertTrue(mover.exchanges(with: stayer), "\(bMode) \(isControlling) \(x.states) \(y.states)")
                XCTAssertFalse(stayer.states.contains(.failed) || mover.states.contains(.failed), "\(mover.states)")
            }
        }
    }

    func testAcceptedStreamIsAPathUntilItCloses_RFC6544() throws {
        let environment = SimulatedEnvironment(seed: 1)
        var lite = IceAgent(
            configuration: IceConfiguration(
                mode: .lite, transports: [LocalTransport(id: TransportID(1), kind: .tcpPassive, address: address("10.0.0.1", 443))]),
            isControlling: false, environment: environment)
        lite.gather(at: .zero)
        XCTAssertEqual(lite.localCandidates.map(\.transport), [.tcp(.passive)])
        lite.setRemote(credentials: IceCredentials(usernameFragment: "abcd", password: "0123456789012345678901"), isLite: false, at: .zero)
        let path = NetworkPath(TransportID(900), address("10.0.0.2", 50_000))
        XCTAssertEqual(lite.receive([22, 1, 2].span, on: path, at: .zero), .refused(.unknownPath))
        func check() -> [UInt8] {
            var message = STUNMessage(.request, .binding, STUNTransactionID(environment))
            message.add(.username, text: lite.localCredentials.usernameFragment + ":abcd")
            message.add(.priority, u32: 1)
            message.add(.iceControlling, u64: 1)
            message.add(.useCandidate)
            return message.encoded(key: Array(lite.localCredentials.password.utf8), environment.digests, fingerprint: true)
        }
        XCTAssertEqual(lite.receive(check().span, on: path, at: .zero), .handled)
        XCTAssertEqual(lite.route, .direct(path))
        XCTAssertEqual(lite.receive([22, 1, 2].span, on: path, at: .zero), .application(0..<3))
        lite.streamClosed(TransportID(900), at: .zero)
        XCTAssertNil(lite.route)
        XCTAssertEqual(lite.state, .disconnected)
        let next = NetworkPath(TransportID(901), address("10.0.0.2", 50_001))
        XCTAssertEqual(lite.receive(check().span, on: next, at: .zero), .handled)
        XCTAssertEqual(lite.route, .direct(next))
        XCTAssertEqual(lite.state, .connected)
        lite.streamClosed(TransportID(901), at: .zero)
        lite.advance(to: .zero + .seconds(31))
        XCTAssertEqual(lite.state, .failed)
        XCTAssertNil(lite.deadline)
    }

    func testIPv6IsUsedWhereBothHaveIt() {
        let (_, a, b) = connected(aAddresses: ["10.0.0.1", "2001:db8::1"], bAddresses: ["10.0.0.2", "2001:db8::2"])
        XCTAssertEqual(a.selections.last?.local.address?.ip.family, .v6)
        XCTAssertTrue(a.exchanges(with: b))
    }

    func testAdvertisedAddressReplacesTheBoundOne() {
        let network = SimulatedNetwork(seed: 1)
        let nat = network.addNAT(NAT(.fullCone, outer: IPAddress("203.0.113.9")!, firstPort: 5000))
        network.addAddress(IPAddress("172.17.0.2")!, behind: nat)
        network.addAddress(IPAddress("198.51.100.7")!)
        let server = IceHost(
            "server", network, at: [address("172.17.0.2", 5000)], seed: 1, isControlling: false, mode: .lite,
            advertised: [address("203.0.113.9", 5000)])
        let client = IceHost("client", network, at: [address("198.51.100.7", 7000)], seed: 2, isControlling: true)
        // The port is forwarded: made so by one datagram out.
        network.send([0], from: address("172.17.0.2", 5000), to: address("198.51.100.7", 9))
        connect(server, client)
        XCTAssertTrue(network.run(for: .seconds(2)) { client.selections.count > 0 && server.selections.count > 0 })
        XCTAssertEqual(server.agent.localCandidates.map(\.address), [address("203.0.113.9", 5000)])
        XCTAssertTrue(client.exchanges(with: server))
    }

    func testNamesUnderLocalAreResolvedOrIgnored() {
        for resolves in [true, false] {
            let network = SimulatedNetwork(seed: 1)
            for ip in ["10.0.0.1", "10.0.0.2"] { network.addAddress(IPAddress(ip)!) }
            let a = IceHost("a", network, at: [address("10.0.0.1", 5000)], seed: 1, isControlling: true, resolvesMDNS: resolves)
            let b = IceHost("b", network, at: [address("10.0.0.2", 5000)], seed: 2, isControlling: false)
            a.names["b-host.local"] = [IPAddress("10.0.0.2")!]
            a.peer = b
            b.peer = a
            b.trickles = false
            // b hears nothing of a's candidates: only a can begin.
            a.trickles = false
            a.begin()
            b.begin()
            network.run(for: .milliseconds(50))
            a.agent.addRemoteCandidate(
                try! IceCandidate(parsing: "candidate:1 1 udp 2122260223 B-host.local 5000 typ host"), at: network.now)
            a.drain()
            let isConnected = network.run(for: .seconds(2)) { a.selections.count > 0 && b.selections.count > 0 }
            XCTAssertEqual(isConnected, resolves)
        }
    }
}
