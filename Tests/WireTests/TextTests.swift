import Wire
import XCTest

final class TextTests: XCTestCase {
    func testPasswordsAreNotShown() {
        for (text, shown) in [
            ("rtspsrc location=rtsp://admin:geheim@192.0.2.7/1 ! decodebin", "rtspsrc location=rtsp://admin:…@192.0.2.7/1 ! decodebin"),
            ("rtsp://admin:a@b/c:d@cam/1", "rtsp://admin:…@cam/1"), ("uri=\"http://u:p@h/\" x", "uri=\"http://u:…@h/\" x"),
            ("rtspsrc user-id=me user-pw=geheim latency=0", "rtspsrc user-id=me user-pw=… latency=0"),
            ("a user-pw=\"so und so\" b", "a user-pw=… b"), ("a Password='x y", "a Password=…"),
            ("wss://h:9/ws?token=abc&room=1", "wss://h:9/ws?token=…&room=1"),
            ("rtsp://cam:554/live", "rtsp://cam:554/live"), ("http://u@h/a:b", "http://u@h/a:b"),
            ("videotestsrc ! a=b:c@d", "videotestsrc ! a=b:c@d"),
            ("://", "://"), ("token=", "token=…"), ("=", "="), ("", ""),
        ] { XCTAssertEqual(text.withoutPasswords, shown) }
    }

    func testBase64RFC4648Vectors() {
        let vectors = [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
        ]
        for (plain, coded) in vectors {
            XCTAssertEqual(Base64.encode(Array(plain.utf8)), coded)
            XCTAssertEqual(Base64.decode(coded), Array(plain.utf8), coded)
        }
        for bad in ["Zg=", "Zg", "Zh==", "Z===", "Zm9v Zg=", "====", "Zm-v"] { XCTAssertNil(Base64.decode(bad), bad) }
    }

    func testHex() {
        XCTAssertEqual(Hex.encode([0, 0x1F, 0xFF], separator: ":"), "00:1f:ff")
        XCTAssertEqual(Hex.decode("001FfF"), [0, 0x1F, 0xFF])
        XCTAssertNil(Hex.decode("0"))
        XCTAssertNil(Hex.decode("0g"))
    }

    func testCRC32CheckValue() {
        XCTAssertEqual(CRC32.checksum(Array("123456789".utf8).span), 0xCBF4_3926)
    }

    func testAddressesRoundTripInCanonicalForm() {
        let forms = [
            ("192.0.2.1", "192.0.2.1"), ("::", "::"), ("::1", "::1"), ("2001:db8::1", "2001:db8::1"),
            ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("fe80::1%eth0", "fe80::1"), ("::ffff:192.0.2.1", "192.0.2.1"),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"), ("1::", "1::"),
        ]
        for (text, canonical) in forms { XCTAssertEqual(IPAddress(text)?.description, canonical, text) }
        for bad in [
            "", "1.2.3", "1.2.3.256", "1.2.3.4.5", "1:2", "1::2::3", "12345::", ":1", "1:2:3:4:5:6:7:8:9", "::g", "1.2.3.-4", ":::",
        ] {
            XCTAssertNil(IPAddress(bad), bad)
        }
    }

    func testTicksOfAClockNeverOverflow() {
        XCTAssertEqual(Duration.milliseconds(1500).ticks(of: 90_000), 135_000)
        XCTAssertEqual(Duration.milliseconds(-1500).ticks(of: 48_000), -72_000)
        XCTAssertEqual(Duration.seconds(400 * 86_400).ticks(of: 90_000), 400 * 86_400 * 90_000)
        XCTAssertEqual(Duration.seconds(400 * 86_400).ticks(of: 1 << 18), 400 * 86_400 << 18)
        XCTAssertEqual(Duration(nanoseconds: .max).ticks(of: 65_536), Int64(9_223_372_036) * 65_536 + 56_018)
    }

    func testRingKeepsOrderAndItsLimit() {
        var ring = Ring<Int>(limit: 3)
        XCTAssertTrue(ring.append(1) && ring.append(2) && ring.append(3))
        XCTAssertFalse(ring.append(4))
        XCTAssertEqual(ring.popFirst(), 1)
        XCTAssertTrue(ring.append(5))
        XCTAssertEqual([ring.popFirst(), ring.popFirst(), ring.popFirst(), ring.popFirst()], [2, 3, 5, nil])
    }
}
