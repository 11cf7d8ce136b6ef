import RTC
import Wire
import XCTest

final class TURNFramerTests: XCTestCase {
    private func messages<Framer: StreamDeframer>(_ stream: [UInt8], _ type: Framer.Type, seed: UInt64) throws -> [[UInt8]] {
        var random = SeededRandom(seed: seed), framer = Framer(), out: [[UInt8]] = [], rest = stream[...]
        while !rest.isEmpty {
            let piece = rest.prefix(1 + Int(random.next() % 40))
            rest = rest.dropFirst(piece.count)
            try framer.append(Array(piece).span)
            while let message = try framer.next() { out.append(message) }
        }
        return out
    }

    func testMessagesSurviveAnyCut_RFC4571_2_and_RFC8656_12_5() throws {
        var channelData: [[UInt8]] = []
        for length in 0..<9 { channelData.append([0x40, 0, 0, UInt8(length)] + [UInt8](repeating: 7, count: length)) }
        let stun = STUNMessage(.request, .allocate, STUNTransactionID(high: 1, low: 2)).encoded(fingerprint: true)
        let turn = channelData + [stun, stun] + channelData
        let plain = [[], [1], stun, [UInt8](repeating: 3, count: 65_535)]
        var turnStream: [UInt8] = [], plainStream: [UInt8] = []
        for message in turn { TurnFramer.frame(message.span, into: &turnStream) }
        for message in plain { RFC4571Framer.frame(message.span, into: &plainStream) }
        XCTAssertEqual(turnStream.count % 4, 0)
        for seed in UInt64(1)...20 {
            XCTAssertEqual(try messages(turnStream, TurnFramer.self, seed: seed), turn, "seed \(seed)")
            XCTAssertEqual(try messages(plainStream, RFC4571Framer.self, seed: seed), plain, "seed \(seed)")
        }
    }

    func testStreamsOutOfStepAreRefused() {
        for (bytes, error) in [
            ([UInt8](repeating: 0x80, count: 4), StreamFramingError.notFramed(firstByte: 0x80)), ([0, 1, 0, 3], .notFramed(firstByte: 0)),
        ] {
            var framer = TurnFramer()
            XCTAssertNoThrow(try framer.append(bytes.span))
            XCTAssertThrowsError(try framer.next()) { XCTAssertEqual($0 as? StreamFramingError, error) }
        }
        var framer = RFC4571Framer()
        XCTAssertNoThrow(try framer.append([UInt8](repeating: 255, count: 65_536).span))
        XCTAssertThrowsError(try framer.append([UInt8](repeating: 255, count: 65_537).span), "unread bytes are bounded")
    }
}
