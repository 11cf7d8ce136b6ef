import RTC
import Wire
import XCTest

final class PayloadFormatTests: XCTestCase {
    private func unit(_ type: UInt8, _ length: Int) -> [UInt8] { [0x60 | type] + (1..<length).map { UInt8($0 % 250 + 1) } }

    private func annexB(_ units: [[UInt8]]) -> [UInt8] { units.flatMap { [0, 0, 0, 1] + $0 } }

    private func frame(_ codec: CodecKind, _ bytes: [UInt8]) -> EncodedFrame {
        EncodedFrame(codec: codec, bytes: bytes, isKeyFrame: true, captureTime: .zero, timestamp: 0)
    }

    private func payloads(_ frame: PacketisedFrame) -> [[UInt8]] {
        (0..<frame.packetCount).map { Array(frame.payloads[frame.range(of: $0)]) }
    }

    func testH264SurvivesCuttingAndJoiningRFC6184() throws {
        let shapes: [[[UInt8]]] = [
            [unit(7, 20), unit(8, 5), unit(5, 40_000)], [unit(1, 1)], [unit(1, 1138)], [unit(1, 1139)],
            [unit(1, 5000), unit(1, 30), unit(1, 30)],
            [unit(7, 2000), unit(8, 3), unit(5, 3)],
        ]
        for shape in shapes {
            var packetiser = VideoPacketiser(codec: .h264)
            let packets = payloads(try XCTUnwrap(packetiser.packetise(frame(.h264, annexB(shape)))))
            XCTAssertTrue(packets.allSatisfy { $0.count <= VideoPacketiser.defaultMaximumPayload })
            var joined: [UInt8] = []
            for packet in packets { try H264Payload.depacketise(packet.span, into: &joined, limit: 100_000) }
            XCTAssertEqual(joined, annexB(shape))
        }
    }

    func testFragmentsOfAFrameAreEqualButTheLast() throws {
        for size in [1200, 5000, 9999, 60_001] {
            for codec in [CodecKind.h264, .vp8] {
                var packetiser = VideoPacketiser(codec: codec)
                let bytes = codec == .h264 ? annexB([unit(1, size)]) : [UInt8](repeating: 1, count: size)
                let sizes = payloads(try XCTUnwrap(packetiser.packetise(frame(codec, bytes)))).map(\.count)
                XCTAssertEqual(Set(sizes.dropLast()).count, 1, "\(codec) \(size): \(sizes)")
                XCTAssertLessThanOrEqual(sizes.last!, sizes[0])
            }
        }
    }

    func testDelimitersAreLeftOutAndEmptyFramesRefused() throws {
        var packetiser = VideoPacketiser(codec: .h264)
        let packets = payloads(try XCTUnwrap(packetiser.packetise(frame(.h264, annexB([unit(9, 2), unit(1, 10)])))))
        XCTAssertEqual(packets, [unit(1, 10)])
        XCTAssertNil(packetiser.packetise(frame(.h264, [])))
        XCTAssertNil(packetiser.packetise(frame(.h264, [0, 0, 0, 1])))
        XCTAssertNil(packetiser.packetise(frame(.vp8, [1])))
    }

    func testHostilePayloadsAreTypedErrors() {
        let cases: [([UInt8], PayloadError)] = [
            ([], .empty), ([0x18, 0, 9, 1], .truncated), ([0x18, 0, 0], .truncated), ([0x7C, 0x05, 1], .orphanFragment),
            ([0x7C, 0x85], .truncated),
            ([0x1D, 1, 2], .unsupported(29)), ([0], .unsupported(0)),
        ]
        for (payload, expected) in cases {
            var joined: [UInt8] = []
            XCTAssertThrowsError(try H264Payload.depacketise(payload.span, into: &joined, limit: 1000)) {
                XCTAssertEqual($0 as? PayloadError, expected, "\(payload)")
            }
        }
        var full: [UInt8] = Array(repeating: 0, count: 990)
        XCTAssertThrowsError(try H264Payload.depacketise([1, 2, 3].span, into: &full, limit: 1000))
    }

    func testVP8DescriptorFormsRFC7741Clause4_2() throws {
        let forms: [([UInt8], Bool, UInt16?, Int)] = [
            ([0x10, 1], true, nil, 1), ([0x00, 1], false, nil, 1), ([0x11, 1], false, nil, 1), ([0x90, 0x80, 0x12, 1], true, 0x12, 3),
            ([0x90, 0x80, 0x81, 0x23, 1], true, 0x123, 4), ([0x90, 0xF0, 0x81, 0x23, 4, 5, 1], true, 0x123, 6),
            ([0x90, 0x20, 5, 1], true, nil, 3),
        ]
        for (payload, starts, picture, length) in forms {
            let descriptor = try VP8Payload.Descriptor(payload.span)
            XCTAssertEqual(descriptor.startsFrame, starts, "\(payload)")
            XCTAssertEqual(descriptor.pictureID, picture, "\(payload)")
            XCTAssertEqual(descriptor.headerLength, length, "\(payload)")
        }
        for payload: [UInt8] in [[], [0x90], [0x90, 0x80], [0x90, 0x80, 0x80], [0x10], [0x90, 0x40], [0x90, 0x10]] {
            XCTAssertThrowsError(try VP8Payload.Descriptor(payload.span), "\(payload)")
        }
    }

    func testVP8PictureIDsRiseAndWrapAt15Bits() throws {
        var packetiser = VideoPacketiser(codec: .vp8)
        var last: UInt16?
        for _ in 0..<(0x8000 + 2) {
            let packet = payloads(try XCTUnwrap(packetiser.packetise(frame(.vp8, [0, 1])))).first!
            let id = try XCTUnwrap(VP8Payload.Descriptor(packet.span).pictureID)
            if let last { XCTAssertEqual(id, (last + 1) & 0x7FFF) }
            last = id
        }
    }

    func testOpusLengthsRFC6716Clause3_1() {
        let table: [([UInt8], Int?)] = [
            ([0x78, 1], 960), ([0x00], 480), ([0x18], 2880), ([0xE0], 120), ([0x79], 1920), ([0x7B, 6], 5760), ([0x7B, 7], nil),
            ([0x7B], nil),
            ([0x7B, 0], nil), ([], nil), ([0x60], 480), ([0x68], 960),
        ]
        for (packet, samples) in table { XCTAssertEqual(OpusPayload.samples(packet.span), samples, "\(packet)") }
    }
}
