import Crypto
import RTC
import Wire
import XCTest

final class DigestTests: XCTestCase {
    private let digests = OpenSSLDigests()

    func testMD5AndSHA256OfKnownMessages() {
        let vectors = [
            ("", "d41d8cd98f00b204e9800998ecf8427e", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ]
        for (message, md5, sha256) in vectors {
            XCTAssertEqual(Hex.encode(digests.md5(Array(message.utf8))), md5)
            XCTAssertEqual(Hex.encode(digests.sha256(Array(message.utf8))), sha256)
        }
    }

    func testHMACsOfRFC2202AndRFC4231() {
        let vectors: [([UInt8], [UInt8], String?, String?)] = [
            (
                [UInt8](repeating: 0x0B, count: 20), Array("Hi There".utf8), "b617318655057264e28bc0b6fb378c8ef146be00",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
            ),
            (
                Array("Jefe".utf8), Array("what do ya want for nothing?".utf8), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
            ),
            (
                [], [], "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d",
                "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"
            ),
        ]
        for (key, message, sha1, sha256) in vectors {
            XCTAssertEqual(Hex.encode(digests.hmacSHA1(key: key, message.span)), sha1)
            XCTAssertEqual(Hex.encode(digests.hmacSHA256(key: key, message.span)), sha256)
        }
    }

    func testMessageIntegrityOfRFC5769Request() throws {
        let text =
            "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b151263b36"
            + "000600096576746a3a6836765920202000080014"
        let request = try XCTUnwrap(Hex.decode(text))
        // The length field counts up to the end of MESSAGE-INTEGRITY: 0x50 (RFC 8489 clause 14.5).
        var message = Array(request.dropLast(4))
        message[3] = 0x50
        let mac = digests.hmacSHA1(key: Array("VOkJxbRl1RmTxUk/WvJxBt".utf8), message.span)
        XCTAssertEqual(Hex.encode(mac), "9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2")
    }

    func testLongTermKeyOfRFC5769() {
        let key = digests.md5(Array("\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}:example.org:TheMatrIX".utf8))
        XCTAssertEqual(key.count, 16)
    }
}
