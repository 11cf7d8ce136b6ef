import Web
import XCTest

/// RFC 7692 clause 7.2.
final class DeflateTests: XCTestCase {
    func testMessagesComeBackAndTheirLengthIsBounded() {
        let compressor = DeflateCompressor(windowBits: 15)
        for message in [
            Array("Hello".utf8), [], [UInt8](repeating: 65, count: 1_000_000),
            (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) },
        ] {
            var packed: [UInt8] = [], plain: [UInt8] = []
            compressor.compress(message.span, into: &packed)
            XCTAssertTrue(compressor.expand(packed.span, into: &plain, limit: message.count))
            XCTAssertEqual(plain, message)
            guard !message.isEmpty else { continue }
            plain = []
            XCTAssertFalse(compressor.expand(packed.span, into: &plain, limit: message.count - 1), "a bomb ends at the limit")
        }
    }

    /// The examples of clauses 7.2.3.1, 7.2.3.3 and 7.2.3.4: one block, a stored block, and a final block with the rest behind it.
    func testBlocksOfEveryKind_RFC7692_7_2_3() {
        let compressor = DeflateCompressor(windowBits: 15)
        let messages: [[UInt8]] = [
            [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00],
            [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00],
        ]
        for message in messages {
            var plain: [UInt8] = []
            XCTAssertTrue(compressor.expand(message.span, into: &plain, limit: 100), "\(message)")
            XCTAssertEqual(String(decoding: plain, as: UTF8.self), "Hello")
        }
        for damaged in [[0xFF, 0xFF, 0xFF], [0x07]] as [[UInt8]] {
            var plain: [UInt8] = []
            XCTAssertFalse(compressor.expand(damaged.span, into: &plain, limit: 100), "\(damaged)")
        }
    }

    /// Clause 7.2.3.4 allows final blocks; a message of nothing else is there to cost time.
    func testAFloodOfFinalBlocksIsDamage() {
        let compressor = DeflateCompressor(windowBits: 15)
        for (count, isTaken) in [(1, true), (64, true), (65, false), (100_000, false)] {
            var plain: [UInt8] = []
            let message = [[UInt8]](repeating: [3, 0], count: count).flatMap { $0 }
            XCTAssertEqual(compressor.expand(message.span, into: &plain, limit: 100), isTaken, "\(count)")
            XCTAssertEqual(plain, [])
        }
    }
}
