import RTC
import Wire
import XCTest

final class DNSMessageTests: XCTestCase {
    func testQueryIsAsInRFC1035() throws {
        let bytes = MulticastDNS.query(for: "ab.local")
        XCTAssertEqual(
            Hex.encode(bytes), "000000000002000000000000" + "026162056c6f63616c00" + "00018001" + "026162056c6f63616c00" + "001c8001")
        let parsed = try DNSMessage(parsing: bytes.span)
        XCTAssertEqual(parsed.questions.map(\.name), ["ab.local", "ab.local"])
        XCTAssertTrue(parsed.questions[0].wantsUnicast)
    }

    func testAnswersComeBack() {
        let names = ["ab.local": [IPAddress("10.0.0.7")!, IPAddress("fe80::1")!]]
        let query = MulticastDNS.query(for: "AB.local")
        XCTAssertEqual(MulticastDNS.answer(to: query.span, names: ["other.local": []]), nil)
        let answer = MulticastDNS.answer(to: query.span, names: names)!
        XCTAssertEqual(MulticastDNS.addresses(of: "ab.LOCAL", in: answer.span), names["ab.local"])
        XCTAssertEqual(MulticastDNS.addresses(of: "x.local", in: answer.span), [])
        XCTAssertNil(MulticastDNS.answer(to: answer.span, names: names), "an answer is not answered")
        XCTAssertEqual(MulticastDNS.addresses(of: "ab.local", in: query.span), [])
    }

    func testCompressedNamesOfOtherResponders_RFC1035_4_1_4() {
        // A record whose name points to the question's, and one whose last label does.
        let bytes = Hex.decode(
            "000084000001000200000000" + "026162056c6f63616c00" + "00010001" + "c00c" + "00018001000000780004" + "0a000007"
                + "026364c00f" + "001c000100000078" + "0010" + "20010db8000000000000000000000001")!
        XCTAssertEqual(MulticastDNS.addresses(of: "ab.local", in: bytes.span), [IPAddress("10.0.0.7")!])
        XCTAssertEqual(MulticastDNS.addresses(of: "cd.local", in: bytes.span), [IPAddress("2001:db8::1")!])
    }

    func testHostileMessagesEnd() {
        let header = "000084000000000100000000"
        let cases: [(String, DNSError)] = [
            ("0000", .truncated),
            (header, .truncated),
            (header + "c00c", .pointer(12)),
            (header + "0161c00c", .pointer(12)),
            (header + "c00e0161c00c", .pointer(14)),
            (header + "41", .label(0x41)),
            (header + "3f", .truncated),
            (header + "c0", .truncated),
            (header + "00000100010000000000ff", .truncated),
            ("00008400ffffffff00000000", .limit("records")),
            (header + String(repeating: "3f" + String(repeating: "61", count: 63), count: 5), .limit("name")),
        ]
        for (text, error) in cases {
            let bytes = Hex.decode(text)!
            XCTAssertThrowsError(try DNSMessage(parsing: bytes.span), text) { XCTAssertEqual($0 as? DNSError, error, text) }
        }
        let good = DNSMessage(isResponse: true, addresses: [.init(name: "ab.local", address: IPAddress(1, 2, 3, 4))]).encoded()
        for seed in UInt64(1)...5000 {
            var random = SeededRandom(seed: seed), bytes = good
            for _ in 0..<3 { bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next()) }
            _ = try? DNSMessage(parsing: bytes.span)
        }
    }
}
