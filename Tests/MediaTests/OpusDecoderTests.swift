import Media
import RTC
import Wire
import XCTest

final class OpusDecoderTests: XCTestCase {
    private func tone(_ packet: Int) -> [Int16] {
        (0..<960).map { index in
            let phase = Double((packet * 960 + index) % 480) / 480
            return Int16((phase < 0.5 ? phase * 4 - 1 : 3 - phase * 4) * 8000)
        }
    }

    private func level(_ samples: [Int16]) -> Int { samples.map { abs(Int($0)) }.reduce(0, +) / max(samples.count, 1) }

    func testWhatWasSaidIsHeardInWholePieces() throws {
        let encoder = try OpusEncoder(bitrate: 32_000), decoder = try OpusDecoder()
        var pieces: [[Int16]] = []
        for packet in 0..<50 {
            let bytes = try encoder.encode(tone(packet))
            decoder.receive(.packet(bytes: bytes, timestamp: UInt32(packet * 960))) { pieces.append($0) }
        }
        XCTAssertEqual(pieces.count, 50)
        XCTAssertTrue(pieces.allSatisfy { $0.count == 960 })
        XCTAssertEqual(level(pieces[20...].flatMap { $0 }), level(tone(0)), accuracy: 1500)
    }

    /// RFC 6716 clause 2.1.7: what one packet lost, the next tells; more is made up.
    func testLossesAreConcealedAndKeepTheTime() throws {
        for lost in [1, 3, 8] {
            let encoder = try OpusEncoder(bitrate: 32_000), decoder = try OpusDecoder()
            var pieces: [[Int16]] = []
            for packet in 0..<40 {
                let bytes = try encoder.encode(tone(packet))
                guard !(20..<(20 + lost)).contains(packet) else { continue }
                if packet == 20 + lost { decoder.receive(.lost(samples: lost * 960)) { pieces.append($0) } }
                decoder.receive(.packet(bytes: bytes, timestamp: 0)) { pieces.append($0) }
            }
            XCTAssertEqual(pieces.count, 40, "\(lost) lost")
            XCTAssertEqual(decoder.concealedSamples, lost * 960)
            XCTAssertGreaterThan(level(pieces[20]), 300, "the first lost piece is not silence")
        }
    }

    func testALongLossIsNotMadeUpAtLength() throws {
        let decoder = try OpusDecoder()
        var count = 0
        for _ in 0..<1000 { decoder.receive(.lost(samples: 48_000)) { _ in count += 1 } }
        decoder.receive(.packet(bytes: try OpusEncoder(bitrate: 32_000).encode(tone(0)), timestamp: 0)) { _ in count += 1 }
        XCTAssertLessThanOrEqual(count, 11)
    }

    func testGarbageIsCountedAndNeverTraps() throws {
        for seed in UInt64(1)...20 {
            var random = SeededRandom(seed: seed)
            let decoder = try OpusDecoder()
            for _ in 0..<200 {
                let bytes = (0..<Int(random.next() % 200)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                let audio =
                    random.next() % 5 == 0
                    ? ReceivedAudio.lost(samples: Int(random.next() % 20_000) - 5000) : .packet(bytes: bytes, timestamp: 0)
                decoder.receive(audio) { XCTAssertEqual($0.count, 960, "seed \(seed)") }
            }
            XCTAssertGreaterThan(decoder.malformed, 0, "seed \(seed)")
        }
    }
}
