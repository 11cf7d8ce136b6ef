import NetSim
import RTC
import Wire
import XCTest

/// Data channels between two whole peers with the real OpenSSL and usrsctp (RFC 8831, 8832).
final class DataChannelTests: XCTestCase {
    private func messages(_ events: [PeerEvent]) -> [DataMessage] {
        events.compactMap { if case .dataChannel(.message(_, let message)) = $0 { message } else { nil } }
    }

    private func opened(_ events: [PeerEvent]) -> [DataChannelOptions] {
        events.compactMap { if case .dataChannel(.opened(_, let options)) = $0 { options } else { nil } }
    }

    func testEveryKindOfChannelAndMessage() throws {
        var pair = try Pair()
        let wanted = [
            DataChannelOptions(label: "reliable", protocolName: "p"), DataChannelOptions(label: "unordered", isOrdered: false),
            DataChannelOptions(label: "once", isOrdered: false, reliability: .maxRetransmits(0)),
            DataChannelOptions(label: "fresh", reliability: .maxLifetime(milliseconds: 150)),
        ]
        let channels = try wanted.map { try pair.offerer.openDataChannel($0, at: pair.now) }
        try pair.negotiate()
        pair.run(for: .seconds(1))
        XCTAssertEqual(opened(pair.answererEvents), wanted)
        let sent: [DataMessage] = [
            .text("héllo"), .text(""), .binary([]), .binary([0, 255]), .binary(Array(repeating: 7, count: 262_144)),
            .text(String(repeating: "x", count: 262_144)),
        ]
        for message in sent {
            try pair.offerer.send(message, on: channels[0], at: pair.now)
            pair.run(for: .milliseconds(500))
        }
        XCTAssertEqual(messages(pair.answererEvents), sent)
        for channel in channels { try pair.offerer.send(.text("each"), on: channel, at: pair.now) }
        pair.run(for: .milliseconds(100))
        XCTAssertEqual(messages(pair.answererEvents).count, sent.count + channels.count)
    }

    func testNegotiatedChannelsNeedNoAnnouncement() throws {
        var pair = try Pair()
        let options = DataChannelOptions(label: "agreed", negotiated: StreamID(255))
        let ours = try pair.offerer.openDataChannel(options, at: pair.now)
        _ = try pair.answerer.openDataChannel(options, at: pair.now)
        try pair.negotiate()
        pair.run(for: .seconds(1))
        try pair.offerer.send(.text("agreed"), on: ours, at: pair.now)
        pair.run(for: .milliseconds(100))
        XCTAssertEqual(messages(pair.answererEvents), [.text("agreed")])
        for taken in [255, 256] as [UInt16] {
            let options = DataChannelOptions(label: "not to be had", negotiated: StreamID(taken))
            XCTAssertThrowsError(try pair.offerer.openDataChannel(options, at: pair.now)) {
                XCTAssertEqual($0 as? DataChannelError, .streamUnavailable(StreamID(taken), highest: StreamID(255)))
            }
        }
    }

    func testClosingReachesTheOtherSideAndFreesTheStream() throws {
        var pair = try Pair()
        let first = try pair.offerer.openDataChannel(DataChannelOptions(label: "first"), at: pair.now)
        try pair.negotiate()
        pair.run(for: .seconds(1))
        pair.offerer.closeDataChannel(first, at: pair.now)
        pair.run(for: .seconds(1))
        XCTAssertNil(pair.offerer.dataChannelState(first))
        XCTAssertTrue(pair.answererEvents.contains { if case .dataChannel(.closed) = $0 { true } else { false } })
        XCTAssertThrowsError(try pair.offerer.send(.text("late"), on: first, at: pair.now)) {
            XCTAssertEqual($0 as? DataChannelError, .unknownChannel)
        }
        let second = try pair.offerer.openDataChannel(DataChannelOptions(label: "second"), at: pair.now)
        pair.run(for: .seconds(1))
        XCTAssertEqual(pair.offerer.dataChannelState(second), .open)
        XCTAssertEqual(pair.offerer.statistics.dataChannels.first?.stream, pair.answerer.statistics.dataChannels.first?.stream)
    }

    func testTooLargeAndTooMuchAreErrorsAndNothingIsLost() throws {
        var pair = try Pair()
        let channel = try pair.offerer.openDataChannel(DataChannelOptions(label: "bulk"), at: pair.now)
        XCTAssertThrowsError(try pair.offerer.send(.text("early"), on: channel, at: pair.now)) {
            XCTAssertEqual($0 as? DataChannelError, .notOpen(.connecting))
        }
        try pair.negotiate()
        pair.run(for: .seconds(1))
        XCTAssertThrowsError(try pair.offerer.send(.binary(Array(repeating: 0, count: 262_145)), on: channel, at: pair.now)) {
            XCTAssertEqual($0 as? DataChannelError, .tooLarge(bytes: 262_145, limit: 262_144))
        }
        var taken = 0
        do {
            while taken < 100 {
                try pair.offerer.send(.binary(Array(repeating: UInt8(taken), count: 100_000)), on: channel, at: pair.now)
                taken += 1
            }
            XCTFail("a buffer without bound")
        } catch { XCTAssertEqual(error, .bufferFull) }
        XCTAssertGreaterThan(pair.offerer.bufferedAmount, 0)
        pair.run(for: .seconds(10))
        XCTAssertEqual(messages(pair.answererEvents).count, taken)
        XCTAssertEqual(pair.offerer.bufferedAmount, 0)
    }

    func testChannelsEndWithThePeer() throws {
        var pair = try Pair()
        _ = try pair.offerer.openDataChannel(DataChannelOptions(label: "x"), at: pair.now)
        try pair.negotiate()
        pair.run(for: .seconds(1))
        pair.offerer.close(at: pair.now)
        pair.run(for: .seconds(1))
        XCTAssertEqual(pair.offerer.state, .closed)
        XCTAssertEqual(pair.answerer.state, .closed)
        XCTAssertTrue(pair.answererEvents.contains { if case .dataChannel(.closed) = $0 { true } else { false } })
    }
}
