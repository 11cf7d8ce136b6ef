import Wire
import XCTest

/// RFC 8259, case by case; every text is parsed whole and byte by byte, and both must agree.
final class JSONTests: XCTestCase {
    private func outcome(_ bytes: [UInt8], cuts: Bool = false, limits: JSONLimits = JSONLimits()) -> Result<JSON, JSONError> {
        do throws(JSONError) {
            var parser = JSONParser(limits: limits)
            if cuts {
                for byte in bytes { try parser.feed([byte].span) }
            } else {
                try parser.feed(bytes.span)
            }
            return .success(try parser.finish())
        } catch { return .failure(error) }
    }

    private func parse(_ bytes: [UInt8], limits: JSONLimits = JSONLimits(), line: UInt = #line) -> Result<JSON, JSONError> {
        let whole = outcome(bytes, limits: limits)
        if case .failure(let error) = whole, case .tooLong = error.reason { return whole }
        XCTAssertEqual(whole, outcome(bytes, cuts: true, limits: limits), String(decoding: bytes, as: UTF8.self), line: line)
        return whole
    }

    func testAcceptedTexts_RFC8259() {
        let cases: [(String, JSON)] = [
            ("null", nil), (" true ", true), ("false", false), ("\t[]\r\n", []), ("{}", [:]), ("\"\"", ""), ("0", 0), ("-0", .double(-0.0)),
            ("123", 123), ("-1", -1), ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
            ("9223372036854775808", 9223372036854775808.0), ("1.0", 1.0), ("1e0", 1.0), ("1E+2", 100.0), ("0e1", 0.0), ("20e1", 200.0),
            ("123.456e-78", 123.456e-78), ("-0.5", -0.5), ("1e-400", 0.0), ("5e-324", .double(.leastNonzeroMagnitude)),
            ("1.7976931348623157e308", .double(.greatestFiniteMagnitude)),
            ("-0.000000000000000000000000000000000000000000000000000000000000000000000000000001", -1e-78),
            ("[1,2 , 3]", [1, 2, 3]), ("[[],[[]]]", [[], [[]]]), ("[null, 1, \"1\", {}]", [nil, 1, "1", [:]]),
            ("{\"a\":1,\"b\":[true]}", ["a": 1, "b": [true]]), ("{\"\":0}", ["": 0]), ("{\"a\":{\"a\":{}}}", ["a": ["a": [:]]]),
            ("{\"a\":1,\"a\":2}", ["a": 2]), ("[\"\\u0060\\u012a\\u12AB\"]", ["\u{60}\u{12a}\u{12ab}"]),
            ("\"\\uD801\\udc37\"", "\u{10437}"), ("\"\\ud83d\\ude39\\ud83d\\udc8d\"", "😹💍"),
            ("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\u{8}\u{c}\n\r\t"),
            ("\"\\u0000\"", "\0"), ("\"a/*b*/c\"", "a/*b*/c"), ("\"\\\\n\"", "\\n"), ("\"\u{7f}\"", "\u{7f}"),
            ("\"€𝄞\u{2028}\"", "€𝄞\u{2028}"),
            ("\"\u{10ffff}\u{ffff}\"", "\u{10ffff}\u{ffff}"), ("\"\\uFFFF\"", "\u{ffff}"), ("\"new\\u000Aline\"", "new\nline"),
            // A lone surrogate is no text: U+FFFD stands for it.
            ("\"\\uD800\"", "\u{FFFD}"), ("\"\\uDC00x\"", "\u{FFFD}x"), ("\"\\uD800\\uD800\\uDC00\"", "\u{FFFD}\u{10000}"),
            ("\"\\uD800\\n\"", "\u{FFFD}\n"), ("\"\\uD800a\"", "\u{FFFD}a"), ("\"\\uD800\\u0041\"", "\u{FFFD}A"),
        ]
        for (text, value) in cases {
            guard case .success(let parsed) = parse(Array(text.utf8)) else {
                XCTFail("\(text): \(parse(Array(text.utf8)))")
                continue
            }
            XCTAssertEqual(parsed, value, text)
            XCTAssertEqual(try JSON(parsing: parsed.description).description, parsed.description, "written and read again")
        }
    }

    func testRefusedTexts_RFC8259() {
        let texts = [
            "", " ", "[", "]", "{", "}", "[1", "[1,", "[,1]", "[1,]", "[1,,2]", "[\"\",]", "[1 true]", "[a", "[\"a\"", "[\"x\"]]", "[1]x",
            "1]",
            "{\"a\"}", "{\"a\":", "{\"a\" b}", "{:1}", "{1:1}", "{a:1}", "{'a':0}", "{\"a\":1,}", "{\"a\":1,,}", "{\"a\":1 \"b\":2}",
            "{\"a\"::1}",
            "{\"a\":\"a\"}#", "{\"a\":1}{}", "{[: \"x\"}", "{\"x\", null}", "{\"a\":/*comment*/1}", "[\"a\":1]", "[1}", "{\"a\":1]",
            "nul", "nulll", "tru", "True", "TRUE", "fals", "[nan]", "[NaN]", "[Infinity]", "[-Infinity]", "undefined", "<null>", "[<null>]",
            "+1", "++1", "-", "-1.", "-01", "-2.", "01", "012", "0.", ".1", ".-1", "1.", "1.e1", "2.e+3", "0.e1", "0e", "0e+", "1e", "1.0e",
            "1.0e+", "1.0e-", "0.3e", "1eE2", "1e1e1", "-1x", "1a", "0x1", "0x42", "1 000.0", "1-2", "- 1", "--1", "[1.2.3]", "[-]",
            "[1+2]",
            "1e400", "-1e400", "[1e99999]",
            "\"", "\"a", "'a'", "a", "\"\\", "\"\\\"", "[\"\\", "\"\\x00\"", "\"\\a\"", "\"\\u\"", "\"\\u00\"", "\"\\u00A\"", "\"\\u00g0\"",
            "\"\\uD834\\uDd\"", "\"\\uD800\\u\"", "\"\\uD800\\u1\"", "\"\\uD800\\", "\"\\ \"", "\"\\😀\"", "\"\t\"", "\"a\nb\"", "\"\0\"",
            "\"x\"y",
            "[\"a", "\u{FEFF}{}", "\u{2060}[]", "[\u{0c}]", "\u{0b}1", "[1]\u{0}", "*", "&", "#x", "1 2", "{\"a\":true} \"x\"", "[\n1\n,1",
            "e",
            "!0", "[1]/", "//1", "\"\\U0041\"",
        ]
        for text in texts {
            if case .success(let value) = parse(Array(text.utf8)) { XCTFail("\(text.debugDescription) was taken as \(value)") }
        }
    }

    func testTextThatIsNotUTF8IsRefused_RFC8259_8_1() {
        let strings: [[UInt8]] = [
            [0x80], [0xFF], [0xC0, 0xAF], [0xE0, 0x80, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xC3], [0xE2, 0x82],
            [0xF8, 0x80],
        ]
        for bytes in strings {
            let text = [UInt8(ascii: "\"")] + bytes + [UInt8(ascii: "\"")]
            XCTAssertEqual(parse(text), .failure(JSONError(reason: .notUTF8, offset: bytes.count + 1)))
            if case .success = parse(bytes) { XCTFail("taken: \(bytes)") }
        }
        for wide in [Array("[".utf8) + [0], [0, 0x5B, 0, 0x5D], [0xFE, 0xFF, 0, 0x5B]] {
            if case .success = parse(wide) { XCTFail("UTF-16 was taken") }
        }
    }

    func testDepthAndSizeAreBounded() {
        let limits = JSONLimits(depth: 3, bytes: 40)
        XCTAssertEqual(parse(Array("[[[1]]]".utf8), limits: limits), .success([[[1]]]))
        XCTAssertEqual(parse(Array("[[[[".utf8), limits: limits), .failure(JSONError(reason: .tooDeep(limit: 3), offset: 3)))
        XCTAssertEqual(
            parse(Array(repeating: 0x20, count: 41), limits: limits), .failure(JSONError(reason: .tooLong(limit: 40), offset: 0)))
        let deep = [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
        guard case .failure = parse(deep) else { return XCTFail("100,000 arrays inside each other were taken") }
        guard case .failure = parse([UInt8](repeating: UInt8(ascii: "1"), count: 5000)) else { return XCTFail("a number of 5000 digits") }
    }

    func testErrorsSayWhereAndWhat() {
        let cases = [
            ("{\"a\" 5}", "JSON at byte 5: expected ':', got '5'"),
            ("[1, ]", "JSON at byte 4: expected a value, got ']'"),
            ("", "JSON at byte 0: expected a value, got the end"),
            ("[1", "JSON at byte 2: expected ',' or ']', got the end"),
            ("{\"a\":01}", "JSON at byte 7: expected a number, got 01"),
            ("\"a\u{1}\"", "JSON at byte 2: a string cannot hold the control character 0x01; write it as an escape"),
            ("[1] 2", "JSON at byte 4: expected the end after the value, got '2'"),
            ("trux", "JSON at byte 3: expected true, got 'x'"),
        ]
        for (text, message) in cases {
            guard case .failure(let error) = parse(Array(text.utf8)) else {
                XCTFail(text)
                continue
            }
            XCTAssertEqual(error.description, message)
        }
    }

    func testWritesShortestNumbersAndEscapes() {
        let cases: [(JSON, String)] = [
            (0.1, "0.1"), (100, "100"), (100.0, "100"), (1e21, "1e+21"), (.double(.leastNonzeroMagnitude), "5e-324"),
            (.double(-0.0), "-0.0"),
            (.integer(.min), "-9223372036854775808"),
            (.double(.nan), "null"), (.double(.infinity), "null"), (123456789.125, "123456789.125"),
            (0.30000000000000004, "0.30000000000000004"),
            ("\u{0}\u{1f}\"\\/é😀\u{7f}\n", "\"\\u0000\\u001f\\\"\\\\/é😀\\u007f\\n\""),
            (["b": 1, "a": [nil, true]], "{\"b\":1,\"a\":[null,true]}"),
        ]
        for (value, text) in cases { XCTAssertEqual(value.description, text) }
    }

    func testDoublesReadBackTheSame() throws {
        var random = SeededRandom(seed: 8)
        for _ in 0..<20_000 {
            let value = Double(bitPattern: random.next())
            guard value.isFinite else { continue }
            XCTAssertEqual(try JSON(parsing: JSON.double(value).description).double, value, "seed 8")
        }
    }

    func testObjectsKeepTheirOrderAndFindTheirMembers() throws {
        var object = JSONObject()
        for index in 0..<100 { object["name\(index)"] = .integer(Int64(index)) }
        XCTAssertEqual(object.names, (0..<100).map { "name\($0)" })
        for index in 0..<100 { XCTAssertEqual(object["name\(index)"], .integer(Int64(index))) }
        object["name3"] = nil
        object["name50"] = true
        XCTAssertNil(object["name3"])
        XCTAssertEqual(object["name50"], true)
        XCTAssertEqual(object.count, 99)
        for index in 4..<99 { object["name\(index)"] = nil }
        XCTAssertEqual(object.names, ["name0", "name1", "name2", "name99"])
        XCTAssertEqual(JSONObject([("a", 1), ("b", 2)]), ["b": 2, "a": 1], "members have no order for equality")
        XCTAssertEqual(JSONObject([("a", 1), ("b", 2)]).hashValue, JSONObject([("b", 2), ("a", 1)]).hashValue)
    }

    func testFieldsNameThePathOfWhatIsWrong() throws {
        let body = JSONField(try JSON(parsing: #"{"data":{"left":"x","speed":3,"n":null,"points":[{"x":1},{"x":true}],"mode":"idle"}}"#))
        let data = try body["data"]
        XCTAssertEqual(try data["speed"].double(), 3)
        XCTAssertNil(try data["n"].optional)
        XCTAssertNil(try data["absent"].optional)
        XCTAssertEqual(try data["points"].array()[0]["x"].integer(), 1)
        XCTAssertEqual(try data["mode"].string(of: ["idle", "manual"]), "idle")
        let cases: [(String, () throws -> Void)] = [
            ("data.left: expected number, got string", { _ = try data["left"].double() }),
            ("data.speed: expected a number from -1.0 to 1.0, got 3", { _ = try data["speed"].double(in: -1...1) }),
            ("data.absent: expected string, got nothing", { _ = try data["absent"].string() }),
            ("data.points[1].x: expected whole number, got boolean", { _ = try data["points"].array()[1]["x"].integer() }),
            ("data.speed: expected object, got number", { _ = try data["speed"]["x"].string() }),
            ("data.mode: expected one of a, b, got \"idle\"", { _ = try data["mode"].string(of: ["a", "b"]) }),
            ("data.points: expected an array of at most 1 elements, got array", { _ = try data["points"].array(limit: 1) }),
            ("the value: expected array, got object", { _ = try body.array() }),
        ]
        for (message, read) in cases {
            XCTAssertThrowsError(try read()) { XCTAssertEqual("\($0)", message) }
        }
    }
}
