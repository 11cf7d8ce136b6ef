import NetSim
import RTC
import Wire
import XCTest

/// Rules of a whole peer that only a far side made by hand can put to the test.
final class PeerRulesTests: XCTestCase {
    private func videoFrames(_ raw: RawPeer) -> [TransceiverID] {
        raw.events.compactMap { if case .videoFrame(let id, _) = $0 { id } else { nil } }
    }

    private func keyFrameRequests(_ raw: RawPeer) -> Int {
        raw.events.reduce(0) { if case .keyFrameNeeded = $1 { $0 + 1 } else { $0 } }
    }

    // MARK: Path

    /// RFC 8445 clause 7.3.2 lets a lite agent follow any nominated check; ours asks first.
    func testALiteAgentMovesOnlyToAnAddressThatAnswers() throws {
        let raw = RawPeer()
        _ = raw.peer.addTransceiver(.video, direction: .sendrecv)
        try raw.connect([RawPeer.video(mid: "0")])
        let first = raw.address, second = SocketAddress(IPAddress(10, 0, 0, 9), 7000)

        raw.answersChecks = false
        raw.address = second
        for _ in 0..<10 {
            raw.check()
            raw.sendVideo(5, 1)
            XCTAssertEqual(raw.peer.selectedPair?.remote.address, first)
            raw.run(for: .milliseconds(300))
        }
        // The packet was forged, but it was the peer's: it is heard, from wherever it comes.
        XCTAssertEqual(videoFrames(raw).count, 1)
        XCTAssertGreaterThan(raw.checksReceived, 0)

        raw.answersChecks = true
        raw.check()
        XCTAssertEqual(raw.peer.selectedPair?.remote.address, second)
        raw.address = first
        raw.check(isNominated: false)
        XCTAssertEqual(raw.peer.selectedPair?.remote.address, second, "not nominated")
        raw.check()
        XCTAssertEqual(raw.peer.selectedPair?.remote.address, first)
    }

    func testAPathThatFellSilentIsNotReplacedByOneThatDoesNotAnswer() throws {
        let raw = RawPeer()
        try raw.connect([RawPeer.video(mid: "0")])
        raw.run(for: .seconds(40))
        XCTAssertNil(raw.peer.selectedPair?.remote.address)
        raw.answersChecks = false
        raw.address.port = 7000
        raw.check()
        XCTAssertNil(raw.peer.selectedPair?.remote.address)
        raw.run(for: .seconds(1))
        raw.answersChecks = true
        raw.check()
        raw.run(for: .seconds(1))
        XCTAssertEqual(raw.peer.selectedPair?.remote.address, raw.address)
    }

    /// Whoever names somebody else's address makes us send there three small datagrams, not go on for half a minute.
    func testAnAddressThatDoesNotAnswerIsAskedThrice() throws {
        let raw = RawPeer()
        try raw.connect([RawPeer.video(mid: "0")])
        let first = raw.address
        raw.answersChecks = false
        raw.address.port = 7000
        raw.check()
        raw.address = first
        for _ in 0..<20 {
            raw.run(for: .seconds(2))
            raw.check()
        }
        XCTAssertEqual(raw.checksReceived, 3)
        XCTAssertEqual(raw.peer.selectedPair?.remote.address, first)
        XCTAssertEqual(raw.peer.state, .connected)
    }

    /// A check is sent in the clear: a bystander of the old network can repeat it from his own address, as often as he likes.
    func testABystanderWhoRepeatsChecksDoesNotKeepThePeerFromMoving() throws {
        let raw = RawPeer()
        try raw.connect([RawPeer.video(mid: "0")])
        let first = raw.address, second = SocketAddress(IPAddress(10, 0, 0, 9), 7000)
        raw.holdsAnswers = true
        raw.address = second
        raw.check()
        for port in UInt16(1)...60 {
            for _ in 0..<3 { raw.replayCheck(from: SocketAddress(IPAddress(10, 6, 6, 6), port)) }
        }
        XCTAssertEqual(raw.peer.selectedPair?.remote.address, first)
        raw.releaseAnswers()
        XCTAssertEqual(raw.peer.selectedPair?.remote.address, second)
    }

    func testTheLastWishThatIsAnsweredCounts() throws {
        let raw = RawPeer()
        try raw.connect([RawPeer.video(mid: "0")])
        let places = [SocketAddress(IPAddress(10, 0, 0, 9), 7000), SocketAddress(IPAddress(10, 0, 0, 8), 7000)]
        for isInOrder in [true, false] {
            raw.holdsAnswers = true
            for place in places {
                raw.address = place
                raw.check()
                raw.run(for: .milliseconds(1))
            }
            raw.releaseAnswers(inOrder: isInOrder)
            XCTAssertEqual(raw.peer.selectedPair?.remote.address, places[1])
            raw.holdsAnswers = false
            raw.address = SocketAddress(IPAddress(10, 0, 0, 7), 7000)
            raw.check()
            XCTAssertEqual(raw.peer.selectedPair?.remote.address, raw.address)
        }
    }

    // MARK: Association

    /// Chromium, where the section that carries the transport is stopped: the rest goes on by new ports and a new handshake, whether the end
    /// of the old association is heard or not.
    func testARejectedCarrierAndANewPathAreANewAssociation() throws {
        for saysGoodbye in [true, false] {
            let raw = RawPeer()
            try raw.connect([RawPeer.video(mid: "0"), RawPeer.video(mid: "1")])
            try raw.offer([RawPeer.video(mid: "0", port: 0), RawPeer.video(mid: "1")])
            if saysGoodbye {
                raw.closeAssociation()
                XCTAssertEqual(raw.peer.state, .connecting)
            }
            raw.address.port = 6000
            raw.check()
            raw.shakeHands()
            XCTAssertEqual(raw.peer.state, .connected, "goodbye \(saysGoodbye)")
            raw.sendVideo(5, 1, mid: "1")
            XCTAssertEqual(videoFrames(raw).count, 1)
        }
    }

    func testAnEndOfTheAssociationWithoutARejectedCarrierIsTheEnd() throws {
        let raw = RawPeer()
        try raw.connect([RawPeer.video(mid: "0"), RawPeer.video(mid: "1")])
        try raw.offer([RawPeer.video(mid: "0"), RawPeer.video(mid: "1", port: 0)])
        raw.closeAssociation()
        XCTAssertEqual(raw.peer.state, .closed)
    }

    /// An answer of ours may be slower than the goodbye that follows from it; without an answer it is the end.
    func testAGoodbyeDuringAnOfferOfOursWaitsForTheAnswer() throws {
        for isAnswered in [true, false] {
            let raw = RawPeer()
            try raw.connect([RawPeer.video(mid: "0"), RawPeer.video(mid: "1")])
            try raw.peer.setLocal(raw.peer.createOffer(at: raw.now), .offer, at: raw.now)
            raw.closeAssociation()
            XCTAssertEqual(raw.peer.state, .connected)
            guard isAnswered else {
                raw.run(for: .seconds(11))
                XCTAssertEqual(raw.peer.state, .closed)
                continue
            }
            var answer = try raw.description([RawPeer.video(mid: "0", port: 0), RawPeer.video(mid: "1")])
            answer.transport.setup = .active
            try raw.peer.setRemote(answer, .answer, at: raw.now)
            XCTAssertEqual(raw.peer.state, .connecting)
            raw.address.port = 6000
            raw.check()
            raw.shakeHands()
            XCTAssertEqual(raw.peer.state, .connected)
        }
    }

    /// Datagrams are faster than descriptions: the new path may be nominated, and shake hands, before the answer that means it.
    func testANewTransportThatIsFasterThanItsAnswer() throws {
        for saysGoodbye in [true, false] {
            let raw = RawPeer()
            try raw.connect([RawPeer.video(mid: "0"), RawPeer.video(mid: "1")])
            try raw.peer.setLocal(raw.peer.createOffer(at: raw.now), .offer, at: raw.now)
            if saysGoodbye { raw.closeAssociation() }
            raw.address.port = 6000
            raw.check()
            raw.run(for: .milliseconds(100))
            var answer = try raw.description([RawPeer.video(mid: "0", port: 0), RawPeer.video(mid: "1")])
            answer.transport.setup = .active
            try raw.peer.setRemote(answer, .answer, at: raw.now)
            XCTAssertEqual(raw.peer.state, .connecting, "goodbye \(saysGoodbye)")
            raw.shakeHands()
            XCTAssertEqual(raw.peer.state, .connected, "goodbye \(saysGoodbye)")
            raw.sendVideo(5, 1, mid: "1")
            XCTAssertEqual(videoFrames(raw).count, 1)
        }
    }

    // MARK: Streams

    func testTheMIDExtensionGivesAKnownSourceToAnotherSection_RFC9143_9_2() throws {
        let raw = RawPeer()
        try raw.connect([RawPeer.video(mid: "0", lines: "a=ssrc:5 cname:x\n"), RawPeer.video(mid: "1")])
        let ids = try XCTUnwrap(raw.peer.session).media.map(\.transceiver)
        raw.sendVideo(5, 10)
        raw.sendVideo(5, 11, mid: "1")
        raw.sendVideo(5, 12)
        raw.sendVideo(5, 9, mid: "0")  // late: says nothing new
        raw.sendVideo(5, 13)
        raw.sendVideo(5, 14, mid: "7")  // of no section: dropped
        XCTAssertEqual(videoFrames(raw), [ids[0], ids[1], ids[1], ids[1]])
        XCTAssertEqual(raw.peer.refusals["unknownStream"], 1)
    }

    func testTheSourceThatIsSilentForLongestMakesRoom() throws {
        let raw = RawPeer()
        try raw.connect([RawPeer.video(mid: "0")])
        for source in UInt32(1)...20 {
            raw.sendVideo(source, 1, mid: "0")
            raw.sendVideo(1, UInt16(source) + 1, mid: "0")
            raw.run(for: .milliseconds(1))
        }
        XCTAssertEqual(videoFrames(raw).count, 40)
        XCTAssertEqual(raw.peer.refusals["unknownStream"], nil)
    }

    func testARepeatedIntraRequestIsNotNew_RFC5104_4_3_1_2() throws {
        let raw = RawPeer()
        let track = raw.peer.addTransceiver(.video, direction: .sendrecv)
        try raw.connect([RawPeer.video(mid: "0")])
        let ssrc = try XCTUnwrap(raw.peer.session?.media.first { $0.transceiver == track }?.localSSRC)
        raw.events = []
        for (sender, sequence, expected) in [(7, 1, 1), (7, 1, 1), (8, 1, 2), (7, 2, 3), (7, 2, 3), (7, 1, 4)] as [(UInt32, UInt8, Int)] {
            raw.send([
                .receiverReport(SSRC(sender), []), .fullIntraRequest(sender: SSRC(sender), [FIREntry(ssrc: ssrc, sequence: sequence)]),
            ])
            XCTAssertEqual(keyFrameRequests(raw), expected, "\(sender) \(sequence)")
        }
    }

    /// Two large frames where one would do delay everybody's picture: a viewer who joins asks before the first has come.
    func testALossOfPictureIsNewOnlyWhereNoKeyFrameIsOnItsWay() throws {
        let raw = RawPeer()
        let track = raw.peer.addTransceiver(.video, direction: .sendrecv)
        try raw.connect([RawPeer.video(mid: "0")])
        let ssrc = try XCTUnwrap(raw.peer.session?.media.first { $0.transceiver == track }?.localSSRC)
        var packetiser = VideoPacketiser(codec: .vp8)
        raw.events = []
        func lose() -> Int {
            raw.send([.receiverReport(SSRC(7), []), .pictureLoss(sender: SSRC(7), media: ssrc)])
            return keyFrameRequests(raw)
        }
        XCTAssertEqual(lose(), 1)
        // Paced for longer than this test looks.
        let bytes = [0x10, 0, 0, 0x9D, 0x01, 0x2A] + [UInt8](repeating: 0, count: 60_000)
        let frame = EncodedFrame(codec: .vp8, bytes: bytes, isKeyFrame: true, captureTime: raw.now, timestamp: 0)
        raw.peer.send(try XCTUnwrap(packetiser.packetise(frame)), on: track, at: raw.now)
        raw.run(for: .milliseconds(50))
        XCTAssertEqual(lose(), 1, "it is being sent")
        raw.run(for: .milliseconds(200))
        XCTAssertEqual(lose(), 1, "it may not have arrived")
        raw.run(for: .milliseconds(150))
        XCTAssertEqual(lose(), 2)
        XCTAssertEqual(lose(), 3)
    }

    /// draft-alvestrand-rmcat-remb-03, where there is nothing better.
    func testAnEstimateGoesToSendersWithoutTransportWideFeedback() throws {
        for (feedback, expects) in [(["goog-remb"], true), (["nack"], false)] {
            let raw = RawPeer()
            try raw.connect([RawPeer.video(mid: "0", feedback: feedback)])
            for number in 0..<300 {
                // 1000 bytes every 10 ms: 800 kbit/s.
                raw.sendVideo(5, UInt16(number), sendTime: UInt32(number * 2621) & 0xFF_FFFF, size: 950)
                raw.run(for: .milliseconds(10))
            }
            let estimates = raw.rtcp.compactMap { if case .remb(_, let bitrate, let sources) = $0 { (bitrate, sources) } else { nil } }
            XCTAssertEqual(!estimates.isEmpty, expects)
            for (bitrate, sources) in estimates {
                XCTAssertTrue((700_000...1_400_000).contains(bitrate), "\(bitrate)")
                XCTAssertEqual(sources, [SSRC(5)])
            }
        }
    }

    // MARK: Restart

    func testRollingBackARestartBringsTheOldCredentialsBack_RFC8829_4_1_10_2() throws {
        for mode in [IceMode.lite, .full] {
            let raw = RawPeer(mode: mode)
            let track = raw.peer.addTransceiver(.video, direction: .sendrecv)
            try raw.connect([RawPeer.video(mid: "0")])
            let before = raw.peer.localUsernameFragment, candidates = raw.peer.localCandidates
            for isApplied in [true, false] {
                let offer = try raw.peer.createOffer(restartsICE: true, at: raw.now)
                XCTAssertNotEqual(raw.peer.localUsernameFragment, before)
                if isApplied { try raw.peer.setLocal(offer, .offer, at: raw.now) }
                raw.run(for: .seconds(1))
                if isApplied { raw.peer.rollback(at: raw.now) }
                // An offer of the peer's, which asks for no restart.
                let answer = try raw.offer([RawPeer.video(mid: "0")])
                XCTAssertEqual(raw.peer.localUsernameFragment, before, "\(mode) \(isApplied)")
                XCTAssertEqual(raw.peer.localCandidates, candidates)
                XCTAssertTrue(answer.description.contains("a=ice-ufrag:\(before)\r\n"))
            }
            // The path goes on, and consent with it.
            for _ in 0..<10 {
                raw.run(for: .seconds(4))
                raw.check()
            }
            XCTAssertEqual(raw.peer.state, .connected, "\(mode)")
            XCTAssertEqual(raw.peer.sendingCodec(of: track), .vp8)
        }
    }

    /// An answer that cannot be given takes the restart that it was to carry with it.
    func testARefusedRestartLeavesEverythingAsItWas() throws {
        let raw = RawPeer()
        try raw.connect([RawPeer.video(mid: "0")])
        let before = raw.peer.localUsernameFragment
        raw.credentials.usernameFragment = "rawpeer2"
        XCTAssertNoThrow(try raw.peer.setRemote(raw.description([RawPeer.video(mid: "0")]), .offer, at: raw.now))
        XCTAssertNotEqual(raw.peer.localUsernameFragment, before)
        raw.peer.rollback(at: raw.now)
        XCTAssertEqual(raw.peer.localUsernameFragment, before)
        raw.credentials.usernameFragment = "rawpeer1"
        raw.sendVideo(5, 1)
        XCTAssertEqual(videoFrames(raw).count, 1)
    }
}
