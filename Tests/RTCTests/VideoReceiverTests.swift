import RTC
import Wire
import XCTest

final class VideoReceiverTests: XCTestCase {
    // MARK: Order

    func testFramesComeOutWholeInWhateverOrderTheirPacketsCome() {
        for seed in UInt64(1)...200 {
            var random = SeededRandom(seed: seed)
            var stream = Stream(first: UInt16(truncatingIfNeeded: random.next()), timestamp: UInt32(truncatingIfNeeded: random.next()))
            var packets: [Packet] = []
            var frames: [[UInt8]] = []
            for number in 0..<30 {
                let (sent, frame) = stream.frame(isKey: number == 0, packets: 1 + Int(random.next() % 9))
                packets += sent
                frames.append(frame)
            }
            // Each packet moves back by up to four places, and some come twice.
            var order = packets.enumerated().map { (Double($0.offset) + Double(random.next() % 1000) / 250, $0.element) }
            order += order.filter { _ in random.next() % 8 == 0 }.map { ($0.0 + 2, $0.1) }
            order.sort { $0.0 < $1.0 }
            var receiver = VideoReceiver(ssrc: SSRC(1), usesNack: true)
            var received: [[UInt8]] = []
            for (_, packet) in order { received += receiver.take(packet) }
            XCTAssertEqual(received, frames, "seed \(seed)")
            XCTAssertFalse(receiver.feedback(roundTrip: .milliseconds(50), at: .zero + .milliseconds(1)).wantsKeyFrame, "seed \(seed)")
        }
    }

    func testNumbersAndTimestampsWrap_RFC3550_5_1() {
        var stream = Stream(first: 65_530, timestamp: .max - 5000)
        var receiver = VideoReceiver(ssrc: SSRC(1), usesNack: true)
        for number in 0..<20 {
            let (packets, frame) = stream.frame(isKey: number == 0, packets: 3)
            XCTAssertEqual(packets.flatMap { receiver.take($0) }, [frame], "frame \(number)")
        }
    }

    // MARK: Loss

    func testALostPacketIsAskedForAndItsRetransmissionCompletesTheFrame_RFC4588() {
        var stream = Stream()
        var receiver = VideoReceiver(ssrc: SSRC(1), usesNack: true)
        let (first, _) = stream.frame(isKey: true, packets: 4)
        let (second, frame) = stream.frame(isKey: false, packets: 4)
        let (third, last) = stream.frame(isKey: false, packets: 2)
        for packet in first { _ = receiver.take(packet) }
        for (index, packet) in second.enumerated() where index != 2 { XCTAssertEqual(receiver.take(packet), []) }
        for packet in third { XCTAssertEqual(receiver.take(packet), []) }
        let feedback = receiver.feedback(roundTrip: .milliseconds(50), at: .zero)
        XCTAssertEqual(feedback.nack, [second[2].sequence])
        XCTAssertFalse(feedback.wantsKeyFrame)
        XCTAssertEqual(receiver.feedback(roundTrip: .milliseconds(50), at: .zero + .milliseconds(30)).nack, [], "once a round trip")
        XCTAssertEqual(receiver.feedback(roundTrip: .milliseconds(50), at: .zero + .milliseconds(56)).nack, [second[2].sequence])
        XCTAssertEqual(receiver.take(second[2], isRetransmission: true), [frame, last])
        XCTAssertNil(receiver.deadline)
    }

    func testAPacketThatNeverComesIsGivenUpForAKeyFrame() {
        for lost in 0..<4 {
            var stream = Stream()
            var receiver = VideoReceiver(ssrc: SSRC(1), usesNack: true)
            for packet in stream.frame(isKey: true, packets: 4).packets { _ = receiver.take(packet) }
            let (broken, _) = stream.frame(isKey: false, packets: 5)
            for (index, packet) in broken.enumerated() where index != lost { _ = receiver.take(packet) }
            var now = Instant.zero, plis = 0
            while now < .zero + .milliseconds(1000) {
                now += .milliseconds(20)
                XCTAssertEqual(
                    stream.frame(isKey: false, packets: 2).packets.flatMap { receiver.take($0, at: now) }, [], "nothing builds on a hole")
                if receiver.deadline ?? .distantFuture <= now, receiver.feedback(roundTrip: .milliseconds(50), at: now).wantsKeyFrame {
                    plis += 1
                }
            }
            XCTAssertTrue((2...3).contains(plis), "at most one a 300 ms: \(plis)")
            let (key, frame) = stream.frame(isKey: true, packets: 4)
            XCTAssertEqual(key.flatMap { receiver.take($0, at: now) }, [frame])
            let (next, delta) = stream.frame(isKey: false, packets: 2)
            XCTAssertEqual(next.flatMap { receiver.take($0, at: now) }, [delta])
        }
    }

    func testTwoHolesGivenUpTogetherDoNotBlockForEver() {
        var stream = Stream()
        var receiver = VideoReceiver(ssrc: SSRC(1), usesNack: true)
        for packet in stream.frame(isKey: true, packets: 2).packets { _ = receiver.take(packet) }
        // A hole, a whole key frame behind it, and another hole: the first is given up for the key frame, and then the second.
        _ = receiver.take(stream.frame(isKey: false, packets: 2).packets[1])
        for packet in stream.frame(isKey: true, packets: 3).packets { _ = receiver.take(packet) }
        _ = receiver.take(stream.frame(isKey: false, packets: 3).packets[2])
        var now = Instant.zero
        var wants = false
        for _ in 0..<100 {
            now += .milliseconds(10)
            guard let due = receiver.deadline, due <= now else { continue }
            wants = receiver.feedback(roundTrip: .milliseconds(50), at: now).wantsKeyFrame || wants
            while receiver.nextFrame() != nil {}
        }
        XCTAssertTrue(wants, "somebody must ask")
        let (key, frame) = stream.frame(isKey: true, packets: 3)
        XCTAssertEqual(key.flatMap { receiver.take($0, at: now) }, [frame])
    }

    func testALostMarkerIsWaitedForAndAForgottenOneIsNot() {
        var stream = Stream()
        var receiver = VideoReceiver(ssrc: SSRC(1), usesNack: true)
        let (key, frame) = stream.frame(isKey: true, packets: 3)
        let (next, delta) = stream.frame(isKey: false, packets: 2)
        for packet in key.dropLast() { XCTAssertEqual(receiver.take(packet), []) }
        for packet in next { XCTAssertEqual(receiver.take(packet), [], "the packet with the marker is missing") }
        XCTAssertEqual(receiver.take(key[2], isRetransmission: true), [frame, delta])
        // Some senders set no marker at all.
        var (unmarked, third) = stream.frame(isKey: false, packets: 2)
        unmarked[1].marker = false
        for packet in unmarked { XCTAssertEqual(receiver.take(packet), []) }
        let (last, fourth) = stream.frame(isKey: false, packets: 1)
        XCTAssertEqual(receiver.take(last[0]), [third, fourth])
    }

    func testALostKeyFrameBeginsNothing() {
        var stream = Stream()
        var receiver = VideoReceiver(ssrc: SSRC(1), usesNack: true)
        // Its first packet, with the parameter sets, is lost: the slice that follows must not be taken for the beginning (RFC 6184 clause 8.4).
        let (key, frame) = stream.frame(isKey: true, packets: 4)
        for packet in key.dropFirst() { XCTAssertEqual(receiver.take(packet), []) }
        for _ in 0..<5 { for packet in stream.frame(isKey: false, packets: 2).packets { XCTAssertEqual(receiver.take(packet), []) } }
        XCTAssertTrue(receiver.feedback(roundTrip: .milliseconds(50), at: .zero + .milliseconds(400)).wantsKeyFrame)
        let (second, again) = stream.frame(isKey: true, packets: 4)
        XCTAssertEqual(second.flatMap { receiver.take($0) }, [again])
        XCTAssertNotEqual(frame, again)
    }

    func testAnInnerSliceOfAKeyFrameIsNoBeginning() {
        var receiver = VideoReceiver(ssrc: SSRC(1), usesNack: true)
        var stream = Stream()
        for packet in stream.frame(isKey: true, packets: 2).packets { _ = receiver.take(packet) }
        // Lost: the parameter sets and the first slice. There: a second slice (first_mb_in_slice is not 0).
        _ = receiver.feedback(roundTrip: nil, at: .zero)
        stream.skip(2)
        _ = receiver.take(stream.packet([0x65, 0x40, 1, 2, 3], marker: true))
        _ = receiver.take(stream.packet([0x61, 0x88, 1], marker: true, newPicture: true))
        var now = Instant.zero
        for _ in 0..<100 {
            now += .milliseconds(10)
            if receiver.deadline ?? .distantFuture <= now { _ = receiver.feedback(roundTrip: .milliseconds(50), at: now) }
        }
        XCTAssertNil(receiver.nextFrame())
    }

    func testAnIDRWithoutParameterSetsBeginsOnlyWhereTheyAreKnownAndNothingStoodBefore() {
        var stream = Stream()
        var receiver = VideoReceiver(ssrc: SSRC(1), usesNack: false)
        XCTAssertEqual(receiver.take(stream.packet([0x65, 0x88, 1, 2], marker: true)), [], "no parameter sets yet")
        for packet in stream.frame(isKey: true, packets: 2).packets { _ = receiver.take(packet) }
        let frames = receiver.take(stream.packet([0x65, 0x88, 3, 4], marker: true, newPicture: true))
        XCTAssertEqual(frames, [[0, 0, 0, 1, 0x65, 0x88, 3, 4]])
    }

    func testThePacketsBeforeTheFirstThatCameAreTaken() {
        var stream = Stream()
        var receiver = VideoReceiver(ssrc: SSRC(1), usesNack: true)
        let (key, frame) = stream.frame(isKey: true, packets: 3)
        XCTAssertEqual([key[1], key[0], key[2]].flatMap { receiver.take($0) }, [frame])
    }

    func testWithoutNackAHoleAsksForAKeyFrameAfterAMoment() {
        var stream = Stream()
        var receiver = VideoReceiver(ssrc: SSRC(1), usesNack: false)
        for packet in stream.frame(isKey: true, packets: 2).packets { _ = receiver.take(packet) }
        let (broken, frame) = stream.frame(isKey: false, packets: 3)
        _ = receiver.take(broken[0], at: .zero + .milliseconds(500))
        _ = receiver.take(broken[2], at: .zero + .milliseconds(500))
        XCTAssertFalse(receiver.feedback(roundTrip: nil, at: .zero + .milliseconds(510)).wantsKeyFrame, "it may only be late")
        XCTAssertEqual(receiver.take(broken[1], at: .zero + .milliseconds(511)), [frame])
        stream.skip(1)
        _ = receiver.take(stream.frame(isKey: false, packets: 1).packets[0], at: .zero + .milliseconds(520))
        XCTAssertTrue(receiver.feedback(roundTrip: nil, at: .zero + .milliseconds(560)).wantsKeyFrame)
    }

    // MARK: Strange packets

    func testPaddingOnlyPacketsAreNoFrames_RFC3550_5_1() {
        var stream = Stream()
        var receiver = VideoReceiver(ssrc: SSRC(1), usesNack: true)
        for number in 0..<10 {
            let (packets, frame) = stream.frame(isKey: number == 0, packets: 2)
            XCTAssertEqual(packets.flatMap { receiver.take($0) }, [frame])
            for _ in 0..<3 { XCTAssertEqual(receiver.take(stream.packet([], marker: false)), []) }
        }
        XCTAssertNil(receiver.deadline)
    }

    func testOneWildNumberDoesNotEndTheStream_RFC3550_A_1() {
        var stream = Stream()
        var receiver = VideoReceiver(ssrc: SSRC(1), usesNack: true)
        for packet in stream.frame(isKey: true, packets: 2).packets { _ = receiver.take(packet) }
        for wild in [UInt16(20_000), 40_000, 60_000] {
            _ = receiver.take(Packet(sequence: wild, timestamp: 77, marker: true, payload: [0x61, 1, 2]))
            let (packets, frame) = stream.frame(isKey: false, packets: 2)
            XCTAssertEqual(packets.flatMap { receiver.take($0) }, [frame])
        }
        // Two in a row are a sender that begins anew.
        var other = Stream(first: 30_000, timestamp: 5)
        var received: [[UInt8]] = []
        for number in 0..<3 { for packet in other.frame(isKey: number < 2, packets: 2).packets { received += receiver.take(packet) } }
        XCTAssertEqual(received.count, 2)
    }

    func testFloodsStayBoundedAndTheStreamComesBack() {
        var random = SeededRandom(seed: 5)
        var receiver = VideoReceiver(ssrc: SSRC(1), usesNack: true)
        var now = Instant.zero
        for _ in 0..<60_000 {
            now += .microseconds(10)
            let payload = (0..<Int(random.next() % 12)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            let packet = Packet(
                sequence: UInt16(truncatingIfNeeded: random.next()), timestamp: UInt32(random.next() % 4), marker: random.next() % 2 == 0,
                payload: payload)
            _ = receiver.take(packet, codec: random.next() % 2 == 0 ? .vp8 : .h264, at: now)
            XCTAssertLessThanOrEqual(receiver.capacity, 2048)
            if receiver.deadline ?? .distantFuture <= now {
                XCTAssertLessThanOrEqual(receiver.feedback(roundTrip: nil, at: now).nack.count, 500)
            }
        }
        var stream = Stream(first: 12_345)
        var received: [[UInt8]] = []
        for _ in 0..<3 { for packet in stream.frame(isKey: true, packets: 3).packets { received += receiver.take(packet, at: now) } }
        XCTAssertGreaterThanOrEqual(received.count, 1)
    }

    func testACleanStreamKeepsLittleRoom() {
        var stream = Stream()
        var receiver = VideoReceiver(ssrc: SSRC(1), usesNack: true)
        for number in 0..<200 { for packet in stream.frame(isKey: number == 0, packets: 8).packets { _ = receiver.take(packet) } }
        XCTAssertEqual(receiver.capacity, 128)
    }
}

// MARK: -

private struct Packet {
    var sequence: UInt16
    var timestamp: UInt32
    var marker: Bool
    var payload: [UInt8]

    var bytes: [UInt8] {
        var bytes: [UInt8] = [0x80, (marker ? 0x80 : 0) | 96]
        bytes.append(u16: sequence)
        bytes.append(u32: timestamp)
        bytes.append(u32: 1)
        return bytes + payload
    }
}

/// An H.264 stream in packets: a key frame is a STAP-A of parameter sets and an IDR slice in fragments, or in one packet.
private struct Stream {
    var next: UInt16
    var timestamp: UInt32
    private var fill: UInt8 = 3

    init(first: UInt16 = 1000, timestamp: UInt32 = 90_000) {
        next = first
        self.timestamp = timestamp
    }

    mutating func skip(_ count: UInt16) { next &+= count }

    mutating func packet(_ payload: [UInt8], marker: Bool, newPicture: Bool = false) -> Packet {
        if newPicture { timestamp &+= 3000 }
        defer { next &+= 1 }
        return Packet(sequence: next, timestamp: timestamp, marker: marker, payload: payload)
    }

    mutating func frame(isKey: Bool, packets count: Int) -> (packets: [Packet], frame: [UInt8]) {
        timestamp &+= 3000
        fill = fill &+ 1 | 2
        var packets: [Packet] = [], frame: [UInt8] = []
        var left = count
        if isKey, count > 1 {
            let sps: [UInt8] = [0x67, 0x42, 0xE0, 0x1F], pps: [UInt8] = [0x68, 0xCE, 0x3C]
            packets.append(packet([0x78, 0, 4] + sps + [0, 3] + pps, marker: false))
            frame += [0, 0, 0, 1] + sps + [0, 0, 0, 1] + pps
            left -= 1
        } else if isKey {
            let sps: [UInt8] = [0x67, 0x42, 0xE0, 0x1F], slice: [UInt8] = [0x65, 0x88, fill]
            return ([packet([0x78, 0, 4] + sps + [0, 3] + slice, marker: true)], [0, 0, 0, 1] + sps + [0, 0, 0, 1] + slice)
        }
        let header: UInt8 = isKey ? 0x65 : 0x61
        frame += [0, 0, 0, 1, header]
        for piece in 0..<left {
            let bytes: [UInt8] = (piece == 0 ? [0x88] : []) + Array(repeating: fill, count: 20 + piece)
            frame += bytes
            if left == 1 {
                packets.append(packet([header] + bytes, marker: true))
            } else {
                let flags: UInt8 = (piece == 0 ? 0x80 : 0) | (piece == left - 1 ? 0x40 : 0)
                packets.append(packet([header & 0xE0 | 28, header & 0x1F | flags] + bytes, marker: piece == left - 1))
            }
        }
        return (packets, frame)
    }
}

extension VideoReceiver {
    /// Takes a packet and answers the frames that came whole by it.
    fileprivate mutating func take(
        _ packet: Packet, codec: CodecKind = .h264, isRetransmission: Bool = false, at now: Instant = .zero
    ) -> [[UInt8]] {
        let bytes = packet.bytes
        guard let parsed = try? RTPPacket(bytes.span) else { return [] }
        receive(parsed, payload: bytes.span.extracting(parsed.payload), codec: codec, isRetransmission: isRetransmission, at: now)
        var frames: [[UInt8]] = []
        while let frame = nextFrame() { frames.append(frame.bytes) }
        return frames
    }
}
