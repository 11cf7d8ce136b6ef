import Crypto
import RTC
import XCTest

final class CertificateTests: XCTestCase {
    private let now: Int64 = 1_790_000_000

    func testFingerprintsHaveTheirAlgorithmsLength() throws {
        let certificate = try Certificate.selfSigned(unixTime: now)
        for algorithm in Fingerprint.Algorithm.allCases {
            XCTAssertEqual(certificate.fingerprint(algorithm).digest.count, algorithm.length)
        }
    }

    func testEachCertificateIsItsOwn() throws {
        let a = try Certificate.selfSigned(unixTime: now), b = try Certificate.selfSigned(unixTime: now)
        XCTAssertNotEqual(a.fingerprint().digest, b.fingerprint().digest)
    }

    func testPEMRoundTrip() throws {
        let certificate = try Certificate.selfSigned(commonName: "robot", unixTime: now)
        let text = try certificate.pem()
        XCTAssertEqual(try Certificate(pem: text).fingerprint(), certificate.fingerprint())
    }

    func testDamagedPEMIsAnErrorThatSaysWhatWasExpected() throws {
        let text = try Certificate.selfSigned(unixTime: now).pem()
        let other = try Certificate.selfSigned(unixTime: now).pem()
        let certificateOnly = String(text[..<text.range(of: "-----BEGIN PRIVATE")!.lowerBound])
        let otherKey = String(other[other.range(of: "-----BEGIN PRIVATE")!.lowerBound...])
        for bad in ["", "nonsense", certificateOnly, certificateOnly + otherKey, String(text.dropFirst(400))] {
            XCTAssertThrowsError(try Certificate(pem: bad)) { XCTAssertFalse("\($0)".isEmpty) }
        }
    }
}
