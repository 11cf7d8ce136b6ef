import CVirtualTime
import NetSim
import RTC
import Wire
import XCTest

/// Two peers to whom everything that may happen after the first negotiation happens in any order, with the real DTLS and SCTP.
final class RandomLifeTests: XCTestCase {
    private enum Incident: CaseIterable { case newOfferer, restart, restartTakenBack, newAddress, bulk, offerFromAnswerer, frame }

    /// usrsctp asks the clock itself what is old enough to be sent again: it is moved along.
    private func live(_ pair: inout Pair, _ duration: Duration) {
        let end = pair.now + duration
        while pair.now < end {
            virtual_time_set(1_790_000_000_000_000 + pair.now.nanoseconds / 1000)
            pair.run(for: min(.milliseconds(10), end - pair.now))
        }
    }

    private func open(_ pair: inout Pair) throws -> (TransceiverID, DataChannelID) {
        let track = pair.offerer.addTransceiver(.video, direction: .sendonly)
        let channel = try pair.offerer.openDataChannel(DataChannelOptions(label: "control"), at: pair.now)
        try pair.negotiate()
        return (track, channel)
    }

    private func restart(_ pair: inout Pair, answered: Bool, after pause: Duration) throws {
        let offer = try pair.offerer.createOffer(restartsICE: true, at: pair.now)
        try pair.offerer.setLocal(offer, .offer, at: pair.now)
        live(&pair, pause)
        guard answered else { return pair.offerer.rollback(at: pair.now) }
        let answer = try pair.answerer.answer(try SessionDescription(parsing: offer.description), at: pair.now)
        try pair.offerer.setRemote(try SessionDescription(parsing: answer.description), .answer, at: pair.now)
    }

    private func offerFromAnswerer(_ pair: inout Pair, restarts: Bool, after pause: Duration) throws {
        let offer = try pair.answerer.createOffer(restartsICE: restarts, at: pair.now)
        try pair.answerer.setLocal(offer, .offer, at: pair.now)
        live(&pair, pause)
        let answer = try pair.offerer.answer(try SessionDescription(parsing: offer.description), at: pair.now)
        try pair.answerer.setRemote(try SessionDescription(parsing: answer.description), .answer, at: pair.now)
    }

    func testWhateverHappensTheTwoGoOn() throws {
        defer { virtual_time_off() }
        for seed in UInt64(1)...60 {
            var random = SeededRandom(seed: seed)
            var pair = try Pair(answererMode: seed % 2 == 0 ? .lite : .full)
            var (track, channel) = try open(&pair)
            live(&pair, .seconds(1))
            var incidents: [Incident] = []
            for number in 0..<8 {
                let incident = Incident.allCases[Int(random.next() % UInt64(Incident.allCases.count))]
                let pause = Duration.milliseconds(Int(random.next() % 1500))
                incidents.append(incident)
                switch incident {
                case .newOfferer:
                    try pair.replaceOfferer()
                    (track, channel) = try open(&pair)
                case .restart: try restart(&pair, answered: true, after: pause)
                case .restartTakenBack: try restart(&pair, answered: false, after: pause)
                case .newAddress: pair.offererAddress.port += 7
                case .bulk:
                    // A channel that is not open yet refuses.
                    for byte in UInt8(0)..<20 {
                        try? pair.offerer.send(.binary([UInt8](repeating: byte, count: 20_000)), on: channel, at: pair.now)
                    }
                case .offerFromAnswerer: try offerFromAnswerer(&pair, restarts: random.next() % 2 == 0, after: pause)
                case .frame: try pair.sendFrame(UInt8(number), on: track)
                }
                live(&pair, .milliseconds(Int(random.next() % 3000)))
            }
            live(&pair, .seconds(20))
            let story = "seed \(seed): \(incidents)"
            XCTAssertEqual([pair.offerer.state, pair.answerer.state], [.connected, .connected], story)
            pair.answererEvents = []
            XCTAssertNoThrow(try pair.offerer.send(.text("end"), on: channel, at: pair.now), story)
            try pair.sendFrame(9, on: track)
            live(&pair, .milliseconds(500))
            XCTAssertEqual(pair.answererFrames.count, 1, story)
            XCTAssertTrue(
                pair.answererEvents.contains { if case .dataChannel(.message(_, .text("end"))) = $0 { true } else { false } }, story)
        }
    }
}
