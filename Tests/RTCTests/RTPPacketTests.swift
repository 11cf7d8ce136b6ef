import RTC
import Wire
import XCTest

final class RTPPacketTests: XCTestCase {
    private func header(_ ids: [HeaderExtension: UInt8], _ block: HeaderExtensionBlock) -> [UInt8] {
        var bytes: [UInt8] = []
        RTPHeader(payloadType: PayloadType(96), marker: true, sequenceNumber: 0xFFFE, timestamp: 0xDEAD_BEEF, ssrc: SSRC(7))
            .write(to: &bytes, extensions: block, ids: HeaderExtensionMap(ids))
        return bytes
    }

    func testFieldsRoundTripRFC3550Clause5_1() throws {
        let packet = try RTPPacket((header([:], HeaderExtensionBlock()) + [1, 2, 3]).span)
        XCTAssertEqual(packet.payloadType, PayloadType(96))
        XCTAssertTrue(packet.marker)
        XCTAssertEqual(packet.sequenceNumber, 0xFFFE)
        XCTAssertEqual(packet.timestamp, 0xDEAD_BEEF)
        XCTAssertEqual(packet.ssrc, SSRC(7))
        XCTAssertEqual(packet.payload, 12..<15)
    }

    func testExtensionsInBothFormsRFC8285() throws {
        var block = HeaderExtensionBlock()
        block.mid = Array("video".utf8)
        block.transportSequence = 0x1234
        block.playoutDelay = (3, 0xFFF)
        block.absoluteCaptureTime = 0x0102_0304_0506_0708
        for ids: [HeaderExtension: UInt8] in [
            [.mid: 1, .transportSequence: 3, .playoutDelay: 14, .absoluteCaptureTime: 5],
            [.mid: 1, .transportSequence: 200, .playoutDelay: 14, .absoluteCaptureTime: 5],
        ] {
            let bytes = header(ids, block) + [9]
            let packet = try RTPPacket(bytes.span)
            func element(_ name: HeaderExtension) -> [UInt8]? { packet.element(ids[name]!, in: bytes.span).map { Array(bytes[$0]) } }
            XCTAssertEqual(element(.mid), Array("video".utf8))
            XCTAssertEqual(element(.transportSequence), [0x12, 0x34])
            XCTAssertEqual(element(.playoutDelay), [0, 0x3F, 0xFF])
            XCTAssertEqual(element(.absoluteCaptureTime), [1, 2, 3, 4, 5, 6, 7, 8])
            XCTAssertNil(packet.element(9, in: bytes.span))
            XCTAssertEqual(bytes[packet.payload], [9])
        }
    }

    func testMalformedPacketsAreRefusedWithTheRule() {
        let cases: [([UInt8], RTPError)] = [
            ([0x80], .truncated), (Array(repeating: 0x40, count: 12), .version(1)),
            ([0x81] + Array(repeating: 0, count: 11), .truncated),  // a CSRC that is not there
            ([0x90] + Array(repeating: 0, count: 11), .truncated),  // an extension that is not there
            ([0x90] + Array(repeating: 0, count: 11) + [0xBE, 0xDE, 0, 9], .truncated),
            ([0xA0] + Array(repeating: 0, count: 11), .padding), ([0xA0] + Array(repeating: 0, count: 12), .padding),
            ([0xA0] + Array(repeating: 0, count: 11) + [5], .padding),
        ]
        for (bytes, expected) in cases {
            XCTAssertThrowsError(try RTPPacket(bytes.span), "\(bytes)") { XCTAssertEqual($0 as? RTPError, expected, "\(bytes)") }
        }
    }

    func testSequenceNumbersAreExtendedAcrossTheWrapRFC3550AppendixA1() {
        var unwrapper = SequenceUnwrapper()
        let numbers: [(UInt16, Int64)] = [(65_534, 65_534), (65_535, 65_535), (1, 65_537), (0, 65_536), (65_533, 65_533), (2, 65_538)]
        for (number, expected) in numbers { XCTAssertEqual(unwrapper.unwrap(number), expected) }
    }
}
