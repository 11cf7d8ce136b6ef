import RTC
import XCTest

final class SDPTrickleTests: XCTestCase {
    func testAFragmentOfRFC8840Clause9() throws {
        let text = """
            a=ice-options:trickle
            a=ice-ufrag:8hhY
            a=ice-pwd:asd88fgpdd777uzjYhagZg
            m=audio 9 RTP/AVP 0
            a=mid:1
            a=candidate:1 1 udp 2130706432 192.0.2.1 5000 typ host
            a=candidate:2 1 udp 1694498816 198.51.100.1 5001 typ srflx raddr 192.0.2.1 rport 5000
            a=end-of-candidates
            m=audio 9 RTP/AVP 0
            a=mid:2
            a=ice-ufrag:own1
            a=ice-pwd:ownownownownownownownown
            a=unknown
            """
        let fragment = try TrickleFragment(parsing: text)
        XCTAssertEqual(fragment.credentials, IceCredentials(usernameFragment: "8hhY", password: "asd88fgpdd777uzjYhagZg"))
        XCTAssertEqual(fragment.options, ["trickle"])
        XCTAssertEqual(fragment.sections.map(\.mid), ["1", "2"])
        XCTAssertEqual(fragment.sections[0].candidates.count, 2)
        XCTAssertEqual(fragment.sections[0].candidates.first, "candidate:1 1 udp 2130706432 192.0.2.1 5000 typ host")
        XCTAssertTrue(fragment.sections[0].endOfCandidates)
        XCTAssertEqual(fragment.sections[1].credentials?.usernameFragment, "own1")
        XCTAssertEqual(try TrickleFragment(parsing: fragment.description), fragment)
    }

    func testCandidatesWithoutASection() throws {
        let fragment = try TrickleFragment(
            parsing: "a=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\na=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\n")
        XCTAssertEqual(fragment.sections.map(\.candidates.count), [1])
        XCTAssertNil(fragment.sections.first?.mLine)
        XCTAssertEqual(fragment.credentials?.usernameFragment, "8hhY")
        XCTAssertEqual(try TrickleFragment(parsing: "").sections, [])
        XCTAssertTrue(try TrickleFragment(parsing: "a=end-of-candidates\n").endOfCandidates)
    }

    func testOtherCredentialsRestartAnOffer() throws {
        let offer = try SessionDescription(parsing: Self.offer)
        let same = try TrickleFragment(parsing: "a=ice-ufrag:8hhY\na=ice-pwd:asd88fgpdd777uzjYhagZg\n")
        XCTAssertNil(same.restart(of: offer))
        XCTAssertNil(try TrickleFragment(parsing: "a=candidate:1 1 udp 1 192.0.2.1 5 typ host\n").restart(of: offer))
        let other = try TrickleFragment(
            parsing: """
                m=video 9 X 96
                a=mid:0
                a=ice-ufrag:new1
                a=ice-pwd:newnewnewnewnewnewnewnew
                a=candidate:2 1 udp 1 192.0.2.2 5 typ host
                """)
        let next = try XCTUnwrap(other.restart(of: offer))
        XCTAssertEqual(next.origin.version, offer.origin.version + 1)
        XCTAssertEqual(next.media.map { next.transport(of: $0).credentials?.usernameFragment }, ["new1", nil])
        XCTAssertEqual(next.media.map(\.candidates), [["candidate:2 1 udp 1 192.0.2.2 5 typ host"], []])
        XCTAssertEqual(next.media.map(\.codecs), offer.media.map(\.codecs))
        XCTAssertEqual(next.transport(of: next.media[0]).fingerprints, offer.transport(of: offer.media[0]).fingerprints)
        let answer = TrickleFragment(restartedBy: next)
        XCTAssertEqual(
            answer.description,
            """
            m=video 9 UDP/TLS/RTP/SAVPF 96\r
            a=mid:0\r
            a=ice-ufrag:new1\r
            a=ice-pwd:newnewnewnewnewnewnewnew\r
            a=candidate:2 1 udp 1 192.0.2.2 5 typ host\r

            """)
    }

    /// Two sections in a bundle: the second leaves the transport to the first.
    private static let offer = """
        v=0
        o=- 1 7 IN IP4 127.0.0.1
        s=-
        t=0 0
        a=group:BUNDLE 0 1
        m=video 9 UDP/TLS/RTP/SAVPF 96
        c=IN IP4 0.0.0.0
        a=mid:0
        a=ice-ufrag:8hhY
        a=ice-pwd:asd88fgpdd777uzjYhagZg
        a=fingerprint:sha-256 \(Array(repeating: "AB", count: 32).joined(separator: ":"))
        a=setup:actpass
        a=recvonly
        a=rtcp-mux
        a=rtpmap:96 VP8/90000
        a=candidate:1 1 udp 1 192.0.2.1 5 typ host
        m=application 0 UDP/DTLS/SCTP webrtc-datachannel
        c=IN IP4 0.0.0.0
        a=bundle-only
        a=mid:1
        a=sctp-port:5000

        """

    func testGarbledFragments() {
        let cases: [(String, Int, SDPError.Rule)] = [
            ("v=0\r\n", 1, .fragment), ("m=audio\r\n", 1, .media), ("a=mid:\r\n", 1, .token), ("a=ice-pwd:x\r\n", 1, .password),
            ("nonsense", 1, .lineForm), (String(repeating: "m=audio 9 X 0\n", count: 65), 65, .tooManySections),
        ]
        for (text, line, rule) in cases {
            XCTAssertThrowsError(try TrickleFragment(parsing: text), text) { error in
                XCTAssertEqual((error as? SDPError)?.line, line, text)
                XCTAssertEqual((error as? SDPError)?.rule, rule, text)
            }
        }
    }
}
