import Foundation
import Wire
import XCTest

/// Records as lines: what stands where, and what nobody from outside can do to it.
final class LogTests: XCTestCase {
    private let time: Int64 = 1_795_190_654_123_999_999  // 2026-11-20T16:04:14.123999999Z

    private func line(_ record: LogRecord, _ format: LogFormat = LogFormat()) -> String {
        var out: [UInt8] = []
        format.write(record, to: &out)
        return String(decoding: out, as: UTF8.self)
    }

    private func record(_ fields: LogFields, connection: UInt64? = nil) -> LogRecord {
        LogRecord(time: time, level: .info, subject: "web", connection: connection, message: "request", fields: fields)
    }

    func testTextHasTimeLevelSubjectMessageAndFields() {
        let fields: LogFields = [
            "client": .address(IPAddress(192, 0, 2, 7)), "status": 200, "path": "/a b", "user": nil, "ms": 1.5, "last": true, "empty": "",
            "to": .endpoint(SocketAddress(IPAddress("2001:db8:1:2::3")!, 80)), "word": "a-b",
        ]
        XCTAssertEqual(
            line(record(fields, connection: 17)),
            "2026-11-20T16:04:14.123Z info web#17: request client=192.0.2.7 status=200 path=\"/a b\" ms=1.5 last=true empty=\"\" "
                + "to=[2001:db8:1:2::3]:80 word=a-b\n")
        XCTAssertEqual(line(record([:])), "2026-11-20T16:04:14.123Z info web: request\n")
    }

    func testJSONLinesReadBack() throws {
        let fields: LogFields = ["client": .address(IPAddress(192, 0, 2, 7)), "status": 200, "path": "/a\"\\\n\u{85}é😀", "ok": false]
        let text = line(record(fields, connection: 3), LogFormat(.json))
        XCTAssertEqual(
            try JSON(parsing: Array(text.dropLast().utf8).span),
            [
                "time": "2026-11-20T16:04:14.123Z", "level": "info", "subject": "web", "connection": 3, "message": "request",
                "client": "192.0.2.7", "status": 200, "path": "/a\"\\\n\u{85}é😀", "ok": false,
            ])
        XCTAssertTrue(text.contains("\\u0085"))
    }

    func testNoTextForgesALine() {
        let hostile = [
            "x\n2026-11-20T16:04:14.123Z error web: forged", "\r\n", "\u{85}", "\u{2028}", "\u{2029}", "\u{1B}[2J", "\0", "\u{7F}",
            "\u{9B}31m",
            "\u{202E}txt.exe", "\u{0B}\u{0C}", "a\" status=200 b=\"", "\\", "\\\"", "=",
        ]
        for text in hostile {
            for form in LogFormat.Form.allCases {
                let made = line(
                    LogRecord(time: time, level: .warning, subject: text, message: text, fields: ["path": .text(text)]), LogFormat(form))
                XCTAssertEqual(made.unicodeScalars.filter { $0.properties.generalCategory == .control }, ["\n"], made.debugDescription)
                XCTAssertTrue(made.hasSuffix("\n"))
                XCTAssertFalse(made.unicodeScalars.contains { (0x2028...0x202E).contains($0.value) }, made.debugDescription)
            }
            // In a value, quotes end where they should: an even number of them is not escaped.
            let value = line(record(["path": .text(text)])).split(separator: "path=", maxSplits: 1).last!.dropLast()
            if value.hasPrefix("\"") {
                let inner = value.dropFirst().dropLast().replacing("\\\\", with: "").replacing("\\\"", with: "")
                XCTAssertFalse(inner.contains("\""), String(value))
            }
        }
    }

    func testLongTextsAreCutBetweenCharacters() {
        let long = String(repeating: "é", count: 5000)
        for form in LogFormat.Form.allCases {
            let made = line(record(["path": .text(long)]), LogFormat(form))
            XCTAssertLessThan(made.utf8.count, 1300)
            XCTAssertTrue(made.contains("é…\""), form.rawValue)
        }
    }

    func testRedactionKeepsTheNetworkOnly() {
        let cases = [
            ("192.0.2.77", "192.0.2.0/24"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"), ("::ffff:192.0.2.1", "192.0.2.0/24"),
            ("::1", "::/48"),
        ]
        for (address, expected) in cases {
            let ip = IPAddress(address)!
            XCTAssertEqual(ip.redacted, expected)
            for form in LogFormat.Form.allCases {
                let made = line(
                    record(["a": .address(ip), "b": .endpoint(SocketAddress(ip, 4711))]), LogFormat(form, redactsAddresses: true))
                XCTAssertEqual(made.components(separatedBy: expected).count, 3, made)
                XCTAssertFalse(made.contains("4711"), made)
            }
        }
    }

    func testTimesAreOfTheCalendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_400, "2000-02-29T00:00:00.000Z"), (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"), (-5, "1970-01-01T00:00:00.000Z"), (1_709_251_199, "2024-02-29T23:59:59.000Z"),
        ] as [(Int64, String)] {
            let made = line(LogRecord(time: seconds * 1_000_000_000, level: .debug, subject: "a", message: "b"))
            XCTAssertEqual(made, "\(expected) debug a: b\n")
        }
    }

    func testDaysOfTheCalendarAreNumbered() {
        for day in stride(from: Int64(0), to: 2_932_896, by: 1) where CivilDate(daysSince1970: day).daysSince1970 != day {
            return XCTFail("day \(day)")
        }
        XCTAssertEqual(CivilDate(daysSince1970: 2_932_896), CivilDate(year: 9999, month: 12, day: 31))
    }

    func testLevelsHaveOrderAndNames() {
        XCTAssertEqual(LogLevel.allCases.sorted(), [.trace, .debug, .info, .warning, .error])
        for level in LogLevel.allCases { XCTAssertEqual(LogLevel(level.name), level) }
        XCTAssertNil(LogLevel("INFO "))
    }
}
