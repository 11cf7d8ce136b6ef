import RTC
import Wire
import XCTest

final class AudioReceiverTests: XCTestCase {
    private func receive(_ number: UInt16, in receiver: inout AudioReceiver, at milliseconds: Int) -> [ReceivedAudio] {
        var bytes: [UInt8] = [0x80, 111]
        bytes.append(u16: number)
        bytes.append(u32: UInt32(number) &* 960)
        bytes.append(u32: 1)
        bytes += [0x78, UInt8(truncatingIfNeeded: number)]
        let packet = try! RTPPacket(bytes.span)
        receiver.receive(packet, payload: bytes.span.extracting(packet.payload), at: .zero + .milliseconds(milliseconds))
        return drain(&receiver)
    }

    private func drain(_ receiver: inout AudioReceiver) -> [ReceivedAudio] {
        var found: [ReceivedAudio] = []
        while let audio = receiver.nextAudio() { found.append(audio) }
        return found
    }

    private func packet(_ number: UInt16) -> ReceivedAudio {
        .packet(bytes: [0x78, UInt8(truncatingIfNeeded: number)], timestamp: UInt32(number) &* 960)
    }

    func testReorderedPacketsComeOutInOrderAcrossTheWrap() {
        var receiver = AudioReceiver(ssrc: SSRC(1))
        XCTAssertEqual(receive(65_534, in: &receiver, at: 0), [packet(65_534)])
        XCTAssertEqual(receive(0, in: &receiver, at: 20), [])
        XCTAssertEqual(receive(65_535, in: &receiver, at: 25), [packet(65_535), packet(0)])
        XCTAssertEqual(receive(65_535, in: &receiver, at: 26), [], "a repetition")
    }

    func testASenderThatBeginsAgainIsFollowedFromItsSecondPacket_RFC3550_A_1() {
        for (first, next) in [(UInt16(20_000), UInt16(300)), (20_000, 40_000), (5000, 1000), (100, 65_000)] {
            var receiver = AudioReceiver(ssrc: SSRC(1))
            for number in first...(first + 4) { XCTAssertEqual(receive(number, in: &receiver, at: 0), [packet(number)]) }
            XCTAssertEqual(receive(next, in: &receiver, at: 100), [], "one packet says nothing")
            XCTAssertEqual(receive(first + 5, in: &receiver, at: 110), [packet(first + 5)], "a stray one is forgotten")
            XCTAssertEqual(receive(next + 10, in: &receiver, at: 120), [])
            XCTAssertEqual(receive(next + 11, in: &receiver, at: 140), [packet(next + 11)])
            XCTAssertEqual(receive(next + 12, in: &receiver, at: 160), [packet(next + 12)])
            let report = receiver.report(at: .zero + .seconds(1))
            XCTAssertEqual(report?.cumulativeLost, 0)
            XCTAssertNil(receiver.deadline)
        }
    }

    func testDelaySinceTheLastSenderReportEndsAtItsLargestValue_RFC3550_6_4_1() throws {
        for (delay, expected) in [
            (Duration.milliseconds(500), UInt32(32_768)), (.seconds(65_535), 65_535 << 16), (.seconds(864_000), .max),
        ] {
            var receiver = AudioReceiver(ssrc: SSRC(1))
            _ = receive(1, in: &receiver, at: 0)
            receiver.received(SenderInformation(ntp: 5 << 32, rtpTimestamp: 0, packets: 1, octets: 1), at: .zero + .seconds(1))
            let block = try XCTUnwrap(receiver.report(at: .zero + .seconds(1) + delay))
            XCTAssertEqual(block.lastSenderReport, 5 << 16)
            XCTAssertEqual(block.delaySinceLastSenderReport, expected)
        }
    }

    func testAGapIsConcealedAfterItsPatience() {
        var receiver = AudioReceiver(ssrc: SSRC(1))
        _ = receive(1, in: &receiver, at: 0)
        XCTAssertEqual(receive(4, in: &receiver, at: 60), [])
        guard let due = receiver.deadline else { return XCTFail("nobody waits") }
        XCTAssertTrue(due >= .zero + .milliseconds(80) && due <= .zero + .milliseconds(180), "\(due)")
        receiver.advance(to: due)
        XCTAssertEqual(drain(&receiver), [.lost(samples: 2 * 960), packet(4)])
        XCTAssertEqual(receive(2, in: &receiver, at: 300), [], "too late")
        XCTAssertNil(receiver.deadline)
    }

    func testSoundIsCutBeforeThePictureAndComesBackLater() {
        var cut = AudioCut()
        let steps: [(Int, Bool, Bool)] = [
            (500_000, true, false), (160_000, true, false), (149_000, true, true), (180_000, true, true), (200_000, true, false),
            (100_000, false, false),
        ]
        for (target, hasVideo, expected) in steps { XCTAssertEqual(cut.update(target: target, hasVideo: hasVideo), expected, "\(target)") }
    }
}
