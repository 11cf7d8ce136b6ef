import RTC
import Reactor
import Service
import Synchronization
import TestSupport
import Wire
import XCTest

final class PeerHostTests: XCTestCase {
    /// Two hosts on loopback with one session each, connected, with a data channel that echoes.
    private final class Link {
        let loop: Loop
        let server: PeerHost
        let client: PeerHost
        let answerer: PeerSession
        let offerer: PeerSession
        var channel: DataChannelID?
        var echoes = 0
        var states: [PeerState] = []

        init(_ loop: Loop) throws {
            self.loop = loop
            let loopback = IPAddress(127, 0, 0, 1)
            let environment = try EngineEnvironment(unixTime: MonotonicClock.unixNanoseconds() / 1_000_000_000)
            server = try PeerHost(reactor: loop.reactor, environment: environment, port: 0, addresses: [loopback])
            client = try PeerHost(reactor: loop.reactor, environment: environment, port: 0, addresses: [loopback])
            answerer = try server.makeSession(
                PeerConfiguration(ice: IceConfiguration(mode: .lite, transports: server.transports), answersPassive: true))
            offerer = try client.makeSession(PeerConfiguration(ice: IceConfiguration(transports: client.transports)))
            answerer.onEvent = { [unowned self] event in
                if case .dataChannel(.message(let id, let message)) = event {
                    try? answerer.with { peer, now in try peer.send(message, on: id, at: now) }
                }
                if case .stateChanged(let state, _) = event { states.append(state) }
            }
            offerer.onEvent = { [unowned self] event in
                if case .dataChannel(.message) = event { echoes += 1 }
            }
            channel = try offerer.with { peer, now in try peer.openDataChannel(DataChannelOptions(label: "echo"), at: now) }
            try negotiate(restartsICE: false)
        }

        func negotiate(restartsICE: Bool) throws {
            let offer = try offerer.with { peer, now in
                let offer = try peer.createOffer(restartsICE: restartsICE, at: now)
                try peer.setLocal(offer, .offer, at: now)
                return offer
            }
            let answer = try answerer.with { peer, now in
                try peer.answer(try SessionDescription(parsing: offer.description), at: now)
            }
            try offerer.with { peer, now in try peer.setRemote(try SessionDescription(parsing: answer.description), .answer, at: now) }
        }

        /// A check of the offerer's, as somebody may have seen it.
        func check() throws -> [UInt8] {
            let environment = try EngineEnvironment()
            let credentials = answerer.with { peer, _ in peer.session!.localCredentials }
            let theirs = offerer.with { peer, _ in peer.localUsernameFragment }
            var check = STUNMessage(.request, .binding, STUNTransactionID(environment))
            check.add(.username, text: credentials.usernameFragment + ":" + theirs)
            check.add(.priority, u32: 1)
            check.add(.iceControlling, u64: 1)
            check.add(.useCandidate)
            return check.encoded(key: Array(credentials.password.utf8), environment.digests, fingerprint: true)
        }

        func send() { try? offerer.with { peer, now in try peer.send(.text("x"), on: channel!, at: now) } }
        var isOpen: Bool { offerer.with { peer, _ in peer.dataChannelState(channel!) == .open } }
    }

    private func connected(_ loop: Loop) async throws -> LinkBox {
        let box = LinkBox()
        try await loop.run { loop in box.link = try Link(loop) }
        try await eventually("the channel is open") { await loop.run { _ in box.link!.isOpen } }
        return box
    }

    /// Carries the link between closures that all run on one reactor.
    private final class LinkBox: @unchecked Sendable { var link: Link? }

    private static func stray(_ number: Int, _ random: inout SeededRandom, _ environment: EngineEnvironment) -> [UInt8] {
        switch number % 4 {
        case 0:
            // A check for somebody who is not here (RFC 8445 clause 7.3).
            var check = STUNMessage(.request, .binding, STUNTransactionID(environment))
            check.add(.username, text: "nobody\(number):x")
            return check.encoded(fingerprint: true)
        case 1: return [22, 0xFE, 0xFD] + (0..<200).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        case 2: return [0x80, 96] + (0..<1000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        default: return (0..<40).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        }
    }

    func testStrangersCostACountAndNothingElse() async throws {
        let loop = try Loop()
        let box = try await connected(loop)
        let before = await loop.run { _ in (box.link!.server.pathCount, box.link!.server.sessions.count) }
        let count = 3000
        try await loop.run { loop in
            let link = box.link!
            let flooder = loop.keep(try UDPSocket(SocketAddress(IPAddress(127, 0, 0, 1), 0), reactor: loop.reactor) { _ in })
            let environment = try EngineEnvironment(unixTime: MonotonicClock.unixNanoseconds() / 1_000_000_000)
            var random = SeededRandom(seed: 3)
            let target = SocketAddress(IPAddress(127, 0, 0, 1), link.server.port)
            for number in 0..<count {
                let bytes = Self.stray(number, &random, environment)
                flooder.send(bytes.span, segmentSize: bytes.count, to: target)
            }
        }
        try await eventually("the flood is counted") { await loop.run { _ in box.link!.server.strangers } >= count }
        let after = await loop.run { _ in (box.link!.server.pathCount, box.link!.server.sessions.count) }
        XCTAssertEqual(after.0, before.0)
        XCTAssertEqual(after.1, before.1)
        await loop.run { _ in box.link!.send() }
        try await eventually("the peer is not disturbed") { await loop.run { _ in box.link!.echoes } == 1 }
        await loop.run { _ in box.link = nil }
        await loop.stop()
    }

    /// Checks are sent in the clear: whoever sees one can send it again, from many addresses.
    func testRepeatedChecksFromElsewhereDoNotPushThePathInUseOut() async throws {
        let loop = try Loop()
        let box = try await connected(loop)
        try await loop.run { loop in
            let link = box.link!, bytes = try link.check()
            for _ in 0..<80 {
                let socket = loop.keep(try UDPSocket(SocketAddress(IPAddress(127, 0, 0, 1), 0), reactor: loop.reactor) { _ in })
                socket.send(bytes.span, segmentSize: bytes.count, to: SocketAddress(IPAddress(127, 0, 0, 1), link.server.port))
            }
        }
        try await eventually("the table of paths is full") { await loop.run { _ in box.link!.server.pathCount } == 32 }
        await loop.run { _ in box.link!.send() }
        try await eventually("the peer is not disturbed") { await loop.run { _ in box.link!.echoes } == 1 }
        let strangers = await loop.run { _ in box.link!.server.strangers }
        XCTAssertEqual(strangers, 0)
        await loop.run { _ in box.link = nil }
        await loop.stop()
    }

    func testAfterManyRestartsThatWereTakenBackTheOldFragmentIsKnown() async throws {
        let loop = try Loop()
        let box = try await connected(loop)
        let before = await loop.run { _ in box.link!.server.pathCount }
        try await loop.run { loop in
            let link = box.link!
            for _ in 0..<10 {
                try link.answerer.with { peer, now in
                    try peer.setLocal(peer.createOffer(restartsICE: true, at: now), .offer, at: now)
                }
                link.answerer.with { peer, now in peer.rollback(at: now) }
            }
            let bytes = try link.check()
            let socket = loop.keep(try UDPSocket(SocketAddress(IPAddress(127, 0, 0, 1), 0), reactor: loop.reactor) { _ in })
            socket.send(bytes.span, segmentSize: bytes.count, to: SocketAddress(IPAddress(127, 0, 0, 1), link.server.port))
        }
        try await eventually("the check is heard") {
            await loop.run { _ in box.link!.server.pathCount == before + 1 || box.link!.server.strangers > 0 }
        }
        let strangers = await loop.run { _ in box.link!.server.strangers }
        XCTAssertEqual(strangers, 0)
        await loop.run { _ in box.link = nil }
        await loop.stop()
    }

    /// Checks after a restart come under the new fragment (RFC 8445 clause 9).
    func testAfterARestartChecksFindTheirSession() async throws {
        let loop = try Loop()
        let box = try await connected(loop)
        for round in 1...3 {
            let fragment = await loop.run { _ in box.link!.answerer.with { peer, _ in peer.localUsernameFragment } }
            try await loop.run { _ in try box.link!.negotiate(restartsICE: true) }
            let renewed = await loop.run { _ in box.link!.answerer.with { peer, _ in peer.localUsernameFragment } }
            XCTAssertNotEqual(fragment, renewed)
            try await eventually("restart \(round) selects a pair") {
                await loop.run { _ in box.link!.offerer.statistics.ice.selectedCandidatePairChanges } == UInt32(round + 1)
            }
            await loop.run { _ in box.link!.send() }
            try await eventually("an echo after restart \(round)") { await loop.run { _ in box.link!.echoes } == round }
        }
        await loop.run { _ in box.link = nil }
        await loop.stop()
    }

    func testASessionThatItsPeerClosedIsForgotten() async throws {
        let loop = try Loop()
        let box = try await connected(loop)
        await loop.run { _ in box.link!.client.remove(box.link!.offerer) }
        try await eventually("the server forgets it") {
            await loop.run { _ in box.link!.server.sessions.isEmpty && box.link!.server.pathCount == 0 }
        }
        let states = await loop.run { _ in box.link!.states }
        XCTAssertEqual(states.last, .closed)
        await loop.run { _ in box.link = nil }
        await loop.stop()
    }

    func testASessionWithServersHasSocketsOfItsOwn() async throws {
        let loop = try Loop()
        let ports = try await loop.run { loop in
            let environment = try EngineEnvironment(unixTime: MonotonicClock.unixNanoseconds() / 1_000_000_000)
            let host = try PeerHost(
                reactor: loop.reactor, environment: environment, port: 0, addresses: [IPAddress(127, 0, 0, 1)])
            var ice = IceConfiguration(transports: host.transports)
            ice.servers = [try IceServer(url: "stun:127.0.0.1:9")]
            var ports: Set<UInt16> = [host.port]
            for _ in 0..<3 {
                let session = try host.makeSession(PeerConfiguration(ice: ice))
                session.with { peer, now in
                    _ = peer.addTransceiver(.video, direction: .recvonly)
                    _ = try? peer.createOffer(at: now)
                    for candidate in peer.localCandidates { ports.insert(candidate.port) }
                }
            }
            for session in host.sessions.values { host.remove(session) }
            return ports
        }
        XCTAssertEqual(ports.count, 4)
        await loop.stop()
    }
}
