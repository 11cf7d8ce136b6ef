import RTC
import Wire
import XCTest

final class SDPCodecTests: XCTestCase {
    func testProfilesRFC6184Table5() {
        let table: [(String, H264ProfileLevel.Profile, Bool)] = [
            ("42e01f", .constrainedBaseline, true), ("42c01f", .constrainedBaseline, true), ("42f00b", .constrainedBaseline, true),
            ("4d801f", .constrainedBaseline, true), ("58c01f", .constrainedBaseline, true), ("42001f", .baseline, true),
            ("42a01f", .baseline, true), ("58801f", .baseline, true), ("4d001f", .main, false), ("4d401f", .main, false),
            ("58001f", .extended, false), ("64001f", .high, false), ("640c1f", .constrainedHigh, false), ("f4001f", .other(0xF4), false),
        ]
        for (text, profile, takes) in table {
            let parsed = H264ProfileLevel(text)
            XCTAssertEqual(parsed?.profile, profile, text)
            XCTAssertEqual(parsed?.takesConstrainedBaseline, takes, text)
            XCTAssertEqual(parsed?.text, text)
        }
        for bad in ["", "42e0", "42e01", "42e01g", "42e01f00"] { XCTAssertNil(H264ProfileLevel(bad), bad) }
    }

    /// What is answered to one offered H.264 format, nil for a rejected section, and whether we send into it.
    private func answer(_ fmtp: String?, direction: String = "recvonly") throws -> (fmtp: String?, isSendable: Bool)? {
        var server = Side("server")
        server.negotiator.addTransceiver(.video, direction: .sendrecv, streamID: "s", trackID: "t", ssrc: SSRC(1))
        let line = fmtp.map { "a=fmtp:100 \($0)\r\n" } ?? ""
        let answer = try server.answer(
            offer("m=video 9 UDP/TLS/RTP/SAVPF 100\r\na=mid:0\r\na=rtcp-mux\r\na=\(direction)\r\na=rtpmap:100 H264/90000\r\n" + line))
        guard !answer.media[0].isRejected else { return nil }
        return (answer.media[0].codecs[0].parameters?.raw, try XCTUnwrap(server.session).media[0].codecs[0].isSendable)
    }

    func testH264AnswersRFC6184Clause8_2_2() throws {
        let table: [(offered: String?, answered: String?, sendable: Bool)] = [
            ("packetization-mode=1;profile-level-id=42e01f;level-asymmetry-allowed=1", "42e01f", true),
            ("packetization-mode=1;profile-level-id=42E034;level-asymmetry-allowed=1", "42e01f", true),
            // Without asymmetry the lower level holds.
            ("packetization-mode=1;profile-level-id=42e034", "42e01f", true),
            ("packetization-mode=1;profile-level-id=42e00b", "42e00b", true),
            ("packetization-mode=1;profile-level-id=42001f;level-asymmetry-allowed=1", "42001f", true),
            ("packetization-mode=0;profile-level-id=42e01f;level-asymmetry-allowed=1", "42e01f", false),
            ("profile-level-id=42e01f", "42e01f", false),
            ("packetization-mode=1", "42000a", true),
            (nil, "42000a", false),
            ("packetization-mode=1;profile-level-id=4d001f;level-asymmetry-allowed=1", nil, false),
            ("packetization-mode=1;profile-level-id=640c1f;level-asymmetry-allowed=1", nil, false),
            ("packetization-mode=2;profile-level-id=42e01f", nil, false),
            ("packetization-mode=1;profile-level-id=rubbish", nil, false),
        ]
        for (offered, answered, sendable) in table {
            let got = try answer(offered)
            guard let answered else {
                XCTAssertNil(got, offered ?? "none")
                continue
            }
            XCTAssertEqual(got?.fmtp?.hasSuffix("profile-level-id=\(answered)"), true, "\(offered ?? "none"): \(got?.fmtp ?? "")")
            XCTAssertEqual(got?.isSendable, sendable, offered ?? "none")
        }
    }

    func testChromiumsFormatsInOurOrder() throws {
        var server = Side("server") { $0.videoCodecs = [.vp8, .h264] }
        server.negotiator.addTransceiver(.video, direction: .sendonly, ssrc: SSRC(1))
        _ = try server.answer(SDPCorpus.description("chromium_offer_video_audio_data"))
        let codecs = try XCTUnwrap(server.session?.media.first).codecs
        XCTAssertEqual(codecs.map(\.payloadType.rawValue), [96, 108, 102, 114, 104])
        XCTAssertEqual(codecs.map(\.rtxPayloadType?.rawValue), [97, 109, 103, 115, 107])
        XCTAssertEqual(codecs.map(\.isSendable), [true, true, true, false, false])
        XCTAssertEqual(codecs[0].feedback, [.nack, .pictureLoss, .fullIntraRequest, .maximumBitrate, .transportWide])
    }

    func testATransceiverMayNameItsOwnCodecs() throws {
        var server = Side("server")
        server.negotiator.addTransceiver(.video, direction: .sendonly, ssrc: SSRC(1), codecs: [.vp8])
        let answer = try server.answer(SDPCorpus.description("safari_offer_like"))
        XCTAssertEqual(answer.media[1].formats, ["127", "103"])
    }

    func testOpusParametersRFC7587() throws {
        var server = Side("server")
        server.negotiator.addTransceiver(.audio, direction: .sendrecv, ssrc: SSRC(1))
        let answer = try server.answer(
            offer(
                "m=audio 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:0\r\na=rtcp-mux\r\na=rtpmap:96 opus/48000\r\na=rtpmap:97 OPUS/48000/2\r\n"
                    + "a=fmtp:97 stereo=1; useinbandfec=1;usedtx=1;maxaveragebitrate=32000;minptime=20\r\na=rtcp-fb:97 transport-cc\r\n"))
        XCTAssertEqual(answer.media[0].formats, ["97"])
        let codec = try XCTUnwrap(server.session?.media.first?.codecs.first)
        guard case .opus(let opus) = codec.parameters else { return XCTFail("expected Opus parameters") }
        XCTAssertTrue(opus.isStereo && opus.usesInbandFEC && opus.usesDTX)
        XCTAssertEqual(opus.maximumAverageBitrate, 32_000)
        XCTAssertEqual(opus.minimumPacketMilliseconds, 20)
        XCTAssertEqual(codec.channels, 2)
        XCTAssertEqual(codec.feedback, [.transportWide])
    }

    func testHeaderExtensionsKeepTheirIdsAndDirections() throws {
        var server = Side("server") { $0.headerExtensions = [.mid, .transportSequence, .playoutDelay] }
        server.negotiator.addTransceiver(.video, direction: .sendrecv, ssrc: SSRC(1))
        let answer = try server.answer(SDPCorpus.description("firefox_offer_video_audio_data"))
        let media = try XCTUnwrap(server.session?.media.first)
        // Firefox only receives playout delay.
        XCTAssertEqual(media.extensions, [.mid: 3, .transportSequence: 7, .playoutDelay: 6])
        XCTAssertEqual(media.receivedExtensions, [.mid: 3, .transportSequence: 7])
        XCTAssertEqual(answer.media[0].extensions.first { $0.id == 6 }?.direction, .sendonly)
    }

    func testTwoByteExtensionsNeedBothSides() throws {
        for (line, id) in [("a=extmap-allow-mixed\r\n", UInt8?.some(20)), ("", nil)] {
            var server = Side("server")
            _ = try server.answer(
                offer(
                    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n\(line)a=extmap:20 \(HeaderExtension.mid.rawValue)\r\n"
                ))
            XCTAssertEqual(server.session?.media.first?.extensions[.mid], id)
        }
    }
}

/// An offer with one transport and these sections.
func offer(_ sections: String, session: String = "") throws -> SessionDescription {
    try SessionDescription(
        parsing: "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" + session + transportLines(setup: "actpass") + sections)
}

func transportLines(setup: String) -> String {
    let digest = Array(repeating: "AB", count: 32).joined(separator: ":")
    return "a=ice-ufrag:peer\r\na=ice-pwd:peerpasswordpeerpassword\r\na=fingerprint:sha-256 \(digest)\r\na=setup:\(setup)\r\n"
}
