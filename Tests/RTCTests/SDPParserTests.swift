import RTC
import Wire
import XCTest

final class SDPParserTests: XCTestCase {
    private let head = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
    private let video = "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n"

    func testRecordedDescriptionsSurvivePrinting() throws {
        let corpus = try SDPCorpus.all()
        XCTAssertGreaterThan(corpus.count, 15)
        for (name, text) in corpus {
            let first = try SessionDescription(parsing: text)
            let second = try SessionDescription(parsing: first.description)
            XCTAssertEqual(first, second, name)
            XCTAssertFalse(first.media.isEmpty, name)
            XCTAssertTrue(second.description.hasSuffix("\r\n"), name)
        }
    }

    func testBothLineEndsAreTaken() throws {
        let text = try SDPCorpus.text("chromium_offer_sendrecv")
        let bare = String(decoding: text.utf8.filter { $0 != 13 }, as: UTF8.self)
        XCTAssertEqual(try SessionDescription(parsing: text), try SessionDescription(parsing: bare))
    }

    func testWhatChromiumSays() throws {
        let offer = try SDPCorpus.description("chromium_offer_sendrecv")
        XCTAssertEqual(offer.bundle.count, 2)
        XCTAssertTrue(offer.allowsMixedExtensions)
        let section = try XCTUnwrap(offer.media.first { $0.kind == .video })
        XCTAssertTrue(section.rtcpMux && section.reducedSizeRTCP && section.isSecureMedia)
        XCTAssertEqual(section.transport.setup, .actpass)
        XCTAssertEqual(section.transport.fingerprints.first?.digest.count, 32)
        XCTAssertEqual(section.primarySources.count, 1)
        XCTAssertNotNil(section.retransmissionSource(of: section.primarySources[0]))
        let vp8 = try XCTUnwrap(section.codecs.first { $0.lowercasedName == "vp8" })
        XCTAssertEqual(Set(vp8.feedback), [.nack, .pictureLoss, .fullIntraRequest, .maximumBitrate, .transportWide])
        let rtx = try XCTUnwrap(section.codecs.first { $0.repairs == vp8.payloadType })
        XCTAssertEqual(rtx.clockRate, 90_000)
    }

    func testWhatFirefoxAndAiortcSay() throws {
        let firefox = try SDPCorpus.description("firefox_offer_video_audio_data")
        XCTAssertEqual(firefox.transport.fingerprints.count, 1)
        XCTAssertEqual(firefox.transport(of: firefox.media[0]).fingerprints, firefox.transport.fingerprints)
        XCTAssertTrue(firefox.media[0].extensions.contains { $0.direction == .recvonly })
        XCTAssertTrue(firefox.media[0].endOfCandidates)
        XCTAssertEqual(firefox.direction(of: firefox.media[0]), .recvonly)
        let aiortc = try SDPCorpus.description("aiortc_offer")
        XCTAssertEqual(aiortc.media[0].transport.fingerprints.map(\.algorithm), [.sha256, .sha384, .sha512])
        XCTAssertFalse(aiortc.media[0].reducedSizeRTCP)
        let simulcast = try SDPCorpus.description("chromium_offer_simulcast")
        XCTAssertEqual(simulcast.media[0].restrictions.map(\.id), ["h", "l"])
        XCTAssertEqual(simulcast.media[0].simulcast, "send h;l")
    }

    func testEveryLineFormHasItsOwnError() {
        let cases: [(text: String, line: Int, field: String, rule: SDPError.Rule)] = [
            ("", 0, "v=", .missing),
            ("v=1\r\n", 1, "v=", .version),
            ("o=- 1 2 IN IP4 0\r\n", 1, "o=", .version),
            ("v=0\r\n", 0, "o=", .missing),
            ("v=0\r\no=- 1 2 IN IP4 0\r\n", 0, "s=", .missing),
            ("v=0\r\no=- x 2 IN IP4 0\r\n", 2, "o=", .origin),
            ("v=0\r\no=- 1 18446744073709551616 IN IP4 0\r\n", 2, "o=", .origin),
            ("v=0\r\no=- 1 2 IN\r\n", 2, "o=", .origin),
            ("v=0\r\ns=-\r\nm=audio 9 X 0\r\n", 3, "o=", .missing),
            (head + "v=0\r\n", 5, "v=", .order),
            (head + "o=- 1 2 IN IP4 0\r\n", 5, "o=", .order),
            (head + video + "s=-\r\n", 6, "s=", .order),
            (head + "nonsense\r\n", 5, "line", .lineForm),
            (head + "A=x\r\n", 5, "line", .lineForm),
            (head + "=\r\n", 5, "line", .lineForm),
            (head + "a=\u{0}\r\n", 5, "line", .control),
            (head + "a=x\ra=y\r\n", 5, "line", .control),
            (head + "a=" + String(repeating: "x", count: 9000) + "\r\n", 5, "line", .tooLong),
            (head + "m=\r\n", 5, "m=", .media),
            (head + "m=video\r\n", 5, "m=", .media),
            (head + "m=video x UDP/TLS/RTP/SAVPF 96\r\n", 5, "m=", .media),
            (head + "m=video 65536 UDP/TLS/RTP/SAVPF 96\r\n", 5, "m=", .media),
            (head + "m=video 9 UDP/TLS/RTP/SAVPF 128\r\n", 5, "m=", .payloadType),
            (head + "m=video 9 UDP/TLS/RTP/SAVPF +6\r\n", 5, "m=", .payloadType),
            (head + "a=ice-ufrag:abc\r\n", 5, "a=ice-ufrag", .userFragment),
            (head + "a=ice-ufrag\r\n", 5, "a=ice-ufrag", .userFragment),
            (head + "a=ice-ufrag:ab cd\r\n", 5, "a=ice-ufrag", .userFragment),
            (head + "a=ice-pwd:short\r\n", 5, "a=ice-pwd", .password),
            (head + "a=fingerprint:sha-256\r\n", 5, "a=fingerprint", .fingerprint),
            (head + "a=fingerprint:sha-256 AA:BB\r\n", 5, "a=fingerprint", .fingerprint),
            (
                head + "a=fingerprint:sha-256 \(Array(repeating: "GG", count: 32).joined(separator: ":"))\r\n", 5, "a=fingerprint",
                .fingerprint
            ),
            (head + "a=setup:maybe\r\n", 5, "a=setup", .setup),
            (head + "a=group:\r\n", 5, "a=group", .group),
            (head + "a=group\r\n", 5, "a=group", .group),
            (head + video + "a=mid:\r\n", 6, "a=mid", .token),
            (head + video + "a=mid:a b\r\n", 6, "a=mid", .token),
            (head + video + "a=mid:0\r\n" + video + "a=mid:0\r\n", 8, "a=mid", .duplicateMid),
            (head + video + "a=rtpmap:96\r\n", 6, "a=rtpmap", .mapping),
            (head + video + "a=rtpmap:96 VP8\r\n", 6, "a=rtpmap", .mapping),
            (head + video + "a=rtpmap:96 VP8/0\r\n", 6, "a=rtpmap", .mapping),
            (head + video + "a=rtpmap:96 VP8/90000/300\r\n", 6, "a=rtpmap", .mapping),
            (head + video + "a=rtpmap:200 VP8/90000\r\n", 6, "a=rtpmap", .payloadType),
            (head + video + "a=extmap:0 urn:x\r\n", 6, "a=extmap", .extensionMap),
            (head + video + "a=extmap:5000 urn:x\r\n", 6, "a=extmap", .extensionMap),
            (head + video + "a=extmap:1\r\n", 6, "a=extmap", .extensionMap),
            (head + video + "a=extmap:1/up urn:x\r\n", 6, "a=extmap", .extensionMap),
            (head + video + "a=ssrc:4294967296 cname:x\r\n", 6, "a=ssrc", .source),
            (head + video + "a=ssrc:1\r\n", 6, "a=ssrc", .source),
            (head + video + "a=ssrc-group:FID\r\n", 6, "a=ssrc-group", .source),
            (head + video + "a=ssrc-group:FID 1 x\r\n", 6, "a=ssrc-group", .source),
            (head + video + "a=sctp-port:70000\r\n", 6, "a=sctp-port", .port),
            (head + video + "a=sctpmap:x webrtc-datachannel\r\n", 6, "a=sctpmap", .port),
            (head + video + "a=max-message-size:-1\r\n", 6, "a=max-message-size", .messageSize),
            (head + String(repeating: video, count: 65), 69, "m=", .tooManySections),
            (head + String(repeating: "a=x\r\n", count: 4097), 4097, "text", .tooManyLines),
            (head + video + (0..<257).map { "a=ssrc:\($0) cname:x\r\n" }.joined(), 262, "a=ssrc", .tooManyValues),
            (String(repeating: "x", count: 262_145), 0, "text", .tooLong),
        ]
        for (text, line, field, rule) in cases {
            XCTAssertThrowsError(try SessionDescription(parsing: text), String(text.suffix(60))) { error in
                XCTAssertEqual(error as? SDPError, SDPError(line: line, field: field, rule: rule), String(text.suffix(60)))
            }
        }
    }

    func testDecorationThatIsGarbledIsPassedOver() throws {
        for attribute in [
            "fmtp", "fmtp:x y", "fmtp:96", "fmtp:96 ;;;=;", "fmtp:300 a=b", "rtcp-fb", "rtcp-fb:96", "rtcp-fb:x nack", "msid", "msid:",
            "rid:", "rid:a up",
            "simulcast", "candidate", "candidate:", "unknown", "unknown:value:more", ":", "", "rtcp:x", "extmap:4097 urn:x",
            "fingerprint:sha-1 00",
            "fingerprint:md5 zz", "ice-options", "msid-semantic", "end-of-candidates:x",
        ] {
            let parsed = try SessionDescription(
                parsing: head + video + "b=\r\nb=AS:x\r\nz=?\r\na=\(attribute)\r\na=rtpmap:96 VP8/90000\r\n")
            XCTAssertEqual(parsed.media.first?.codecs.map(\.name), ["VP8"], attribute)
            _ = try reparsed(parsed)
        }
    }

    func testFeedbackOfAllFormatsAndBandwidth() throws {
        let text =
            head + video
            + "b=TIAS:500000\r\nb=AS:700\r\na=rtcp-fb:* nack pli\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtpmap:97 H264/90000\r\n"
        let section = try SessionDescription(parsing: text).media[0]
        XCTAssertEqual(section.codecs.map(\.feedback), [[.pictureLoss, .nack], [.pictureLoss]])
        XCTAssertEqual(section.bandwidths, ["TIAS": 500_000, "AS": 700])
    }

    func testTruncationAnywhereIsAnErrorOrADescription() throws {
        for (_, text) in try SDPCorpus.all() {
            let bytes = Array(text.utf8)
            for end in stride(from: 0, to: bytes.count, by: 37) { _ = try? SessionDescription(parsing: Array(bytes[..<end])) }
        }
    }

    func testMutationsNeverTrap() throws {
        let corpus = try SDPCorpus.all().map { (name: $0.name, bytes: Array($0.text.utf8)) }
        let originals = try SDPCorpus.all().map { try SessionDescription(parsing: $0.text) }
        var accepted = 0, refused = 0
        for (number, file) in corpus.enumerated() {
            var random = SeededRandom(seed: UInt64(number))
            for _ in 0..<mutationsPerFile {
                let bytes = Self.mutated(file.bytes, with: corpus[Int.random(in: 0..<corpus.count, using: &random)].bytes, &random)
                guard let description = try? SessionDescription(parsing: bytes) else {
                    refused += 1
                    continue
                }
                accepted += 1
                // What is printed is always read again.
                XCTAssertNoThrow(try SessionDescription(parsing: description.description), "\(file.name) seed \(number)")
                Self.negotiate(description)
                if number % 3 == 0 { Self.renegotiate(from: originals[number], to: description) }
            }
        }
        XCTAssertGreaterThan(accepted, 100)
        XCTAssertGreaterThan(refused, 100)
    }

    private var mutationsPerFile: Int {
        #if DEBUG
            40
        #else
            2000
        #endif
    }

    private static func mutated(_ bytes: [UInt8], with other: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            guard !bytes.isEmpty else { break }
            let at = Int.random(in: 0..<bytes.count, using: &random)
            let length = min(Int.random(in: 1...40, using: &random), bytes.count - at)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.removeSubrange(at..<(at + length))
            case 2: bytes.insert(contentsOf: bytes[at..<(at + length)], at: Int.random(in: 0..<bytes.count, using: &random))
            case 3: bytes[at] = Array("0123456789:=/; \r\n-".utf8).randomElement(using: &random) ?? 0
            case 4: bytes = Array(bytes[..<at])
            default:
                let lines = other.split(separator: 10)
                if let line = lines.randomElement(using: &random) {
                    let place = bytes[at...].firstIndex(of: 10).map { $0 + 1 } ?? bytes.count
                    bytes.insert(contentsOf: line + [10], at: place)
                }
            }
        }
        return bytes
    }

    /// A running session is offered the mutation.
    private static func renegotiate(from first: SessionDescription, to second: SessionDescription) {
        var server = Side("server")
        for offer in [first, second, first] {
            guard (try? server.negotiator.setRemote(offer, kind: .offer)) != nil else { continue }
            guard let answer = try? server.negotiator.createAnswer(server.transport) else {
                server.negotiator.rollback()
                continue
            }
            try? server.negotiator.setLocal(answer, kind: .answer)
        }
        _ = try? server.negotiator.createOffer(server.transport).description
    }

    private static func negotiate(_ description: SessionDescription) {
        var server = Side("server")
        server.negotiator.addTransceiver(.video, direction: .sendrecv, streamID: "s", trackID: "t", ssrc: SSRC(1), rtxSSRC: SSRC(2))
        if (try? server.negotiator.setRemote(description, kind: .offer)) != nil,
            let answer = try? server.negotiator.createAnswer(server.transport)
        {
            try? server.negotiator.setLocal(answer, kind: .answer)
            if let again = try? server.negotiator.createOffer(server.transport) { _ = again.description }
        }
        var client = recordedOfferer()
        guard let offer = try? client.negotiator.createOffer(client.transport) else { return }
        try? client.negotiator.setLocal(offer, kind: .offer)
        try? client.negotiator.setRemote(description, kind: .answer)
    }
}
