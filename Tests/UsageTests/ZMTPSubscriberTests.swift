import Usage
import Wire
import XCTest

/// Spec section 9. Every stream is read whole, byte by byte and in pieces, and all must agree.
final class ZMTPSubscriberTests: XCTestCase {
    private enum Step: Equatable {
        case event(ZMTPSubscriber.Event)
        case message(parts: [[UInt8]], length: Int)
    }

    private func read(_ pieces: [[UInt8]]) -> [Step] {
        var subscriber = ZMTPSubscriber(), steps: [Step] = [.event(.send(subscriber.start()))]
        for piece in pieces {
            var offset = 0
            while let event = subscriber.next(piece.span, &offset) {
                guard event == .message else {
                    steps.append(.event(event))
                    continue
                }
                var parts: [[UInt8]] = [], start = 0
                for end in subscriber.message.ends {
                    parts.append(Array(subscriber.message.bytes[start..<end]))
                    start = end
                }
                steps.append(.message(parts: parts, length: subscriber.message.length))
            }
            XCTAssertEqual(offset, piece.count, "all bytes are taken")
        }
        return steps
    }

    private func read(_ bytes: [UInt8], line: UInt = #line) -> [Step] {
        let whole = read([bytes])
        if bytes.count < 5000 {
            XCTAssertEqual(whole, read(bytes.map { [$0] }), "byte by byte", line: line)
            for cut in stride(from: 1, to: bytes.count, by: bytes.count > 1500 ? 7 : 1) {
                XCTAssertEqual(whole, read([Array(bytes[..<cut]), Array(bytes[cut...])]), "cut at \(cut)", line: line)
            }
        }
        var random = SeededRandom(seed: 11)
        for _ in 0..<10 {
            var pieces: [[UInt8]] = [], rest = bytes[...]
            while !rest.isEmpty {
                let count = 1 + Int(random.next() % UInt64(max(17, bytes.count / 8)))
                pieces.append(Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            XCTAssertEqual(whole, read(pieces), "in pieces, seed 11", line: line)
        }
        return whole
    }

    private func text(_ string: String) -> [UInt8] { Array(string.utf8) }
    private let open = ZMTPRecordings.greeting + ZMTPRecordings.ready("PUB")
    /// What opening a connection to a publisher gives.
    private let opened: [Step] = [
        .event(.send(ZMTPRecordings.bytes("ff00000000000000007f03004e554c4c" + String(repeating: "00", count: 48)))),
        .event(.send(ZMTPRecordings.ready("SUB"))), .event(.send([0, 1, 1])),
    ]

    func testWhatAPublisherOfLibzmqSends() {
        XCTAssertEqual(
            read(ZMTPRecordings.publisher),
            opened + [
                .message(parts: [text(#"{"cmd":"move","operator":"alice"}"#)], length: 33),
                .message(parts: [text("control"), text(#"{"type":"velocity","operator_id":"bob"}"#)], length: 46),
                .message(parts: [[]], length: 0), .message(parts: [Array(repeating: 0x78, count: 300)], length: 300),
                .message(parts: [Array(repeating: 0x61, count: 255), Array(repeating: 0x62, count: 256), []], length: 511),
            ])
        XCTAssertEqual(
            read(ZMTPRecordings.greeting + ZMTPRecordings.ready("XPUB") + ZMTPRecordings.bytes("00026869")),
            opened + [.message(parts: [text("hi")], length: 2)])
    }

    func testOtherSocketsArePassiveOnly() {
        for type in ["PUSH", "PULL", "REP", "SUB", "ROUTER"] {
            XCTAssertEqual(
                read(ZMTPRecordings.greeting + ZMTPRecordings.ready(type) + [0, 1, 1]),
                opened.dropLast() + [.event(.passiveOnly(.socketType(type)))], type)
        }
        let nameless = ZMTPRecordings.bytes("04060552454144 59".replacing(" ", with: ""))
        XCTAssertEqual(read(ZMTPRecordings.greeting + nameless).last, .event(.passiveOnly(.socketType(""))))
    }

    func testOtherGreetingsArePassiveOnly() {
        var plain = ZMTPRecordings.greeting
        plain.replaceSubrange(12..<17, with: text("PLAIN"))
        var signature = ZMTPRecordings.greeting
        signature[9] = 0
        let table: [([UInt8], ZMTPSubscriber.PassiveReason)] = [
            (text("HTTP/1.1 400 Bad Request\r\n\r\n"), .version(0)), ([1, 0], .version(0)), (signature, .version(0)),
            (ZMTPRecordings.bytes("ff00000000000000017f0101"), .version(1)), (ZMTPRecordings.bytes("ff00000000000000017f02"), .version(2)),
            (plain, .mechanism("PLAIN")),
        ]
        for (bytes, reason) in table { XCTAssertEqual(read(bytes), [opened[0], .event(.passiveOnly(reason))], "\(reason)") }
        var newer = open
        newer[10] = 4
        XCTAssertEqual(read(newer), opened, "a later version speaks ours")
    }

    func testPingIsAnsweredWithItsContext() {
        let context = text("sixteen bytes or more")
        let ping = [4, UInt8(7 + context.count)] + ZMTPRecordings.ping[2...] + context
        XCTAssertEqual(
            read(open + ZMTPRecordings.ping + ping),
            opened + [.event(.send([4, 5, 4] + text("PONG"))), .event(.send([4, 21, 4] + text("PONG") + context.prefix(16)))])
        XCTAssertEqual(read(open + [4, 5, 4] + text("PONG")), opened)
    }

    func testErrorsAndUnknownCommandsAreLogged() {
        let error = [4, 10, 5] + text("ERROR") + [3] + text("bad")
        XCTAssertEqual(
            read(open + error + [4, 5, 4] + text("JOIN")),
            opened + [
                .event(.log("the publisher reports an error: bad")),
                .event(.log("the publisher sent a command that is not known here: JOIN")),
            ])
        XCTAssertEqual(read(ZMTPRecordings.greeting + error).last, .event(.failed("the peer refused us: bad")))
    }

    func testWhatBreaksTheProtocolEndsTheConnection() {
        let table: [(String, [UInt8])] = [
            ("reserved flags", open + [8, 0]), ("a command in parts", open + [5, 0]),
            ("a message first", ZMTPRecordings.greeting + [0, 1, 1]),
            ("over 64 MiB", open + [2, 0, 0, 0, 0, 4, 0, 0, 1]), ("2^63 bytes", open + [2, 128, 0, 0, 0, 0, 0, 0, 0]),
            ("no name", open + [4, 0]), ("a name beyond its end", open + [4, 2, 9, 65]), ("a short PING", open + [4, 5, 4] + text("PING")),
            ("half a property", ZMTPRecordings.greeting + [4, 8, 5] + text("READY") + [3, 65]),
        ]
        for (name, bytes) in table {
            guard case .event(.failed)? = read(bytes + [0, 0]).last else { return XCTFail("\(name): \(read(bytes))") }
        }
    }

    func testOfALongMessageOnlyTheBeginIsKept() {
        let long = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
        let steps = read(open + [1, 3, 1, 2, 3] + ZMTPRecordings.frame(long) + ZMTPRecordings.frame("after"))
        XCTAssertEqual(
            steps.suffix(2),
            [.message(parts: [[1, 2, 3], Array(long[..<4093])], length: 100_003), .message(parts: [text("after")], length: 5)])
        let many: [UInt8] = (0..<1000).flatMap { _ -> [UInt8] in [1, 1, 65] } + [0, 0]
        XCTAssertEqual(
            read(open + many).last, .message(parts: Array(repeating: [65], count: ZMQMessage.partLimit), length: 1000),
            "parts are bounded, too")
    }

    func testFramesUpTo64MiBAreSkipped() {
        var subscriber = ZMTPSubscriber(), offset = 0, messages = 0
        _ = subscriber.start()
        let piece = [UInt8](repeating: 7, count: 1 << 20)
        let pieces = [open + [2, 0, 0, 0, 0, 4, 0, 0, 0]] + Array(repeating: piece, count: 64) + [[0, 1, 9]]
        for bytes in pieces {
            offset = 0
            while let event = subscriber.next(bytes.span, &offset) { if event == .message { messages += 1 } }
        }
        XCTAssertEqual(messages, 2)
    }

    func testItBeginsAnew() {
        var subscriber = ZMTPSubscriber(), offset = 0
        _ = subscriber.start()
        while subscriber.next((open + [2, 0, 0]).span, &offset) != nil {}
        XCTAssertTrue(subscriber.isSubscribed)
        XCTAssertEqual(subscriber.start().count, 64)
        XCTAssertFalse(subscriber.isSubscribed)
        offset = 0
        let publisher = ZMTPRecordings.publisher
        XCTAssertEqual(subscriber.next(publisher.span, &offset), .send(ZMTPRecordings.ready("SUB")))
    }
}
