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
