import RTC
import Wire
import XCTest

final class SDPNegotiationTests: XCTestCase {
    func testAServerThatSendsIsMatchedToAnOfferedReceiver() throws {
        var server = Side("server")
        let video = server.negotiator.addTransceiver(
            .video, direction: .sendonly, streamID: "s", trackID: "t", ssrc: SSRC(1), rtxSSRC: SSRC(2))
        let answer = try server.answer(SDPCorpus.description("chromium_offer_video_audio_data"))
        XCTAssertEqual(answer.media.map(\.port), [9, 9, 9])
        XCTAssertEqual(answer.media.map(\.mid), ["0", "1", "2"])
        let session = try XCTUnwrap(server.session)
        let media = try XCTUnwrap(session.media.first)
        XCTAssertEqual(media.transceiver, video)
        XCTAssertTrue(media.sends && !media.receives)
        let codec = try XCTUnwrap(media.codecs.first)
        XCTAssertEqual(codec.kind, .h264)
        XCTAssertEqual(codec.payloadType, PayloadType(108))
        XCTAssertEqual(codec.rtxPayloadType, PayloadType(109))
        XCTAssertEqual(session.dtlsRole, .client)
        XCTAssertEqual(session.data?.remotePort, 5000)
        XCTAssertEqual(session.remoteCredentials.usernameFragment.utf8.count, 4)
    }

    func testTwoSidesAgree() throws {
        var a = Side("alpha"), b = Side("beta")
        a.negotiator.addTransceiver(.video, direction: .sendrecv, streamID: "s", trackID: "v", ssrc: SSRC(1), rtxSSRC: SSRC(2))
        a.negotiator.addTransceiver(.audio, direction: .sendonly, streamID: "s", trackID: "a", ssrc: SSRC(3))
        a.negotiator.requestDataChannels()
        try negotiate(&a, &b)
        let ours = try XCTUnwrap(a.session), theirs = try XCTUnwrap(b.session)
        XCTAssertEqual(ours.media.map(\.sends), [true, true])
        XCTAssertEqual(theirs.media.map(\.receives), [true, true])
        XCTAssertEqual(theirs.media.map(\.sends), [false, false])
        XCTAssertEqual(theirs.media[0].remoteSSRCs, [SSRC(1)])
        XCTAssertEqual(theirs.media[0].remoteRTXSSRCs, [SSRC(1): SSRC(2)])
        XCTAssertEqual(theirs.media[0].remoteStreamIDs, ["s"])
        XCTAssertNotEqual(ours.dtlsRole, theirs.dtlsRole)
        XCTAssertFalse(a.negotiator.needsNegotiation)
        XCTAssertEqual(b.negotiator.newTransceivers.count, 2)
    }
}
