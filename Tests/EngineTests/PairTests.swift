import NetSim
import RTC
import Service
import Wire
import XCTest

/// Two whole peers with the real OpenSSL and usrsctp, joined by nothing but function calls.
final class PairTests: XCTestCase {
    func testConnectsAndCarriesVideoAndData() throws {
        var pair = try Pair()
        let track = pair.offerer.addTransceiver(.video, direction: .sendonly)
        let channel = try pair.offerer.openDataChannel(DataChannelOptions(label: "control"), at: pair.now)
        try pair.negotiate()
        pair.run(for: .seconds(1))
        XCTAssertEqual(pair.offerer.state, .connected)
        XCTAssertEqual(pair.answerer.state, .connected)
        XCTAssertEqual(pair.offerer.dataChannelState(channel), .open)

        try pair.offerer.send(.text("forward"), on: channel, at: pair.now)
        var packetiser = VideoPacketiser(codec: .h264)
        let frame: [UInt8] = [0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x65] + (0..<5000).map { UInt8($0 % 251 + 2) }
        let encoded = EncodedFrame(codec: .h264, bytes: frame, isKeyFrame: true, captureTime: pair.now, timestamp: 3000)
        pair.offerer.send(try XCTUnwrap(packetiser.packetise(encoded)), on: track, at: pair.now)
        pair.run(for: .milliseconds(100))

        XCTAssertTrue(
            pair.answererEvents.contains {
                if case .dataChannel(.message(_, .text("forward"))) = $0 { true } else { false }
            })
        let frames = pair.answererEvents.compactMap { event -> ReceivedFrame? in
            if case .videoFrame(_, let frame) = event { frame } else { nil }
        }
        XCTAssertEqual(frames.map(\.bytes), [frame])
    }

    /// RFC 3711 clause 9.1: under one key no packet index twice, so a paused stream goes on with its numbers; else the receiver's
    /// replay window refuses what comes.
    func testAPausedStreamGoesOnWhereItWas() throws {
        var pair = try Pair()
        let track = pair.offerer.addTransceiver(.video, direction: .sendonly)
        try pair.negotiate()
        pair.run(for: .seconds(1))
        var packetiser = VideoPacketiser(codec: .h264)
        for round in 0..<8 {
            let frame: [UInt8] = [0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x65] + [UInt8](repeating: UInt8(round + 2), count: 3000)
            let encoded = EncodedFrame(
                codec: .h264, bytes: frame, isKeyFrame: true, captureTime: pair.now, timestamp: UInt32(round * 90_000))
            pair.offerer.send(try XCTUnwrap(packetiser.packetise(encoded)), on: track, at: pair.now)
            pair.run(for: .milliseconds(100))
            let frames = pair.answererEvents.compactMap { event -> [UInt8]? in
                if case .videoFrame(_, let frame) = event { frame.bytes } else { nil }
            }
            XCTAssertEqual(frames, [frame], "round \(round)")
            pair.answererEvents = []
            for direction in [MediaDirection.inactive, .sendonly] {
                try pair.offerer.setDirection(direction, of: track)
                try pair.negotiate()
                pair.run(for: .milliseconds(100))
            }
            XCTAssertEqual(pair.offerer.statistics.outboundVideo.first?.keyFramesSent, round + 1)
        }
    }

    /// A call that moves to another device: its offer has other ICE credentials and another certificate.
    func testAnotherCertificateBeginsANewAssociation_RFC8842_5() throws {
        for mode in [IceMode.full, .lite] {
            var pair = try Pair(answererMode: mode)
            var track = pair.offerer.addTransceiver(.video, direction: .sendonly)
            _ = try pair.offerer.openDataChannel(DataChannelOptions(label: "first"), at: pair.now)
            try pair.negotiate()
            pair.run(for: .seconds(1))
            try pair.sendFrame(1, on: track)
            XCTAssertEqual(pair.answererFrames.count, 1)

            pair.answererEvents = []
            try pair.replaceOfferer()
            track = pair.offerer.addTransceiver(.video, direction: .sendonly)
            let channel = try pair.offerer.openDataChannel(DataChannelOptions(label: "second"), at: pair.now)
            try pair.negotiate()
            pair.run(for: .seconds(3))
            XCTAssertEqual([pair.offerer.state, pair.answerer.state], [.connected, .connected], "\(mode)")
            XCTAssertEqual(pair.offerer.dataChannelState(channel), .open)
            try pair.offerer.send(.text("forward"), on: channel, at: pair.now)
            try pair.sendFrame(2, on: track)
            XCTAssertEqual(pair.answererFrames.count, 1)
            XCTAssertEqual(
                pair.answererEvents.compactMap { event in
                    switch event {
                    case .dataChannel(.closed): "closed"
                    case .dataChannel(.opened(_, let options)): "opened \(options.label)"
                    case .dataChannel(.message(_, .text(let text))): text
                    default: nil
                    }
                }, ["closed", "opened second", "forward"])
        }
    }

    /// When the section that carries the transport is rejected, Chromium takes new ports and begins a new association under the old
    /// credentials and certificate; a peer that stays where it is has kept its own.
    func testARejectedCarrierMayMeanANewAssociation() throws {
        for (mode, keepsAddresses) in [(IceMode.full, true), (.lite, true), (.full, false)] {
            var pair = try Pair(answererMode: mode)
            _ = pair.offerer.addTransceiver(.audio, direction: .sendonly)
            let track = pair.offerer.addTransceiver(.video, direction: .sendonly)
            let channel = try pair.offerer.openDataChannel(DataChannelOptions(label: "control"), at: pair.now)
            try pair.negotiate()
            pair.run(for: .seconds(1))
            try pair.rejectFirstSection()
            if keepsAddresses {
                pair.run(for: .seconds(15))
            } else {
                // Nobody is told: the next check of consent, at most 6 s later (RFC 7675 clause 5.1), comes from the new address.
                pair.changeAddresses()
                pair.run(for: .seconds(7))
            }
            XCTAssertEqual([pair.offerer.state, pair.answerer.state], [.connected, .connected], "\(mode)")
            try pair.offerer.send(.text("still"), on: channel, at: pair.now)
            try pair.sendFrame(2, on: track)
            XCTAssertEqual(pair.answererFrames.count, 1, "\(mode) \(keepsAddresses)")
            XCTAssertTrue(
                pair.answererEvents.contains { if case .dataChannel(.message(_, .text("still"))) = $0 { true } else { false } })
        }
    }

    /// W3C webrtc-pc clause 10.7, from the first exchange on.
    func testOffersThatCrossStillConnect() throws {
        var pair = try Pair()
        var polite = PerfectNegotiation(isPolite: true), impolite = PerfectNegotiation(isPolite: false)
        _ = pair.offerer.addTransceiver(.video, direction: .sendonly)
        _ = try pair.answerer.openDataChannel(DataChannelOptions(label: "control"), at: pair.now)
        let mine = try pair.offerer.createOffer(at: pair.now), theirs = try pair.answerer.createOffer(at: pair.now)
        try pair.offerer.setLocal(mine, .offer, at: pair.now)
        try pair.answerer.setLocal(theirs, .offer, at: pair.now)
        XCTAssertEqual(try pair.offerer.receive(theirs, .offer, &impolite, at: pair.now), .ignored)
        XCTAssertEqual(try pair.answerer.receive(mine, .offer, &polite, at: pair.now), .answerNeeded)
        let answer = try pair.answerer.createAnswer(at: pair.now)
        try pair.answerer.setLocal(answer, .answer, at: pair.now)
        XCTAssertEqual(try pair.offerer.receive(answer, .answer, &impolite, at: pair.now), .applied)
        pair.run(for: .seconds(1))
        XCTAssertEqual([pair.offerer.state, pair.answerer.state], [.connected, .connected])

        // What was taken back is offered again.
        let again = try pair.answerer.createOffer(at: pair.now)
        try pair.answerer.setLocal(again, .offer, at: pair.now)
        XCTAssertEqual(try pair.offerer.receive(again, .offer, &impolite, at: pair.now), .answerNeeded)
        let second = try pair.offerer.createAnswer(at: pair.now)
        try pair.offerer.setLocal(second, .answer, at: pair.now)
        XCTAssertEqual(try pair.answerer.receive(second, .answer, &polite, at: pair.now), .applied)
        pair.run(for: .seconds(1))
        XCTAssertTrue(
            pair.offererEvents.contains {
                if case .dataChannel(.opened(_, let options)) = $0 { options.label == "control" } else { false }
            })
    }

    /// Chromium shows nothing of a source that goes from the description and comes back under the same SSRC.
    func testAPausedSourceStaysInTheDescription() throws {
        var pair = try Pair()
        let track = pair.offerer.addTransceiver(.video, direction: .sendonly)
        try pair.offerer.setDirection(.inactive, of: track)
        XCTAssertFalse(try pair.offerer.createOffer(at: pair.now).description.contains("a=ssrc:"), "before it ever sent")
        for direction in [MediaDirection.sendonly, .inactive, .sendonly] {
            try pair.offerer.setDirection(direction, of: track)
            let offer = try pair.offerer.createOffer(at: pair.now).description
            XCTAssertTrue(offer.contains("a=\(direction)"), offer)
            XCTAssertTrue(offer.contains("a=ssrc:") && offer.contains("a=msid:"), offer)
            try pair.negotiate()
        }
    }
}

typealias Pair = PeerPair

/// With the real OpenSSL and usrsctp.
extension PeerPair {
    init(answererMode: IceMode = .full) throws {
        let environments = (try EngineEnvironment(unixTime: 1_800_000_000), try EngineEnvironment(unixTime: 1_800_000_000))
        self.init(environments.0, environments.1, answererMode: answererMode)
    }

    /// Another peer at the same address goes on in the first one's place.
    mutating func replaceOfferer() throws {
        let environment = try EngineEnvironment(unixTime: 1_800_000_000)
        offerer = Self.makePeer(at: offererAddress, environment)
    }

    /// What is sent now comes from new ports.
    mutating func changeAddresses() {
        offererAddress.port += 1000
        answererAddress.port += 1000
    }

    /// An offer whose first section is rejected, as Chromium's after `getTransceivers()[0].stop()`.
    mutating func rejectFirstSection() throws {
        var offer = try offerer.createOffer(at: now)
        try offerer.setLocal(offer, .offer, at: now)
        offer.media[0].port = 0
        offer.groups[0].mids.removeFirst()
        let answer = try answerer.answer(try SessionDescription(parsing: offer.description), at: now)
        XCTAssertEqual(answer.media[0].port, 0)
        try offerer.setRemote(try SessionDescription(parsing: answer.description), .answer, at: now)
    }

    /// A key frame, and the time for it to arrive.
    mutating func sendFrame(_ number: UInt8, on track: TransceiverID) throws {
        let frame: [UInt8] = [0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x65] + [UInt8](repeating: number + 2, count: 3000)
        let encoded = EncodedFrame(
            codec: .h264, bytes: frame, isKeyFrame: true, captureTime: now, timestamp: UInt32(number) * 90_000)
        var packetiser = VideoPacketiser(codec: .h264)
        offerer.send(try XCTUnwrap(packetiser.packetise(encoded)), on: track, at: now)
        run(for: .milliseconds(100))
    }

    /// What the answerer has received.
    var answererFrames: [[UInt8]] {
        answererEvents.compactMap { event in if case .videoFrame(_, let frame) = event { frame.bytes } else { nil } }
    }
}
