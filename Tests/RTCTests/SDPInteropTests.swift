import RTC
import Wire
import XCTest

/// Recorded offers answered, and recorded answers to our own offer read.
final class SDPInteropTests: XCTestCase {
    func testEveryRecordedOfferIsAnswered() throws {
        // Accepted m-lines, and the codec that a server with a video to send picks.
        let table: [(name: String, accepted: [Bool], video: CodecKind?, payloadType: UInt8)] = [
            ("chromium_offer_video_audio_data", [true, true, true], .h264, 108),
            ("chromium_offer_restart", [true, true, true], .h264, 108),
            ("chromium_offer_sendrecv", [true, true], .h264, 108),
            ("chromium_offer_simulcast", [true], .h264, 108),
            ("chromium_offer_data", [true], nil, 0),
            ("firefox_offer_video_audio_data", [true, true, true], .vp8, 120),
            ("firefox_offer_sendrecv", [true], .vp8, 120),
            ("firefox_offer_data", [true], nil, 0),
            ("safari_offer_like", [true, true, true], .h264, 98),
            ("aiortc_offer", [true, true, true], .h264, 101),
            ("aiortc_offer_data", [true], nil, 0),
            ("webrtcbin_offer", [true, true, true], .vp8, 96),
        ]
        for (name, accepted, video, payloadType) in table {
            var server = Side("server")
            server.negotiator.addTransceiver(.video, direction: .sendrecv, streamID: "s", trackID: "t", ssrc: SSRC(1), rtxSSRC: SSRC(2))
            let offer = try SDPCorpus.description(name)
            let answer = try server.answer(offer)
            XCTAssertEqual(answer.media.map { $0.port != 0 }, accepted, name)
            XCTAssertEqual(answer.media.map(\.mid), offer.media.map(\.mid), name)
            XCTAssertEqual(answer.media.map(\.kind), offer.media.map(\.kind), name)
            let session = try XCTUnwrap(server.session, name)
            XCTAssertEqual(session.dtlsRole, .client, name)
            XCTAssertFalse(session.remoteFingerprints.isEmpty, name)
            XCTAssertEqual(session.data != nil, offer.media.contains { $0.kind == .application }, name)
            let codec = session.media.first { $0.kind == .video }?.codecs.first
            XCTAssertEqual(codec?.kind, video, name)
            XCTAssertEqual(codec?.payloadType.rawValue ?? 0, payloadType, name)
            XCTAssertFalse(answer.media.contains { $0.simulcast != nil }, name)
            for (mine, theirs) in zip(answer.media, offer.media) {
                XCTAssertTrue(Set(mine.formats).isSubset(of: theirs.formats), name)
                XCTAssertTrue(
                    mine.extensions.allSatisfy { map in theirs.extensions.contains { $0.id == map.id && $0.uri == map.uri } }, name)
                XCTAssertEqual(mine.reducedSizeRTCP, theirs.reducedSizeRTCP, name)
            }
        }
    }

    func testEveryRecordedAnswerIsRead() throws {
        let table: [(name: String, video: CodecKind, receives: [Bool], message: UInt64)] = [
            ("chromium_answer_to_ours", .h264, [true, false], 262_144), ("firefox_answer_to_ours", .vp8, [true, false], 1_073_741_823),
            ("aiortc_answer_to_ours", .h264, [true, true], 262_144), ("webrtcbin_answer_to_ours", .h264, [false, false], 65_536),
            ("kvs_answer_like", .h264, [true, true], 65_536),
        ]
        for (name, video, receives, message) in table {
            var client = recordedOfferer()
            _ = try client.offer()
            try client.negotiator.setRemote(SDPCorpus.description(name), kind: .answer)
            let session = try XCTUnwrap(client.session, name)
            XCTAssertEqual(session.dtlsRole, .server, name)
            XCTAssertEqual(session.media.map(\.receives), receives, name)
            XCTAssertEqual(session.media.map(\.sends), [true, true], name)
            let codec = try XCTUnwrap(session.media.first?.codecs.first, name)
            XCTAssertEqual(codec.kind, video, name)
            XCTAssertTrue(codec.isSendable, name)
            XCTAssertEqual(session.media.last?.codecs.map(\.kind), [.opus], name)
            XCTAssertEqual(session.data?.remoteMaximumMessage, message, name)
            XCTAssertEqual(session.media.first?.remoteSSRCs.count, receives[0] ? 1 : 0, name)
            XCTAssertFalse(client.negotiator.needsNegotiation, name)
        }
    }
}
