import Media
import RTC
import XCTest

final class OpusEncoderTests: XCTestCase {
    /// RFC 6716 clause 3.1: the packet itself says that it holds 20 ms.
    func testPacketsHoldTwentyMillisecondsAndFitADatagram() throws {
        let encoder = try OpusEncoder(bitrate: 32_000)
        var bytes = 0
        for packet in 0..<50 {
            let samples = (0..<OpusEncoder.samplesPerPacket).map { Int16(truncatingIfNeeded: ($0 + packet * 960) % 109 * 100) }
            let encoded = try encoder.encode(samples)
            XCTAssertEqual(OpusPayload.samples(encoded.span), 960)
            bytes += encoded.count
        }
        XCTAssertLessThan(bytes, 32_000 / 8 * 2)
        XCTAssertGreaterThan(bytes, 500)
    }

    func testWhatDoesNotFitIsRefused() throws {
        XCTAssertThrowsError(try OpusEncoder(bitrate: 1000))
        XCTAssertThrowsError(try OpusEncoder(bitrate: 32_000).encode([0]))
    }
}
