import RTC
import Wire
import XCTest

final class SendHistoryTests: XCTestCase {
    private func frame(_ size: Int) -> PacketisedFrame {
        var packetiser = VideoPacketiser(codec: .vp8, maximumPayload: 200)
        return packetiser.packetise(
            EncodedFrame(codec: .vp8, bytes: Array(repeating: 7, count: size), isKeyFrame: false, captureTime: .zero, timestamp: 0))!
    }

    func testFindsEveryPacketAcrossTheWrapOnceARoundTrip_RFC4585_6_2_1() {
        var history = SendHistory(keepsPackets: false)
        var next: UInt16 = 65_500
        let frame = frame(1000)
        for number in 0..<30 {
            history.begin(frame, firstSequence: next, at: .zero + .milliseconds(number * 10))
            next &+= UInt16(frame.packetCount)
        }
        let now = Instant.zero + .milliseconds(300)
        for offset in 0..<(30 * frame.packetCount) {
            let number = 65_500 &+ UInt16(offset)
            XCTAssertEqual(history.find(number, notWithin: .milliseconds(50), at: now)?.packet, offset % frame.packetCount)
            XCTAssertNil(history.find(number, notWithin: .milliseconds(50), at: now + .milliseconds(49)), "it is on its way")
            XCTAssertNotNil(history.find(number, notWithin: .milliseconds(50), at: now + .milliseconds(50)))
        }
        XCTAssertNil(history.find(65_499, notWithin: .zero, at: now))
        XCTAssertNil(history.find(next, notWithin: .zero, at: now))
    }

    func testRepairsAreOverdueWhenTheyAreAskedForAgainOrLate() {
        var history = SendHistory(keepsPackets: false)
        let frame = frame(600)
        history.begin(frame, firstSequence: 10, at: .zero)
        func isOverdue(_ number: UInt16, _ milliseconds: Int) -> Bool? {
            history.find(number, notWithin: .milliseconds(40), expected: .milliseconds(130), at: .zero + .milliseconds(milliseconds))?
                .isOverdue
        }
        XCTAssertEqual(isOverdue(10, 60), false)
        XCTAssertNil(isOverdue(10, 90), "it is on its way")
        XCTAssertEqual(isOverdue(10, 110), true, "it was lost once more")
        XCTAssertEqual(isOverdue(11, 131), true, "earlier requests were lost")
    }

    func testIsBoundedInTimeAndBytes() {
        var history = SendHistory(keepsPackets: false)
        let small = frame(100), large = frame(900_000)
        history.begin(small, firstSequence: 1, at: .zero)
        history.begin(small, firstSequence: 2, at: .zero + .milliseconds(1100))
        XCTAssertNil(history.find(1, notWithin: .zero, at: .zero + .milliseconds(1100)), "older than a second")
        XCTAssertNotNil(history.find(2, notWithin: .zero, at: .zero + .milliseconds(1100)))
        var next: UInt16 = 3
        for _ in 0..<3 {
            history.begin(large, firstSequence: next, at: .zero + .milliseconds(1200))
            next &+= UInt16(large.packetCount)
        }
        XCTAssertNil(history.find(2, notWithin: .zero, at: .zero + .milliseconds(1200)), "more than two megabytes")
        XCTAssertNotNil(history.find(next &- 1, notWithin: .zero, at: .zero + .milliseconds(1200)))
    }
}
