import HTTP
import Wire
import XCTest

/// HTML Living Standard clause 9.2.6.
final class EventStreamReaderTests: XCTestCase {
    private func read(_ pieces: [[UInt8]], limit: Int = 1000) -> [String] {
        var reader = EventStreamReader(limit: limit)
        var steps: [String] = []
        do throws(EventStreamError) {
            for piece in pieces {
                var offset = 0
                while let event = try reader.next(piece.span, &offset) { steps.append("\(event.type)|\(event.data)|\(event.id)") }
            }
        } catch { steps.append("\(error)") }
        return steps + ["\(reader.lastEventID)|\(reader.retry?.wholeMilliseconds ?? -1)"]
    }

    /// Whole, at every cut, and byte by byte.
    private func check(_ text: String, _ expected: [String], limit: Int = 1000, line: UInt = #line) {
        let bytes = Array(text.utf8)
        XCTAssertEqual(read([bytes], limit: limit), expected, line: line)
        for cut in 0...bytes.count {
            XCTAssertEqual(read([Array(bytes[..<cut]), Array(bytes[cut...])], limit: limit), expected, "\(cut)", line: line)
        }
        XCTAssertEqual(read(bytes.map { [$0] }, limit: limit), expected, line: line)
    }

    func testTheExamplesOfTheStandard() {
        check("data: YHOO\ndata: +2\ndata: 10\n\n", ["message|YHOO\n+2\n10|", "|-1"])
        check(
            ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            ["message|first event|1", "message|second event|", "message| third event|", "|-1"])
        check("data\n\ndata\ndata\n\ndata:", ["message||", "message|\n|", "|-1"])
        check("data:test\n\ndata: test\n\n", ["message|test|", "message|test|", "|-1"])
    }

    func testLineEndsOfAllKinds() {
        check("data: a\r\rdata: b\n\ndata: c\r\n\r\ndata: d\r\n\n", ["message|a|", "message|b|", "message|c|", "message|d|", "|-1"])
    }

    func testFields() {
        check("event: x\ndata: é\n\ndata: y\n\n", ["x|é|", "message|y|", "|-1"])
        check("event: x\n\ndata: y\n\n", ["message|y|", "|-1"])
        check("id: 5\n\nid: 6\ndata: x", ["5|-1"])
        check("id: a\u{0}b\nid2: 4\nDATA: no\n data: no\ndata: z\n\n", ["message|z|", "|-1"])
        check("retry: 2500\nretry: x\nretry: -1\nretry: 99999999999\n", ["|2500"])
        check("\u{FEFF}data: a\n\n", ["message|a|", "|-1"])
        check("\u{FEFF}\u{FEFF}data: a\n\ndata: b\n\n", ["message|b|", "|-1"])
    }

    func testLimits() {
        check("data: 34567890\n\n", ["message|34567890|", "|-1"], limit: 14)
        check("data: 345678901\n\n", ["expected lines of at most 14 bytes in the event stream, got a longer one", "|-1"], limit: 14)
        check(
            "data: 2345678\ndata: 2345678\n\n", ["expected events of at most 14 bytes in the event stream, got a longer one", "|-1"],
            limit: 14)
    }

    func testBytesThatAreNoTextAreReplaced() {
        XCTAssertEqual(read([[0xEF, 0xBB, 0x64] + Array("ata: x\n\ndata: ".utf8) + [0xFF, 0x0A, 0x0A]]), ["message|\u{FFFD}|", "|-1"])
    }
}
