import RTC
import Wire
import XCTest

final class ICECandidateTests: XCTestCase {
    func testLinesOfPeersParseAndPrint_RFC8839_5_1() throws {
        let lines: [(String, String)] = [
            (
                "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.0.1 rport 46154 generation 0 ufrag EEtu network-cost 999",
                "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.0.1 rport 46154 ufrag EEtu"
            ),
            ("a=candidate:0 1 UDP 2122252543 192.168.1.5 50000 typ host\r\n", "candidate:0 1 udp 2122252543 192.168.1.5 50000 typ host"),
            (
                "1 1 TCP 2105524479 2001:db8::1 9 typ host tcptype active",
                "candidate:1 1 tcp 2105524479 2001:db8::1 9 typ host tcptype active"
            ),
            (
                "candidate:1 1 udp 2113937151 8E44BC1C-3b34.local 51234 typ host",
                "candidate:1 1 udp 2113937151 8e44bc1c-3b34.local 51234 typ host"
            ),
            (
                "candidate:a+/9 2 udp 1 ::1 1 typ relay raddr 0.0.0.0 rport 0 x y tcptype passive",
                "candidate:a+/9 2 udp 1 ::1 1 typ relay raddr 0.0.0.0 rport 0"
            ),
        ]
        for (line, printed) in lines {
            let candidate = try IceCandidate(parsing: line)
            XCTAssertEqual(candidate.description, printed)
            XCTAssertEqual(try IceCandidate(parsing: candidate.description), candidate)
        }
    }

    func testWrongLinesNameTheField() {
        let lines: [(String, IceCandidateError)] = [
            ("", .missing(field: "foundation")),
            ("candidate:1 1 udp 1 10.0.0.1 5", .missing(field: "typ")),
            ("candidate:1 1 udp 1 10.0.0.1 5 typ", .missing(field: "cand-type")),
            ("candidate:!! 1 udp 1 10.0.0.1 5 typ host", .invalid(field: "foundation", value: "!!")),
            ("candidate:1 0 udp 1 10.0.0.1 5 typ host", .invalid(field: "component-id", value: "0")),
            ("candidate:1 1 sctp 1 10.0.0.1 5 typ host", .unsupportedTransport("sctp")),
            ("candidate:1 1 tcp 1 10.0.0.1 5 typ host", .missing(field: "tcptype")),
            ("candidate:1 1 udp 4294967296 10.0.0.1 5 typ host", .invalid(field: "priority", value: "4294967296")),
            ("candidate:1 1 udp 1 example.org 5 typ host", .invalid(field: "connection-address", value: "example.org")),
            ("candidate:1 1 udp 1 10.0.0.1 65536 typ host", .invalid(field: "port", value: "65536")),
            ("candidate:1 1 udp 1 10.0.0.1 5 type host", .invalid(field: "typ", value: "type")),
            ("candidate:1 1 udp 1 10.0.0.1 5 typ moon", .invalid(field: "cand-type", value: "moon")),
            (String(repeating: "x", count: 2000), .tooLong(limit: 1024)),
        ]
        for (line, error) in lines {
            XCTAssertThrowsError(try IceCandidate(parsing: line)) { XCTAssertEqual($0 as? IceCandidateError, error, line) }
        }
    }

    func testPriorities_RFC8445_5_1_2_and_6_1_2_3() {
        XCTAssertEqual(IceCandidate.priority(.host, localPreference: 65_535), 2_130_706_431)
        XCTAssertEqual(IceCandidate.priority(.relayed, localPreference: 65_535), 16_777_215)
        XCTAssertEqual(IceCandidate.pairPriority(controlling: 2, controlled: 1), 1 << 32 + 4 + 1)
        XCTAssertEqual(IceCandidate.pairPriority(controlling: 1, controlled: 2), 1 << 32 + 4)
        XCTAssertEqual(IceCandidate.pairPriority(controlling: .max, controlled: .max), 0x7FFF_FFFF << 32 + 2 * 0x7FFF_FFFF)
    }

    func testServerURLs_RFC7064_RFC7065() throws {
        let good: [(String, IceServer.Kind, String, UInt16, IceServer.Transport)] = [
            ("stun:stun.example.org", .stun, "stun.example.org", 3478, .udp),
            ("STUN:[2001:db8::1]:99", .stun, "2001:db8::1", 99, .udp),
            ("turn:192.0.2.1", .turn, "192.0.2.1", 3478, .udp),
            ("turn:h:1?transport=tcp", .turn, "h", 1, .tcp),
            ("turns:h", .turn, "h", 5349, .tls),
            ("turns:h?transport=tcp", .turn, "h", 5349, .tls),
        ]
        for (url, kind, host, port, transport) in good {
            let server = try IceServer(url: url, username: "u", credential: "p")
            XCTAssertEqual(server.kind, kind)
            XCTAssertEqual(server.host, host)
            XCTAssertEqual(server.port, port)
            XCTAssertEqual(server.transport, transport)
        }
        for url in [
            "", "http://x", "stun:", "stun:h:0", "stun:h:99999", "turn:h?transport=sctp", "stun:[::1", "stun:a b", "turns:h?transport=udp",
        ] {
            XCTAssertThrowsError(try IceServer(url: url, username: "u", credential: "p"), url)
        }
        XCTAssertThrowsError(try IceServer(url: "turn:h")) { XCTAssertEqual($0 as? IceServerError, .missingCredentials) }
    }
}
