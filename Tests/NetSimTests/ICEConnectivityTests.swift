import NetSim
import RTC
import Wire
import XCTest

final class ICEConnectivityTests: XCTestCase {
    private func pair(
        seed: UInt64 = 1, delay: Duration = .microseconds(50), aMode: IceMode = .full, bMode: IceMode = .full, bothControl: Bool = false,
        adjust: (inout IceConfiguration) -> Void = { _ in }
    ) -> (SimulatedNetwork, IceHost, IceHost) {
        let network = SimulatedNetwork(seed: seed)
        network.addAddress(IPAddress("10.0.0.1")!, up: LinkConditions(delay: delay), down: LinkConditions(delay: delay))
        network.addAddress(IPAddress("10.0.0.2")!, up: LinkConditions(delay: delay), down: LinkConditions(delay: delay))
        let a = IceHost("a", network, at: [address("10.0.0.1", 5000)], seed: seed &* 7, isControlling: true, mode: aMode, adjust: adjust)
        let b = IceHost(
            "b", network, at: [address("10.0.0.2", 6000)], seed: seed &* 7 &+ 1, isControlling: bothControl, mode: bMode, adjust: adjust)
        return (network, a, b)
    }

    func testHostCandidatesConnectWithinMilliseconds() {
        let (network, a, b) = pair()
        a.signallingDelay = .zero
        b.signallingDelay = .zero
        connect(a, b)
        XCTAssertTrue(network.run(for: .seconds(1)) { a.agent.state == .completed && b.agent.state == .completed })
        XCTAssertLessThan(network.now, .zero + .milliseconds(5))
        XCTAssertTrue(a.exchanges(with: b))
        XCTAssertEqual(a.agent.statistics.selectedCandidatePairChanges, 1)
        XCTAssertEqual(a.states, [.checking, .connected, .completed])
    }

    func testBothRolesTheSameAreSettledByTheTieBreaker_RFC8445_7_3_1_1() {
        for seed in UInt64(1)...20 {
            let (network, a, b) = pair(seed: seed, bothControl: true)
            connect(a, b)
            XCTAssertTrue(network.run(for: .seconds(3)) { a.agent.state == .completed && b.agent.state == .completed }, "seed \(seed)")
            XCTAssertNotEqual(a.agent.isControlling, b.agent.isControlling, "seed \(seed)")
            XCTAssertTrue(a.exchanges(with: b), "seed \(seed)")
        }
    }

    func testBothControlledAreSettledToo_RFC8445_7_3_1_1() {
        for seed in UInt64(1)...20 {
            let (network, a, b) = pair(seed: seed)
            a.agent.setControlling(false)
            connect(a, b)
            XCTAssertTrue(network.run(for: .seconds(3)) { a.agent.state == .completed && b.agent.state == .completed }, "seed \(seed)")
            XCTAssertNotEqual(a.agent.isControlling, b.agent.isControlling, "seed \(seed)")
        }
    }

    func testLiteAndFullConnectEitherWay_RFC8445_2_5() {
        for (aMode, bMode) in [(IceMode.full, IceMode.lite), (.lite, .full)] {
            let (network, a, b) = pair(aMode: aMode, bMode: bMode)
            connect(a, b)
            XCTAssertTrue(network.run(for: .seconds(1)) { a.selections.count > 0 && b.selections.count > 0 })
            XCTAssertLessThan(network.now, .zero + .milliseconds(30))
            XCTAssertEqual(a.agent.isControlling, aMode == .full)
            XCTAssertEqual(b.agent.isControlling, bMode == .full)
            XCTAssertTrue(a.exchanges(with: b))
            network.run(for: .seconds(60))
            XCTAssertTrue([.connected, .completed].contains(a.agent.state), "\(a.states)")
            XCTAssertTrue([.connected, .completed].contains(b.agent.state), "\(b.states)")
        }
    }

    func testChecksBeforeTheAnswerAreAnsweredAndUsedOnceItComes_RFC8445_7_3() {
        let (network, a, b) = pair()
        // a knows all of b long before b knows anything of a.
        a.signallingDelay = .milliseconds(800)
        connect(a, b)
        network.run(for: .milliseconds(700))
        XCTAssertEqual(a.agent.state, .completed)
        XCTAssertTrue(network.run(for: .milliseconds(300)) { b.agent.state == .completed })
        XCTAssertTrue(a.exchanges(with: b))
    }

    func testCandidatesInAnyOrderConnect_RFC8838() {
        enum Order: CaseIterable { case half, candidatesFirst, onlyOneSide }
        for order in Order.allCases {
            let (network, a, b) = pair()
            a.peer = b
            b.peer = a
            a.trickles = false
            b.trickles = order == .onlyOneSide
            a.agent.gather(at: network.now)
            b.agent.gather(at: network.now)
            a.drain()
            b.drain()
            func credentials() {
                a.agent.setRemote(credentials: b.agent.localCredentials, isLite: false, at: network.now)
                b.agent.setRemote(credentials: a.agent.localCredentials, isLite: false, at: network.now)
            }
            func candidates() {
                guard order != .onlyOneSide else { return }
                for candidate in a.agent.localCandidates { b.agent.addRemoteCandidate(candidate, at: network.now) }
                for candidate in b.agent.localCandidates { a.agent.addRemoteCandidate(candidate, at: network.now) }
            }
            if order == .candidatesFirst { candidates(); credentials() } else { credentials(); candidates() }
            a.drain()
            b.drain()
            XCTAssertTrue(network.run(for: .seconds(2)) { a.selections.count > 0 && b.selections.count > 0 }, "\(order)")
            XCTAssertTrue(a.exchanges(with: b), "\(order)")
        }
    }

    func testTwentyPercentLossConnectsAndHolds() {
        for seed in UInt64(1)...40 {
            let (network, a, b) = pair(seed: seed, delay: .milliseconds(20))
            for ip in ["10.0.0.1", "10.0.0.2"] { network.updateUp(IPAddress(ip)!) { $0.loss = 0.2 } }
            connect(a, b)
            XCTAssertTrue(network.run(for: .seconds(15)) { a.selections.count > 0 && b.selections.count > 0 }, "seed \(seed)")
            network.run(for: .seconds(120))
            XCTAssertFalse(a.states.contains(.failed), "seed \(seed): \(a.states)")
            XCTAssertFalse(b.states.contains(.failed), "seed \(seed): \(b.states)")
            XCTAssertTrue(a.exchanges(with: b), "seed \(seed)")
        }
    }

    func testUnreachableInterfacesCostMillisecondsOnly_RFC8445_14_2() {
        let network = SimulatedNetwork(seed: 1)
        // Of b's four addresses only the last is reachable, and b cannot begin itself: a must come to it in turn.
        for ip in ["10.0.0.1", "10.0.0.9"] { network.addAddress(IPAddress(ip)!, up: LinkConditions(), down: LinkConditions()) }
        let addresses = ["172.17.0.1", "172.18.0.1", "172.19.0.1", "10.0.0.9"].map { address($0, 6000) }
        let a = IceHost("a", network, at: [address("10.0.0.1", 5000)], seed: 1, isControlling: true)
        let b = IceHost("b", network, at: addresses, seed: 2, isControlling: false, mode: .lite)
        a.signallingDelay = .zero
        b.signallingDelay = .zero
        connect(a, b)
        XCTAssertTrue(network.run(for: .seconds(1)) { a.agent.route != nil && b.agent.route != nil })
        XCTAssertLessThan(network.now, .zero + .milliseconds(20))
        XCTAssertTrue(a.exchanges(with: b))
    }

    /// A path that is dead at first is found within seconds once it lives: repetitions do not lie further and further apart.
    func testPathThatOpensLateIsFoundSoon_RFC8445_14_3() {
        for seconds in [3, 9, 17, 30] {
            let (network, a, b) = pair()
            network.update(IPAddress("10.0.0.2")!) { $0.isBlackedOut = true }
            connect(a, b)
            network.run(for: .seconds(Double(seconds)))
            network.update(IPAddress("10.0.0.2")!) { $0.isBlackedOut = false }
            XCTAssertTrue(
                network.run(for: .milliseconds(1500)) { a.selections.count > 0 && b.selections.count > 0 }, "dead for \(seconds) s")
        }
    }

    func testNoAnswerFailsAfterPatience_RFC8863() {
        let (network, a, b) = pair()
        network.update(IPAddress("10.0.0.2")!) { $0.isBlackedOut = true }
        connect(a, b)
        XCTAssertTrue(network.run(for: .seconds(60)) { a.agent.state == .failed && b.agent.state == .failed })
        XCTAssertGreaterThanOrEqual(network.now, .zero + .milliseconds(39_500))
        XCTAssertLessThan(network.now, .zero + .seconds(42))
    }
}
