import NetSim
import RTC
import Wire
import XCTest

/// The stand-ins for DTLS, SRTP and SCTP keep the promises that the engine builds on.
final class ICESimulatedTransportTests: XCTestCase {
    /// Carries datagrams between two machines over a lossy wire with delay.
    private final class Wire<Machine> {
        let network: SimulatedNetwork
        let a: Machine, b: Machine
        let loss: Double

        init(_ a: Machine, _ b: Machine, seed: UInt64, loss: Double) {
            network = SimulatedNetwork(seed: seed)
            self.a = a
            self.b = b
            self.loss = loss
        }

        func carry(_ bytes: [UInt8], to receive: @escaping ([UInt8]) -> Void) {
            guard network.random.fraction() >= loss else { return }
            let jitter = Duration(nanoseconds: Int64(network.random.next() % 5_000_000))
            network.schedule(after: .milliseconds(20) + jitter) { receive(bytes) }
        }
    }

    func testDTLSConnectsUnderLossAndChecksTheFingerprint() {
        for seed in UInt64(1)...30 {
            let ea = SimulatedEnvironment(seed: seed), eb = SimulatedEnvironment(seed: seed + 1000)
            let wire = Wire(ea.makeDTLS(), eb.makeDTLS(), seed: seed, loss: 0.2)
            let isHonest = seed % 5 != 0
            wire.a.start(role: .client, peerFingerprints: isHonest ? eb.fingerprints : ea.fingerprints, at: .zero)
            wire.b.start(role: .server, peerFingerprints: ea.fingerprints, at: .zero)
            var keys: [SRTPKeyingMaterial] = [], data: [[UInt8]] = [], failures = 0
            func pump() {
                for (machine, other) in [(wire.a, wire.b), (wire.b, wire.a)] {
                    while let datagram = machine.nextDatagram() {
                        XCTAssertLessThanOrEqual(datagram.count, 1200)
                        wire.carry(datagram) {
                            other.receive($0.span, at: wire.network.now); pump()
                        }
                    }
                    while let event = machine.nextEvent() {
                        switch event {
                        case .connected(let k): keys.append(k!)
                        case .data(let bytes): data.append(bytes)
                        case .failed: failures += 1
                        case .closed: break
                        }
                    }
                }
            }
            for i in 0..<1000 {
                wire.network.schedule(at: .zero + .milliseconds(i * 10)) {
                    wire.a.advance(to: wire.network.now)
                    wire.b.advance(to: wire.network.now)
                    pump()
                }
            }
            wire.network.run(for: .seconds(10)) { keys.count == 2 || failures > 0 }
            guard isHonest else {
                XCTAssertEqual(failures, 1, "seed \(seed)")
                XCTAssertEqual(keys.count, 0, "seed \(seed)")
                continue
            }
            XCTAssertEqual(keys.count, 2, "seed \(seed)")
            guard keys.count == 2 else { continue }
            XCTAssertEqual(keys[0].sendKey, keys[1].receiveKey)
            XCTAssertEqual(keys[1].sendSalt, keys[0].receiveSalt)
            for _ in 0..<50 { wire.a.send([1, 2, 3].span, at: wire.network.now) }
            pump()
            wire.network.run(for: .seconds(1))
            XCTAssertGreaterThan(data.count, 25)
            XCTAssertTrue(data.allSatisfy { $0 == [1, 2, 3] })
        }
    }

    func testSRTPRefusesForgeryAndReplay() throws {
        let key = [UInt8](repeating: 1, count: 16), other = [UInt8](repeating: 2, count: 16)
        let environment = SimulatedEnvironment(seed: 1)
        let sender = environment.makeSRTP(
            SRTPKeyingMaterial(profile: .aeadAES128GCM, sendKey: key, sendSalt: [], receiveKey: other, receiveSalt: []))
        let receiver = environment.makeSRTP(
            SRTPKeyingMaterial(profile: .aeadAES128GCM, sendKey: other, sendSalt: [], receiveKey: key, receiveSalt: []))
        // Across the roll-over of the sequence number, some out of order.
        let swaps = [0, 1, -1]
        for step in 0..<2000 {
            var packet: [UInt8] = [128, 96]
            packet.append(u16: UInt16(truncatingIfNeeded: 65_000 + step + swaps[step % 3]))
            packet += [0, 0, 0, 1, 0, 0, 0, 9, 7, 7]
            let plain = packet
            sender.protectRTP(&packet, from: 0)
            XCTAssertEqual(packet.count, plain.count + sender.rtpOverhead)
            var out: [UInt8] = []
            try receiver.unprotectRTP(packet.span, into: &out)
            XCTAssertEqual(out, plain)
            XCTAssertThrowsError(try receiver.unprotectRTP(packet.span, into: &out)) { XCTAssertEqual($0 as? SRTPError, .replayed) }
            packet[12] ^= 1
            XCTAssertThrowsError(try receiver.unprotectRTP(packet.span, into: &out)) { XCTAssertEqual($0 as? SRTPError, .authentication) }
        }
        var report: [UInt8] = [0x80, 200, 0, 1, 0, 0, 0, 9]
        let plain = report
        sender.protectRTCP(&report, from: 0)
        XCTAssertEqual(report.count, plain.count + sender.rtcpOverhead)
        var out: [UInt8] = []
        try receiver.unprotectRTCP(report.span, into: &out)
        XCTAssertEqual(out, plain)
        XCTAssertThrowsError(try receiver.unprotectRTCP(report.span, into: &out))
    }

    func testSCTPDeliversEverythingInOrderUnderLoss() {
        for seed in UInt64(1)...20 {
            let loss = seed % 2 == 0 ? 0.2 : 0.05
            let environment = SimulatedEnvironment(seed: seed)
            let wire = Wire(environment.makeSCTP(SCTPParameters()), environment.makeSCTP(SCTPParameters()), seed: seed, loss: loss)
            var ordered: [[UInt8]] = [], unordered: Set<[UInt8]> = [], partial: [[UInt8]] = [], resets: [StreamID] = [], outgoing = 0
            func pump() {
                for (machine, other) in [(wire.a, wire.b), (wire.b, wire.a)] {
                    while let packet = machine.nextPacket() {
                        XCTAssertLessThanOrEqual(packet.count, 1163)
                        wire.carry(packet) {
                            other.receive($0.span, at: wire.network.now); pump()
                        }
                    }
                    while let event = machine.nextEvent() {
                        switch event {
                        case .message(let stream, _, let bytes) where stream == StreamID(1): ordered.append(bytes)
                        case .message(let stream, _, let bytes) where stream == StreamID(2): unordered.insert(bytes)
                        case .message(_, _, let bytes): partial.append(bytes)
                        case .incomingReset(let streams): resets += streams
                        case .outgoingReset: outgoing += 1
                        default: break
                        }
                    }
                }
            }
            let tick = Duration.milliseconds(10)
            func every() {
                wire.a.advance(to: wire.network.now)
                wire.b.advance(to: wire.network.now)
                pump()
                wire.network.schedule(after: tick, every)
            }
            wire.a.start(at: .zero)
            wire.b.start(at: .zero)
            every()
            let messages = (0..<60).map { (i: Int) -> [UInt8] in [UInt8](repeating: UInt8(i + 100), count: i * 197 % 7000) + [UInt8(i)] }
            for message in messages {
                XCTAssertTrue(wire.a.send(SCTPMessage(stream: StreamID(1), protocolID: 53, bytes: message), at: wire.network.now))
                XCTAssertTrue(
                    wire.a.send(SCTPMessage(stream: StreamID(2), protocolID: 53, bytes: message, isOrdered: false), at: wire.network.now))
                XCTAssertTrue(
                    wire.a.send(
                        SCTPMessage(stream: StreamID(3), protocolID: 53, bytes: message, reliability: .maxRetransmits(0)),
                        at: wire.network.now))
            }
            XCTAssertTrue(wire.network.run(for: .seconds(120)) { wire.a.bufferedBytes == 0 }, "seed \(seed)")
            wire.network.run(for: .seconds(1))
            XCTAssertEqual(ordered, messages, "seed \(seed)")
            XCTAssertEqual(unordered, Set(messages), "seed \(seed)")
            XCTAssertLessThan(partial.count, messages.count, "what is lost is not sent again, seed \(seed)")
            XCTAssertEqual(partial, partial.sorted { $0.last! < $1.last! }, "seed \(seed)")
            wire.a.reset([StreamID(1)], at: wire.network.now)
            pump()
            XCTAssertTrue(wire.network.run(for: .seconds(10)) { outgoing == 1 && resets == [StreamID(1)] }, "seed \(seed)")
            let large = [UInt8](repeating: 5, count: 262_144)
            XCTAssertTrue(wire.a.send(SCTPMessage(stream: StreamID(1), protocolID: 53, bytes: large), at: wire.network.now))
            XCTAssertTrue(wire.network.run(for: .seconds(60)) { ordered.last == large }, "seed \(seed)")
            XCTAssertFalse(wire.a.send(SCTPMessage(stream: StreamID(1), protocolID: 53, bytes: large + [1]), at: wire.network.now))
        }
    }
}
