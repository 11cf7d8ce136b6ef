import RTC
import Wire
import XCTest

final class RTCPPacketTests: XCTestCase {
    private let block = ReportBlock(
        ssrc: SSRC(9), fractionLost: 25, cumulativeLost: -3, highestSequence: 0x1_FFFF, jitter: 77, lastSenderReport: 0xAABB_CCDD,
        delaySinceLastSenderReport: 65_536)

    func testEveryPacketRoundTrips() throws {
        let packets: [RTCPPacket] = [
            .senderReport(SSRC(1), SenderInformation(ntp: 0x0102_0304_0506_0708, rtpTimestamp: 9, packets: 10, octets: 11), [block]),
            .receiverReport(SSRC(2), [block, block]), .receiverReport(SSRC(2), []),
            .sourceDescription([SourceDescription(ssrc: SSRC(3), cname: "waldo"), SourceDescription(ssrc: SSRC(4), cname: "abc")]),
            .goodbye([SSRC(5), SSRC(6)]), .nack(sender: SSRC(1), media: SSRC(2), [5, 6, 21, 22, 60_000, 65_535, 0]),
            .pictureLoss(sender: SSRC(1), media: SSRC(2)),
            .fullIntraRequest(sender: SSRC(1), [FIREntry(ssrc: SSRC(2), sequence: 200)]),
            .remb(sender: SSRC(1), bitrate: 1_500_160, [SSRC(2), SSRC(3)]), .remb(sender: SSRC(1), bitrate: 131_071, [SSRC(2)]),
            .transportFeedback(
                TransportFeedback(
                    sender: SSRC(1), media: SSRC(2), baseSequence: 65_530, referenceTime: -5, feedbackCount: 255,
                    deltas: [0, 255, nil, 256, -1, nil, nil, nil, nil, nil, nil, nil, nil, nil, 7, 32_767, -32_768])),
        ]
        var compound: [UInt8] = []
        for packet in packets {
            var single: [UInt8] = []
            packet.write(to: &single)
            XCTAssertEqual(try RTCPPacket.parse(single.span), [packet])
            compound += single
        }
        XCTAssertEqual(try RTCPPacket.parse(compound.span), packets)
    }

    func testLongRunsInTransportFeedback() throws {
        for count in [1, 6, 7, 8, 100, 5000] {
            let deltas = (0..<count).map { $0 % 50 < 40 ? Int16($0 % 3) : nil }
            let feedback = TransportFeedback(
                sender: SSRC(1), media: SSRC(2), baseSequence: 3, referenceTime: 8_388_607, feedbackCount: 0, deltas: deltas)
            var bytes: [UInt8] = []
            RTCPPacket.transportFeedback(feedback).write(to: &bytes)
            XCTAssertEqual(try RTCPPacket.parse(bytes.span), [.transportFeedback(feedback)], "\(count)")
        }
    }

    func testMalformedPacketsAreRefused() {
        let cases: [([UInt8], RTCPError)] = [
            ([0x80, 200], .truncated), ([0x80, 201, 0, 1], .truncated), ([0, 201, 0, 0], .version(0)),
            ([0x80, 96, 0, 0], .notRTCP(packetType: 96)),
            ([0x81, 201, 0, 1, 0, 0, 0, 1], .malformed(packetType: 201)), ([0x80, 200, 0, 0], .malformed(packetType: 200)),
            ([0x8F, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2], .malformed(packetType: 205)),
            ([0xA0, 203, 0, 0], .malformed(packetType: 203)),
        ]
        for (bytes, expected) in cases {
            XCTAssertThrowsError(try RTCPPacket.parse(bytes.span)) { XCTAssertEqual($0 as? RTCPError, expected, "\(bytes)") }
        }
    }

    func testUnknownTypesAndFormatsArePassedOver() throws {
        XCTAssertEqual(try RTCPPacket.parse([0x80, 207, 0, 0].span), [.other(packetType: 207, format: 0)])
        XCTAssertEqual(
            try RTCPPacket.parse(([0x8F, 206, 0, 3] + Array(repeating: 0, count: 12)).span), [.other(packetType: 206, format: 15)])
    }
}
