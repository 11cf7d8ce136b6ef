import NetSim
import RTC
import Wire
import XCTest

final class ICENATTests: XCTestCase {
    private let serverAddress = address("198.51.100.1", 3478)

    private struct World {
        var network: SimulatedNetwork
        var server: SimulatedServer
        var a: IceHost
        var b: IceHost
        var natA: NATID?
        var natB: NATID?
    }

    /// `nil`: on the public network.
    private func world(
        _ kindA: NATKind?, _ kindB: NATKind?, seed: UInt64 = 1, turn: String? = "turn:198.51.100.1", relayOnly: Bool = false,
        bMode: IceMode = .full
    ) throws -> World {
        let network = SimulatedNetwork(seed: seed)
        let link = LinkConditions(delay: .milliseconds(10))
        network.addAddress(serverAddress.ip)
        let server = SimulatedServer(network, at: serverAddress)
        var servers = [try IceServer(url: "stun:198.51.100.1")]
        if let turn { servers.append(try IceServer(url: turn, username: "user", credential: "secret")) }
        func place(_ kind: NATKind?, _ inner: String, _ outer: String) -> (SocketAddress, NATID?) {
            guard let kind else {
                network.addAddress(IPAddress(outer)!, up: link, down: link)
                return (address(outer, 5000), nil)
            }
            let nat = network.addNAT(NAT(kind, outer: IPAddress(outer)!))
            network.addAddress(IPAddress(inner)!, behind: nat, up: link, down: link)
            return (address(inner, 5000), nat)
        }
        let (addressA, natA) = place(kindA, "10.0.0.1", "203.0.113.1")
        let (addressB, natB) = place(kindB, "192.168.0.1", "203.0.113.2")
        let a = IceHost("a", network, at: [addressA], seed: seed &* 3, isControlling: true, servers: servers, relayOnly: relayOnly)
        let b = IceHost(
            "b", network, at: [addressB], seed: seed &* 3 &+ 1, isControlling: false, mode: bMode, servers: servers, relayOnly: relayOnly)
        return World(network: network, server: server, a: a, b: b, natA: natA, natB: natB)
    }

    /// Both sides behind mappings that the other cannot guess, and filters that let no stranger in.
    private func needsRelay(_ a: NATKind?, _ b: NATKind?) -> Bool {
        switch (a, b) {
        case (.symmetric, .symmetric), (.symmetric, .portRestricted), (.portRestricted, .symmetric): true
        default: false
        }
    }

    private let kinds: [NATKind?] = [nil] + NATKind.allCases

    func testEveryNATPairConnectsAsTheoryAllows() throws {
        for kindA in kinds {
            for kindB in kinds {
                for seed in UInt64(1)...3 {
                    let w = try world(kindA, kindB, seed: seed)
                    let label = "\(String(describing: kindA)) – \(String(describing: kindB)), seed \(seed)"
                    connect(w.a, w.b)
                    XCTAssertTrue(w.network.run(for: .seconds(5)) { w.a.selections.count > 0 && w.b.selections.count > 0 }, label)
                    XCTAssertTrue(w.a.exchanges(with: w.b), label)
                    w.network.run(for: .seconds(5))
                    XCTAssertTrue(w.a.exchanges(with: w.b), label)
                    let isRelayed = [w.a, w.b].contains { host in
                        host.selections.last.map { $0.local.kind == .relayed || $0.remote.kind == .relayed } ?? false
                    }
                    XCTAssertEqual(isRelayed, needsRelay(kindA, kindB), "\(label) \(w.a.selections) \(w.b.selections)")
                    w.network.run(for: .seconds(100))
                    XCTAssertTrue(w.a.exchanges(with: w.b), "\(label), after the NATs' time-out")
                }
            }
        }
    }

    func testWithoutTURNOnlyPairsConnectThatCan() throws {
        for kindA in kinds {
            for kindB in kinds {
                let w = try world(kindA, kindB, turn: nil)
                connect(w.a, w.b)
                let isConnected = w.network.run(for: .seconds(60)) { w.a.selections.count > 0 && w.b.selections.count > 0 }
                XCTAssertEqual(isConnected, !needsRelay(kindA, kindB), "\(String(describing: kindA)) – \(String(describing: kindB))")
                if !isConnected { XCTAssertEqual(w.a.agent.state, .failed) }
            }
        }
    }

    func testReboundNATIsFollowedByControllingSide() throws {
        for kind in NATKind.allCases {
            for (bMode, seed) in [(IceMode.lite, UInt64(1)), (.full, 2), (.lite, 3), (.full, 4)] {
                let w = try world(kind, nil, seed: seed, turn: nil, bMode: bMode)
                connect(w.a, w.b)
                XCTAssertTrue(w.network.run(for: .seconds(5)) { w.a.selections.count > 0 && w.b.selections.count > 0 })
                XCTAssertTrue(w.a.exchanges(with: w.b))
                w.network.updateNAT(w.natA!) { $0.forget() }
                let before = w.b.agent.route
                w.network.run(for: .seconds(3))
                XCTAssertNotEqual(w.b.agent.route, before, "\(kind) \(bMode)")
                XCTAssertTrue(w.a.exchanges(with: w.b), "\(kind) \(bMode)")
                XCTAssertFalse(w.a.states.contains(.failed))
            }
        }
    }

    // MARK: TURN

    func testRelayOnlyConnectsOverUDPAndTCPAndTLS_RFC8656() throws {
        for url in ["turn:198.51.100.1", "turn:198.51.100.1?transport=tcp", "turns:198.51.100.1:3478"] {
            let w = try world(.symmetric, .symmetric, turn: url, relayOnly: true)
            connect(w.a, w.b)
            XCTAssertTrue(w.network.run(for: .seconds(5)) { w.a.selections.count > 0 && w.b.selections.count > 0 }, url)
            XCTAssertTrue(w.a.exchanges(with: w.b), url)
            XCTAssertTrue(w.a.agent.localCandidates.allSatisfy { $0.kind == .relayed }, url)
            XCTAssertGreaterThan(w.server.counts["channelBind"] ?? 0, 0, url)
            XCTAssertGreaterThan(w.server.counts["channelData"] ?? 0, 0, url)
            // Permissions, channels and allocations are renewed for as long as it lasts.
            for minute in 0..<25 {
                w.network.run(for: .seconds(60))
                if minute == 5 { w.server.makeNonceStale() }
            }
            XCTAssertTrue(w.a.exchanges(with: w.b), url)
            XCTAssertGreaterThan(w.server.counts["refresh"] ?? 0, 0, url)
            XCTAssertGreaterThan(w.server.counts["error 438"] ?? 0, 0, url)
            XCTAssertFalse(w.a.states.contains(.disconnected), "\(url) \(w.a.states)")
            w.a.agent.close(at: w.network.now)
            w.b.agent.close(at: w.network.now)
            w.a.drain()
            w.b.drain()
            w.network.run(for: .seconds(1))
            XCTAssertEqual(w.server.allocationCount, 0, "RFC 8656 clause 8: given back at the end, \(url)")
        }
    }

    func testWrongPasswordIsAnErrorAndNotALoop() throws {
        let w = try world(nil, nil)
        w.server.credential = "other"
        connect(w.a, w.b)
        XCTAssertTrue(w.network.run(for: .seconds(5)) { w.a.selections.count > 0 && w.a.agent.gatheringState == .complete })
        XCTAssertEqual(w.a.serverFailures, [401])
        XCTAssertLessThan(w.server.counts["error 401"] ?? 0, 10)
    }

    func testFullServerIsAnErrorAndTheNextServerIsUsed_RFC8656_7_4() throws {
        let network = SimulatedNetwork(seed: 1)
        for ip in ["10.0.0.1", "10.0.0.2", "198.51.100.1", "198.51.100.2"] { network.addAddress(IPAddress(ip)!) }
        let full = SimulatedServer(network, at: serverAddress), free = SimulatedServer(network, at: address("198.51.100.2", 3478))
        full.isFull = true
        let servers = try ["turn:198.51.100.1", "turn:198.51.100.2"].map { try IceServer(url: $0, username: "user", credential: "secret") }
        let a = IceHost("a", network, at: [address("10.0.0.1", 1)], seed: 1, isControlling: true, servers: servers, relayOnly: true)
        let b = IceHost("b", network, at: [address("10.0.0.2", 1)], seed: 2, isControlling: false, servers: servers, relayOnly: true)
        connect(a, b)
        XCTAssertTrue(network.run(for: .seconds(5)) { a.selections.count > 0 && b.selections.count > 0 })
        XCTAssertEqual(a.serverFailures, [486])
        XCTAssertEqual(free.allocationCount, 2)
        XCTAssertTrue(a.exchanges(with: b))
    }

    func testAlternateServerIsFollowed_RFC8489_10() throws {
        for url in ["turn:198.51.100.1", "turn:198.51.100.1?transport=tcp"] {
            let network = SimulatedNetwork(seed: 1)
            for ip in ["10.0.0.1", "10.0.0.2", "198.51.100.1", "198.51.100.2"] { network.addAddress(IPAddress(ip)!) }
            let first = SimulatedServer(network, at: serverAddress), second = SimulatedServer(network, at: address("198.51.100.2", 3478))
            first.alternate = second.address
            let servers = [try IceServer(url: url, username: "user", credential: "secret")]
            let a = IceHost("a", network, at: [address("10.0.0.1", 1)], seed: 1, isControlling: true, servers: servers, relayOnly: true)
            let b = IceHost("b", network, at: [address("10.0.0.2", 1)], seed: 2, isControlling: false, servers: servers, relayOnly: true)
            connect(a, b)
            XCTAssertTrue(network.run(for: .seconds(5)) { a.selections.count > 0 && b.selections.count > 0 }, url)
            XCTAssertEqual(second.allocationCount, 2, url)
        }
    }

    func testSilentServersEndGathering() throws {
        let w = try world(nil, nil, turn: "turn:198.51.100.1")
        w.server.isSilent = true
        connect(w.a, w.b)
        XCTAssertTrue(w.network.run(for: .seconds(45)) { w.a.agent.gatheringState == .complete })
        XCTAssertEqual(w.a.serverFailures, [701, 701])
        XCTAssertTrue(w.network.run(for: .seconds(1)) { w.a.agent.state == .completed })
    }

    func testLostAllocationEndsTheRelayedPath_RFC8656_5() throws {
        let w = try world(.symmetric, .symmetric, relayOnly: true)
        connect(w.a, w.b)
        XCTAssertTrue(w.network.run(for: .seconds(5)) { w.a.selections.count > 0 && w.b.selections.count > 0 })
        w.server.forgetAllocations()
        XCTAssertTrue(w.network.run(for: .seconds(60)) { w.a.agent.state == .failed && w.b.agent.state == .failed }, "\(w.a.states)")
        w.a.restart()
        w.b.restart()
        XCTAssertTrue(w.network.run(for: .seconds(10)) { w.a.agent.state != .failed && w.a.selections.count > 1 }, "\(w.a.states)")
        XCTAssertTrue(w.a.exchanges(with: w.b))
    }

    /// The server forgot the allocation, as when the client's address changed; the restart finds out and asks for another.
    func testAllocationLostBeforeARestartIsNoFailure_RFC8656_5() throws {
        for seed in UInt64(1)...10 {
            let w = try world(.symmetric, .symmetric, seed: seed, relayOnly: true)
            connect(w.a, w.b)
            XCTAssertTrue(w.network.run(for: .seconds(5)) { w.a.selections.count > 0 && w.b.selections.count > 0 })
            w.server.forgetAllocations()
            for nat in [w.natA!, w.natB!] { w.network.updateNAT(nat) { $0.forget() } }
            let selections = (w.a.selections.count, w.b.selections.count)
            w.a.restart()
            w.b.restart()
            XCTAssertTrue(
                w.network.run(for: .seconds(5)) { w.a.selections.count > selections.0 && w.b.selections.count > selections.1 },
                "seed \(seed): \(w.a.states) \(w.b.states)")
            XCTAssertFalse(w.a.states.contains(.failed) || w.b.states.contains(.failed), "seed \(seed): \(w.a.states) \(w.b.states)")
            XCTAssertTrue(w.a.exchanges(with: w.b), "seed \(seed)")
        }
    }

    func testRestartOverARelayLosesNothing_RFC8445_9() throws {
        for seed in UInt64(1)...5 {
            let w = try world(.symmetric, .symmetric, seed: seed, relayOnly: seed % 2 == 0)
            connect(w.a, w.b)
            XCTAssertTrue(w.network.run(for: .seconds(5)) { w.a.selections.count > 0 && w.b.selections.count > 0 })
            w.network.run(for: .seconds(2))
            w.a.received = []
            w.b.received = []
            w.a.restart()
            w.b.restart()
            for i in 0..<200 {
                w.network.schedule(after: .milliseconds(i * 10)) {
                    _ = w.a.send([128, 9])
                    _ = w.b.send([128, 9])
                }
            }
            w.network.run(for: .seconds(3))
            XCTAssertEqual(w.a.received.count, 200, "seed \(seed)")
            XCTAssertEqual(w.b.received.count, 200, "seed \(seed)")
        }
    }
}
