import RTC
import Wire
import XCTest

final class SDPNegotiationTests: XCTestCase {
    func testTwoSidesAgree() throws {
        var a = recordedOfferer(), b = Side("beta")
        try negotiate(&a, &b)
        let ours = try XCTUnwrap(a.session), theirs = try XCTUnwrap(b.session)
        XCTAssertEqual(ours.media.map(\.sends), [true, true])
        XCTAssertEqual(theirs.media.map(\.receives), [true, true])
        XCTAssertEqual(theirs.media.map(\.sends), [false, false])
        XCTAssertEqual(theirs.media[0].remoteSSRCs, [SSRC(1)])
        XCTAssertEqual(theirs.media[0].remoteRTXSSRCs, [SSRC(1): SSRC(2)])
        XCTAssertEqual(theirs.media[0].remoteStreamIDs, ["s"])
        XCTAssertEqual(theirs.media[0].remoteTrackID, "v")
        XCTAssertEqual(theirs.media[0].remoteCNAME, "cname-alpha")
        XCTAssertEqual(ours.media[0].codecs.map(\.kind), [.h264, .h264, .vp8])
        XCTAssertEqual(ours.dtlsRole, .server)
        XCTAssertEqual(theirs.dtlsRole, .client)
        XCTAssertEqual(ours.remoteCandidates, b.transport.candidates)
        XCTAssertEqual(theirs.data?.remoteMaximumMessage, 262_144)
        XCTAssertTrue(ours.isOfferer && !theirs.isOfferer && ours.remoteSupportsTrickle)
        XCTAssertFalse(a.negotiator.needsNegotiation || b.negotiator.needsNegotiation)
        XCTAssertEqual(b.negotiator.newTransceivers.count, 2)
        XCTAssertEqual(a.negotiator.transceivers.map(\.currentDirection), [.sendonly, .sendonly])
    }

    /// RFC 3264 clause 6.1: the answer's direction is what both want.
    func testAllPairsOfDirections() throws {
        for offered in MediaDirection.allCases {
            for wanted in MediaDirection.allCases {
                var a = Side("alpha"), b = Side("beta")
                a.negotiator.addTransceiver(.video, direction: offered, ssrc: SSRC(1))
                b.negotiator.addTransceiver(.video, direction: wanted, ssrc: SSRC(2))
                try negotiate(&a, &b)
                let ours = try XCTUnwrap(a.session?.media.first), theirs = try XCTUnwrap(b.session?.media.first)
                let isMatched = offered.reversed.intersection(wanted) != .inactive
                let answered = isMatched ? wanted : offered.sends ? .recvonly : .inactive
                let agreed = offered.intersection(answered.reversed)
                XCTAssertEqual(MediaDirection(sends: ours.sends, receives: ours.receives), agreed, "\(offered) \(wanted)")
                XCTAssertEqual(MediaDirection(sends: theirs.sends, receives: theirs.receives), agreed.reversed, "\(offered) \(wanted)")
                XCTAssertEqual(b.negotiator.newTransceivers.isEmpty, isMatched, "\(offered) \(wanted)")
                XCTAssertEqual(b.negotiator.needsNegotiation, !isMatched, "\(offered) \(wanted)")
                XCTAssertFalse(a.negotiator.needsNegotiation, "\(offered) \(wanted)")
            }
        }
    }

    func testRenegotiationFromBothSides() throws {
        var a = Side("alpha"), b = Side("beta")
        a.negotiator.requestDataChannels()
        try negotiate(&a, &b)
        let role = a.session?.dtlsRole
        let video = b.negotiator.addTransceiver(.video, direction: .sendonly, streamID: "s", trackID: "t", ssrc: SSRC(7), rtxSSRC: SSRC(8))
        XCTAssertTrue(b.negotiator.needsNegotiation)
        try negotiate(&b, &a)
        XCTAssertEqual(a.session?.media.first?.remoteSSRCs, [SSRC(7)])
        XCTAssertEqual(a.session?.media.first?.mLineIndex, 1)
        XCTAssertEqual(a.session?.dtlsRole, role)
        XCTAssertNotEqual(b.session?.dtlsRole, role)

        let mine = try XCTUnwrap(a.negotiator.newTransceivers.first)
        try a.negotiator.setDirection(.sendrecv, of: mine)
        try a.negotiator.setSource(of: mine, streamID: "back", trackID: "x", ssrc: SSRC(9), rtxSSRC: nil)
        XCTAssertTrue(a.negotiator.needsNegotiation)
        try negotiate(&a, &b)
        XCTAssertEqual(a.negotiator.transceiver(mine)?.currentDirection, .recvonly)
        try b.negotiator.setDirection(.sendrecv, of: video)
        try negotiate(&b, &a)
        XCTAssertEqual(a.negotiator.transceiver(mine)?.currentDirection, .sendrecv)
        XCTAssertEqual(b.session?.media.first?.remoteSSRCs, [SSRC(9)])
        XCTAssertEqual(a.session?.data?.mLineIndex, 0)
        XCTAssertFalse(a.negotiator.needsNegotiation || b.negotiator.needsNegotiation)
    }

    func testANumberKeepsItsMeaningWhenTheOtherSideOffers() throws {
        for offersFirst in [false, true] { try checkNumbers(offersFirst: offersFirst) }
    }

    private func checkNumbers(offersFirst: Bool) throws {
        var server = Side("server")
        server.negotiator.addTransceiver(.video, direction: .sendonly, ssrc: SSRC(1), rtxSSRC: SSRC(2))
        let first = try SDPCorpus.description("chromium_offer_video_audio_data")
        if offersFirst {
            _ = try server.offer()
            server.negotiator.rollback()
        }
        _ = try server.answer(first)
        server.negotiator.addTransceiver(.video, direction: .sendonly, ssrc: SSRC(3))
        let offer = try server.offer()
        XCTAssertEqual(offer.media.count, 4)
        for section in offer.media {
            for codec in section.codecs where codec.lowercasedName != "rtx" {
                let theirs = first.media.flatMap(\.codecs).first { $0.payloadType == codec.payloadType }
                XCTAssertEqual(theirs?.lowercasedName, codec.lowercasedName, "\(codec.payloadType)")
            }
            for map in section.extensions {
                for theirs in first.media.flatMap(\.extensions) where theirs.uri == map.uri || theirs.id == map.id {
                    XCTAssertEqual(theirs, map)
                }
            }
        }
    }

    /// RFC 8829 clause 5.2.2.
    func testRemovedAndRecycledSections() throws {
        var a = Side("alpha"), b = Side("beta")
        a.negotiator.addTransceiver(.audio, direction: .sendonly, ssrc: SSRC(2))
        let second = a.negotiator.addTransceiver(.video, direction: .sendonly, ssrc: SSRC(1))
        try negotiate(&a, &b)
        try a.negotiator.stop(second)
        XCTAssertTrue(a.negotiator.needsNegotiation)
        let ended = try a.offer()
        XCTAssertEqual(ended.media.map(\.port), [9, 0])
        XCTAssertEqual(ended.bundle, ["0"])
        try a.negotiator.setRemote(b.answer(ended), kind: .answer)
        XCTAssertEqual(a.session?.media.map(\.mid), ["0"])
        XCTAssertEqual(a.negotiator.transceiver(second)?.isStopped, true)
        XCTAssertFalse(a.negotiator.needsNegotiation || b.negotiator.needsNegotiation)

        b.negotiator.requestDataChannels()
        let recycled = try b.offer()
        XCTAssertEqual(recycled.media.map(\.kind), [.audio, .application])
        XCTAssertNotEqual(recycled.media[1].mid, "1")
        try b.negotiator.setRemote(a.answer(recycled), kind: .answer)
        XCTAssertEqual(a.session?.data?.mLineIndex, 1)

        a.negotiator.addTransceiver(.video, direction: .sendonly, ssrc: SSRC(4))
        try negotiate(&a, &b)
        XCTAssertEqual(b.session?.media.map(\.mLineIndex), [0, 2])
    }

    func testTheSectionThatCarriesTheBundleIsNotRejectedWhileOthersUseIt() throws {
        for stopperOffers in [true, false] {
            var a = Side("alpha"), b = Side("beta")
            let first = a.negotiator.addTransceiver(.video, direction: .sendonly, ssrc: SSRC(1))
            let second = a.negotiator.addTransceiver(.audio, direction: .sendonly, ssrc: SSRC(2))
            try negotiate(&a, &b)
            try a.negotiator.stop(first)
            XCTAssertTrue(a.negotiator.needsNegotiation)
            if stopperOffers { try negotiate(&a, &b) } else { try negotiate(&b, &a) }
            XCTAssertEqual(b.session?.media.map(\.receives), [false, true])
            XCTAssertEqual(b.session?.transportMid, "0")
            XCTAssertFalse(a.negotiator.needsNegotiation)
            // Nobody is left to carry.
            try a.negotiator.stop(second)
            XCTAssertTrue(a.negotiator.needsNegotiation)
            try negotiate(&a, &b)
            XCTAssertEqual(b.session?.media, [])
            XCTAssertEqual(a.negotiator.transceivers.map(\.isStopped), [true, true])
        }
    }

    func testAPeerThatRejectsTheCarrierMovesTheTransport() throws {
        var a = Side("alpha"), b = Side("beta")
        a.negotiator.addTransceiver(.video, direction: .sendonly, ssrc: SSRC(1))
        a.negotiator.requestDataChannels()
        try negotiate(&a, &b)
        var offer = try a.offer()
        offer.media[0].port = 0
        offer.groups = [.init(semantics: "BUNDLE", mids: ["1"])]
        offer.media[1].transport.setup = .passive
        _ = try b.answer(offer)
        XCTAssertEqual(b.session?.transportMid, "1")
        XCTAssertEqual(b.session?.media, [])
        XCTAssertEqual(b.session?.dtlsRole, .client)
    }

    func testAnAnswererStops() throws {
        var a = Side("alpha"), b = Side("beta")
        a.negotiator.addTransceiver(.video, direction: .sendonly, ssrc: SSRC(1))
        a.negotiator.requestDataChannels()
        let offer = try a.offer()
        try b.negotiator.setRemote(offer, kind: .offer)
        try b.negotiator.stop(XCTUnwrap(b.negotiator.newTransceivers.first))
        let answer = try b.negotiator.createAnswer(b.transport)
        try b.negotiator.setLocal(answer, kind: .answer)
        try a.negotiator.setRemote(reparsed(answer), kind: .answer)
        XCTAssertEqual(answer.media.map(\.port), [0, 9])
        XCTAssertEqual(a.negotiator.transceivers.map(\.isStopped), [true])
        XCTAssertEqual(a.session?.media, [])
        XCTAssertEqual(a.session?.transportMid, "1")
        XCTAssertEqual(b.negotiator.newTransceivers, [])
    }

    func testCrossingOffers() throws {
        var polite = Side("polite"), impolite = Side("impolite")
        var manners = PerfectNegotiation(isPolite: true), rudeness = PerfectNegotiation(isPolite: false)
        polite.negotiator.addTransceiver(.video, direction: .sendonly, ssrc: SSRC(1))
        impolite.negotiator.addTransceiver(.audio, direction: .sendonly, ssrc: SSRC(2))
        impolite.negotiator.requestDataChannels()
        let mine = try polite.offer(), theirs = try impolite.offer()
        XCTAssertEqual(try rudeness.receive(mine, kind: .offer, into: &impolite.negotiator), .ignored)
        XCTAssertTrue(rudeness.ignoresOffer)
        XCTAssertEqual(try manners.receive(theirs, kind: .offer, into: &polite.negotiator), .answerNeeded)
        let answer = try polite.negotiator.createAnswer(polite.transport)
        try polite.negotiator.setLocal(answer, kind: .answer)
        XCTAssertEqual(try rudeness.receive(answer, kind: .answer, into: &impolite.negotiator), .applied)
        XCTAssertFalse(rudeness.ignoresOffer)
        XCTAssertEqual(polite.session?.media.map(\.kind), [.audio])
        // What was taken back is offered again, behind the others.
        XCTAssertTrue(polite.negotiator.needsNegotiation)
        try negotiate(&polite, &impolite)
        XCTAssertEqual(impolite.session?.media.map(\.kind), [.audio, .video])
        XCTAssertEqual(impolite.session?.media.map(\.mLineIndex), [0, 2])
        XCTAssertFalse(polite.negotiator.needsNegotiation || impolite.negotiator.needsNegotiation)
    }

    func testRollbackOfTheRemoteOffer() throws {
        var a = recordedOfferer(), b = Side("beta")
        let waiting = b.negotiator.addTransceiver(.audio, direction: .sendrecv, ssrc: SSRC(5))
        try b.negotiator.setRemote(a.offer(), kind: .offer)
        XCTAssertEqual(b.negotiator.transceivers.count, 2)
        XCTAssertNotNil(b.negotiator.transceiver(waiting)?.mid)
        try b.negotiator.setRemote(a.offer(), kind: .rollback)
        XCTAssertEqual(b.negotiator.signalingState, .stable)
        XCTAssertEqual(b.negotiator.transceivers.map(\.id), [waiting])
        XCTAssertNil(b.negotiator.transceiver(waiting)?.mid)
        XCTAssertNil(b.session)
        a.negotiator.rollback()
        try negotiate(&b, &a)
        XCTAssertEqual(a.session?.media.map(\.kind), [.audio])
    }

    func testICERestart() throws {
        var a = recordedOfferer(), b = Side("beta")
        try negotiate(&a, &b)
        let role = a.session?.dtlsRole
        XCTAssertThrowsError(try a.negotiator.createOffer(a.transport, isRestart: true)) {
            XCTAssertEqual($0 as? NegotiationError, .restartNeedsNewCredentials)
        }
        a.renewICE()
        let offer = try a.offer(isRestart: true)
        try b.negotiator.setRemote(offer, kind: .offer)
        XCTAssertTrue(b.negotiator.remoteRestartsICE)
        XCTAssertThrowsError(try b.negotiator.createAnswer(b.transport)) {
            XCTAssertEqual($0 as? NegotiationError, .restartNeedsNewCredentials)
        }
        b.renewICE()
        let answer = try b.negotiator.createAnswer(b.transport)
        try b.negotiator.setLocal(answer, kind: .answer)
        try a.negotiator.setRemote(answer, kind: .answer)
        XCTAssertEqual(a.session?.remoteCredentials, b.transport.iceCredentials)
        XCTAssertEqual(b.session?.remoteCredentials, a.transport.iceCredentials)
        XCTAssertEqual(a.session?.dtlsRole, role)
        XCTAssertFalse(b.negotiator.remoteRestartsICE)
    }

    func testDTLSRolesRFC8842() throws {
        for (setup, passive, role) in [
            ("actpass", false, DTLSRole.client), ("actpass", true, .server), ("active", false, .server), ("passive", true, .client),
        ] {
            var server = Side("server") { $0.answersPassive = passive }
            let text = try offer("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\na=setup:\(setup)\r\n")
            _ = try server.answer(text)
            XCTAssertEqual(server.session?.dtlsRole, role, setup)
            // An unspecified size is 64 KiB (RFC 8841 clause 6.1).
            XCTAssertEqual(server.session?.data?.remoteMaximumMessage, 65_536)
        }
        var server = Side("server")
        let section = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\na=max-message-size:0\r\na=setup:"
        XCTAssertThrowsError(try server.answer(offer(section + "holdconn\r\n")))
        server.negotiator.rollback()
        _ = try server.answer(offer(section + "actpass\r\n"))
        XCTAssertNil(server.session?.data?.remoteMaximumMessage)
        // The running association keeps its roles.
        XCTAssertThrowsError(try server.answer(offer(section + "active\r\n"))) { XCTAssertEqual($0 as? NegotiationError, .setup(mid: "0")) }
        var client = recordedOfferer()
        _ = try client.offer()
        let bad = try SDPCorpus.text("kvs_answer_like").replacing("a=setup:active", with: "a=setup:actpass")
        XCTAssertThrowsError(try client.negotiator.setRemote(SessionDescription(parsing: bad), kind: .answer)) {
            XCTAssertEqual($0 as? NegotiationError, .setup(mid: "0"))
        }
        XCTAssertEqual(client.negotiator.signalingState, .haveLocalOffer)
    }

    /// As Firefox does, seen.
    func testASecondAnswerDoesNotTurnTheRolesAround() throws {
        var a = recordedOfferer(), b = Side("beta")
        b.negotiator.requestDataChannels()
        try negotiate(&b, &a)
        XCTAssertEqual(a.session?.dtlsRole, .client)
        var answer = try b.answer(a.offer())
        XCTAssertEqual(answer.media.map(\.transport.setup), [.passive, .passive, .passive])
        for index in answer.media.indices { answer.media[index].transport.setup = .active }
        try a.negotiator.setRemote(answer, kind: .answer)
        XCTAssertEqual(a.session?.dtlsRole, .client)
    }

    func testALiteSidePrintsIt() throws {
        var server = Side("server") { $0.isICELite = true }
        var client = recordedOfferer()
        try negotiate(&client, &server)
        XCTAssertEqual(client.session?.remoteIsLite, true)
        XCTAssertEqual(server.session?.remoteIsLite, false)
    }

    func testWhatCannotBeUsedIsRejected() throws {
        let opus = "a=rtpmap:111 opus/48000/2\r\n"
        let table: [(String, String, [UInt16])] = [
            ("no common codec", "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=rtcp-mux\r\n", [0]),
            ("no rtcp-mux", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n" + opus, [0]),
            ("no DTLS", "m=audio 9 RTP/AVP 111\r\na=mid:0\r\na=rtcp-mux\r\n" + opus, [0]),
            ("unknown kind", "m=text 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:0\r\na=rtcp-mux\r\n", [0]),
            ("port 0", "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtcp-mux\r\n" + opus, [0]),
            ("no bundle, one section", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtcp-mux\r\n" + opus, [9]),
            ("no mid", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtcp-mux\r\n" + opus, [9]),
            (
                "no bundle, two sections",
                "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtcp-mux\r\n\(opus)m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=rtcp-mux\r\n"
                    + opus,
                [9, 0]
            ),
            ("old data channels", "m=application 9 DTLS/SCTP 5000\r\na=mid:0\r\na=sctpmap:5000 webrtc-datachannel 1024\r\n", [9]),
            ("two data channels", "m=application 9 DTLS/SCTP 5000\r\na=mid:0\r\n", [0]),
        ]
        for (name, sections, ports) in table {
            var server = Side("server")
            XCTAssertEqual(try server.answer(offer(sections)).media.map(\.port), ports, name)
            XCTAssertEqual(server.negotiator.signalingState, .stable, name)
            XCTAssertEqual(server.session == nil, ports.allSatisfy { $0 == 0 }, name)
            for transceiver in server.negotiator.transceivers {
                XCTAssertEqual(transceiver.isStopped, transceiver.mLineIndex == nil, name)
            }
        }
    }

    func testNamesThatWouldBreakALine() throws {
        var a = Side("alpha") { $0.cname = "x\r\na=evil" }
        a.negotiator.addTransceiver(.video, direction: .sendonly, streamID: "s t\r\nm=video", trackID: "\n", ssrc: SSRC(1))
        let offer = try a.offer()
        XCTAssertEqual(offer.media.count, 1)
        XCTAssertEqual(offer.media[0].msids, [.init(stream: "stm=video", track: "track0")])
    }

    func testEndedTransceiversAreForgotten() throws {
        var a = Side("alpha"), b = Side("beta")
        a.negotiator.requestDataChannels()
        try negotiate(&a, &b)
        for _ in 0..<300 {
            let id = a.negotiator.addTransceiver(.audio, direction: .sendonly, ssrc: SSRC(1))
            try negotiate(&a, &b)
            try a.negotiator.stop(id)
            try negotiate(&a, &b)
        }
        XCTAssertEqual(a.session?.media, [])
        XCTAssertEqual(a.negotiator.localDescription?.media.count, 2)
        XCTAssertLessThan(b.negotiator.transceivers.count, 3)
    }

    func testBundleOnlySectionsBorrowTheTransport() throws {
        var server = Side("server")
        let text =
            "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\na=group:BUNDLE x y\r\nm=text 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:x\r\n\(transportLines(setup: "actpass"))"
            + "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\na=mid:y\r\na=bundle-only\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"
        let answer = try server.answer(SessionDescription(parsing: text))
        XCTAssertEqual(answer.media.map(\.port), [0, 9])
        XCTAssertEqual(server.session?.remoteCredentials.usernameFragment, "peer")
    }

    func testStepsOutOfOrder() throws {
        var a = recordedOfferer(), b = Side("beta")
        XCTAssertThrowsError(try b.negotiator.createOffer(b.transport)) { XCTAssertEqual($0 as? NegotiationError, .nothingToOffer) }
        XCTAssertThrowsError(try a.negotiator.createAnswer(a.transport))
        let offer = try a.offer()
        XCTAssertThrowsError(try a.negotiator.setRemote(offer, kind: .offer)) {
            XCTAssertEqual($0 as? NegotiationError, .wrongState(.haveLocalOffer, attempted: "setRemote(offer)"))
        }
        XCTAssertThrowsError(try a.negotiator.setLocal(offer, kind: .answer))
        XCTAssertThrowsError(try b.negotiator.setRemote(offer, kind: .answer))
        try b.negotiator.setRemote(offer, kind: .offer)
        XCTAssertThrowsError(try b.negotiator.setLocal(offer, kind: .answer)) {
            XCTAssertEqual($0 as? NegotiationError, .notTheLastCreated)
        }
        var short = try b.negotiator.createAnswer(b.transport)
        short.media.removeLast()
        XCTAssertThrowsError(try a.negotiator.setRemote(short, kind: .answer)) {
            XCTAssertEqual($0 as? NegotiationError, .sectionCount(expected: 3, found: 2))
        }
        a.negotiator.close()
        XCTAssertThrowsError(try a.negotiator.createOffer(a.transport))
        XCTAssertEqual(a.negotiator.signalingState, .closed)
    }

    func testSectionsThatChangeTheirMeaningAreRefused() throws {
        var a = recordedOfferer(), b = Side("beta")
        try negotiate(&a, &b)
        var swapped = try a.negotiator.createOffer(a.transport)
        swapped.media.swapAt(0, 1)
        XCTAssertThrowsError(try b.negotiator.setRemote(swapped, kind: .offer)) {
            XCTAssertEqual($0 as? NegotiationError, .sectionChanged(index: 0))
        }
        swapped.media.removeAll()
        XCTAssertThrowsError(try b.negotiator.setRemote(swapped, kind: .offer)) {
            XCTAssertEqual($0 as? NegotiationError, .sectionCount(expected: 3, found: 0))
        }
        XCTAssertEqual(b.negotiator.signalingState, .stable)
    }

    func testMissingSecretsAreRefused() throws {
        let section = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n"
        let head = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\n"
        var server = Side("server")
        XCTAssertThrowsError(try server.negotiator.setRemote(SessionDescription(parsing: head + section), kind: .offer)) {
            XCTAssertEqual($0 as? NegotiationError, .missingCredentials(mid: "0"))
        }
        let ice = "a=ice-ufrag:peer\r\na=ice-pwd:peerpasswordpeerpassword\r\na=fingerprint:sha-1 AA:BB\r\n"
        XCTAssertThrowsError(try server.negotiator.setRemote(SessionDescription(parsing: head + section + ice), kind: .offer)) {
            XCTAssertEqual($0 as? NegotiationError, .missingFingerprint(mid: "0"))
        }
    }

    func testProvisionalAnswers() throws {
        var a = recordedOfferer(), b = Side("beta")
        try b.negotiator.setRemote(a.offer(), kind: .offer)
        let early = try b.negotiator.createAnswer(b.transport)
        try b.negotiator.setLocal(early, kind: .pranswer)
        try a.negotiator.setRemote(early, kind: .pranswer)
        XCTAssertEqual(a.negotiator.signalingState, .haveRemotePranswer)
        XCTAssertEqual(b.negotiator.signalingState, .haveLocalPranswer)
        XCTAssertEqual(a.session?.media.count, 2)
        let final = try b.negotiator.createAnswer(b.transport)
        try b.negotiator.setLocal(final, kind: .answer)
        try a.negotiator.setRemote(final, kind: .answer)
        XCTAssertEqual([a.negotiator.signalingState, b.negotiator.signalingState], [.stable, .stable])
    }
}
