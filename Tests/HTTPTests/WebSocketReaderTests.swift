import HTTP
import Wire
import XCTest

/// RFC 6455 clause 5. Every stream is read whole, byte by byte and in pieces, and all must agree.
final class WebSocketReaderTests: XCTestCase {
    private enum Step: Equatable {
        case message(WebSocketMessageKind, [UInt8], isCompressed: Bool)
        case ping([UInt8])
        case pong([UInt8])
        case close(UInt16, String)
        case failed(WebSocketError)
    }

    private func read(_ pieces: [[UInt8]], _ reader: WebSocketReader) -> [Step] {
        var reader = reader
        var steps: [Step] = []
        do throws(WebSocketError) {
            for piece in pieces {
                var piece = piece, offset = 0
                while true {
                    var span = piece.mutableSpan
                    guard let event = try reader.next(&span, &offset) else { break }
                    switch event {
                    case .message(let kind, .given(let range), let isCompressed):
                        steps.append(.message(kind, Array(piece[range]), isCompressed: isCompressed))
                    case .message(let kind, .assembled, let isCompressed):
                        steps.append(.message(kind, reader.assembled, isCompressed: isCompressed))
                    case .ping(let bytes): steps.append(.ping(bytes))
                    case .pong(let bytes): steps.append(.pong(bytes))
                    case .close(let code, let reason): steps.append(.close(code.rawValue, reason))
                    }
                }
                XCTAssertEqual(offset, piece.count, "all bytes are taken")
            }
        } catch { steps.append(.failed(error)) }
        return steps
    }

    private func read(
        _ bytes: [UInt8], role: WebSocketRole = .server, limit: Int = 1 << 20, compression: Bool = false, line: UInt = #line
    ) -> [Step] {
        let reader = WebSocketReader(role: role, limit: limit, allowsCompression: compression)
        let whole = read([bytes], reader)
        if bytes.count < 5000 { XCTAssertEqual(whole, read(bytes.map { [$0] }, reader), "byte by byte", line: line) }
        var random = SeededRandom(seed: 7)
        for _ in 0..<10 {
            var pieces: [[UInt8]] = [], rest = bytes[...]
            while !rest.isEmpty {
                let count = 1 + Int(random.next() % UInt64(max(17, bytes.count / 8)))
                pieces.append(Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            XCTAssertEqual(whole, read(pieces, reader), "in pieces, seed 7", line: line)
        }
        return whole
    }

    /// A frame as a client sends it, or a server with `mask` nil.
    private func frame(_ first: UInt8, _ payload: [UInt8], mask: [UInt8]? = [0x37, 0xFA, 0x21, 0x3D], lengthBytes: Int? = nil) -> [UInt8] {
        let count = payload.count, extended = lengthBytes ?? (count < 126 ? 0 : count < 65_536 ? 2 : 8)
        var bytes = [first, (mask == nil ? 0 : 0x80) | (extended == 0 ? UInt8(count) : extended == 2 ? 126 : 127)]
        for shift in (0..<extended).reversed() { bytes.append(UInt8(truncatingIfNeeded: count >> (shift * 8))) }
        guard let mask else { return bytes + payload }
        return bytes + mask + payload.enumerated().map { $1 ^ mask[$0 & 3] }
    }

    private func text(_ string: String) -> [UInt8] { Array(string.utf8) }

    private func code(_ bytes: [UInt8], role: WebSocketRole = .server, limit: Int = 1 << 20, line: UInt = #line) -> UInt16? {
        guard case .failed(let error)? = read(bytes, role: role, limit: limit, line: line).last else { return nil }
        return error.code.rawValue
    }

    func testExamples_RFC6455_5_7() {
        XCTAssertEqual(
            read([0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]), [.message(.text, text("Hello"), isCompressed: false)])
        XCTAssertEqual(
            read([0x01, 0x03, 0x48, 0x65, 0x6C, 0x80, 0x02, 0x6C, 0x6F], role: .client),
            [.message(.text, text("Hello"), isCompressed: false)])
        XCTAssertEqual(read([0x8A, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]), [.pong(text("Hello"))])
    }

    func testMessagesOfEveryLength() {
        for count in [0, 1, 3, 4, 7, 8, 9, 125, 126, 127, 1000, 65_535, 65_536, 200_000] {
            let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            for role in [WebSocketRole.server, .client] {
                let bytes =
                    frame(0x82, payload, mask: role == .server ? [1, 2, 3, 4] : nil)
                    + frame(0x82, payload, mask: role == .server ? [9, 8, 7, 6] : nil)
                let expected = Step.message(.binary, payload, isCompressed: false)
                XCTAssertEqual(read(bytes, role: role), [expected, expected], "\(count)")
            }
        }
    }

    func testControlFramesMayStandBetweenFragments_RFC6455_5_4() {
        let bytes =
            frame(0x01, text("a")) + frame(0x89, text("now")) + frame(0x00, text("é")) + frame(0x8A, []) + frame(0x80, [])
            + frame(0x02, []) + frame(0x80, [1, 2]) + frame(0x88, [0x03, 0xE8] + text("bye"))
        XCTAssertEqual(
            read(bytes),
            [
                .ping(text("now")), .pong([]), .message(.text, text("aé"), isCompressed: false),
                .message(.binary, [1, 2], isCompressed: false),
                .close(1000, "bye"),
            ])
    }

    func testWrongFramesEndTheConnectionWith1002() {
        let long = [UInt8](repeating: 0, count: 126)
        let cases: [(String, [UInt8])] = [
            ("no mask", frame(0x81, [], mask: nil)), ("reserved bit 1", frame(0xC1, [])), ("reserved bit 2", frame(0xA1, [])),
            ("reserved bit 3", frame(0x91, [])), ("opcode 3", frame(0x83, [])), ("opcode 11", frame(0x8B, [])),
            ("opcode 15", frame(0x8F, [])),
            ("a fragmented ping", frame(0x09, [])), ("a long ping", frame(0x89, long)), ("a long close", frame(0x88, [3, 232] + long)),
            ("a continuation of none", frame(0x80, [])), ("a text inside a text", frame(0x01, []) + frame(0x81, [])),
            ("5 in two bytes", frame(0x82, [1, 2, 3, 4, 5], lengthBytes: 2)), ("126 in eight bytes", frame(0x82, long, lengthBytes: 8)),
            ("a length of 2^63", [0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]), ("a close of one byte", frame(0x88, [3])),
            ("a compressed continuation", frame(0x01, []) + frame(0xC0, [])),
        ]
        for (name, bytes) in cases { XCTAssertEqual(code(bytes), 1002, name) }
        XCTAssertEqual(code(frame(0x81, []), role: .client), 1002, "a masked frame from a server")
        for closeCode in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] as [UInt16] {
            XCTAssertEqual(code(frame(0x88, [UInt8(closeCode >> 8), UInt8(closeCode & 255)])), 1002, "\(closeCode)")
        }
        for closeCode in [1000, 1001, 1003, 1007, 1011, 1013, 1014, 3000, 4999] as [UInt16] {
            XCTAssertEqual(read(frame(0x88, [UInt8(closeCode >> 8), UInt8(closeCode & 255)])), [.close(closeCode, "")])
        }
        XCTAssertEqual(read(frame(0x88, [])), [.close(1005, "")])
    }

    func testTextThatIsNotUTF8IsRefusedAtOnce_RFC6455_8_1() {
        let bad: [[UInt8]] = [
            [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x9F, 0x80], [0xED, 0xA0, 0x80], [0xF0, 0x8F, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80],
            [0xF5], [0xFF], [0xC3], [0xE2, 0x82], [0xF0, 0x9F, 0x98], [0x41, 0xC3, 0x41], text("aaaaaaaaaaaaaaaa") + [0xE9],
        ]
        for bytes in bad {
            XCTAssertEqual(code(frame(0x81, bytes)), 1007, "\(bytes)")
            XCTAssertEqual(code(frame(0x88, [3, 232] + bytes)), 1007, "\(bytes)")
            XCTAssertEqual(read(frame(0x82, bytes)), [.message(.binary, bytes, isCompressed: false)])
        }
        // The first fragment cannot become UTF-8 any more: what follows is not waited for.
        XCTAssertEqual(code(frame(0x01, [0xED, 0xA0])), 1007)
        // A character cut between fragments is whole in the end.
        let bytes = text("κόσμε😀\u{10FFFF}")
        for cut in 0...bytes.count {
            XCTAssertEqual(
                read(frame(0x01, Array(bytes[..<cut])) + frame(0x80, Array(bytes[cut...]))), [.message(.text, bytes, isCompressed: false)])
        }
    }

    func testTooLongMessagesEndWith1009() {
        XCTAssertEqual(code(frame(0x82, [1, 2, 3, 4, 5]), limit: 4), 1009)
        XCTAssertEqual(code([0x82, 0xFF, 0x7F] + [UInt8](repeating: 0xFF, count: 7)), 1009, "seen in the head alone")
        XCTAssertEqual(code(frame(0x02, [1, 2, 3]) + frame(0x80, [4, 5]), limit: 4), 1009)
        XCTAssertEqual(read(frame(0x02, [1, 2]) + frame(0x80, [3, 4]), limit: 4), [.message(.binary, [1, 2, 3, 4], isCompressed: false)])
    }

    func testCompressedMessagesAreMarkedWhereAgreed_RFC7692() {
        let bytes = frame(0xC1, [0xFF, 0x00]) + frame(0x81, text("x"))
        XCTAssertEqual(
            read(bytes, compression: true),
            [.message(.text, [0xFF, 0x00], isCompressed: true), .message(.text, text("x"), isCompressed: false)])
    }

    func testDamagedStreamsNeverTrap() {
        let good =
            frame(0x01, text("héllo")) + frame(0x89, [1]) + frame(0x80, text("wörld")) + frame(0x82, [UInt8](repeating: 5, count: 300))
            + frame(0x88, [3, 232])
        var random = SeededRandom(seed: 9)
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0..<(1 + random.next() % 3) {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            let reader = WebSocketReader(role: .server, limit: 1000, allowsCompression: random.next() % 2 == 0)
            let cut = Int(random.next() % UInt64(bytes.count))
            XCTAssertEqual(read([bytes], reader), read([Array(bytes[..<cut]), Array(bytes[cut...])], reader), "seed 9")
        }
    }
}
