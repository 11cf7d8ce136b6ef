/// Reads one JSON text (RFC 8259) that may come in pieces, cut anywhere; the result does not depend on the cuts.
///
/// Depth and size are bounded and nothing recurses, so no text can exhaust the stack. An escape of a lone surrogate (`\ud800`), which is no
/// Unicode text, becomes U+FFFD, as in browsers when they encode. Numbers without fraction and exponent that fit are integers.
public struct JSONParser {
    private enum State {
        case value, firstElement, firstName, name, colon, afterValue
        case string, escape, unicode, number, literal, failed
    }

    /// An array or object that is not closed yet.
    private struct Frame {
        var isObject: Bool
        var elements: [JSON] = []
        var object = JSONObject()
        var name = ""
    }

    public let limits: JSONLimits
    private var state = State.value
    private var stack: [Frame] = []
    private var result: JSON?
    private var consumed = 0
    /// A string's UTF-8, a number's characters.
    private var text: [UInt8] = []
    private var isName = false
    private var unit: UInt16 = 0
    private var digits = 0
    private var highSurrogate: UInt16?
    private var literal: StaticString = "null"
    private var matched = 0

    /// Characters of one number.
    private static let longestNumber = 1024

    public init(limits: JSONLimits = JSONLimits()) { self.limits = limits }

    /// Takes the next bytes. After an error the parser takes nothing more.
    public mutating func feed(_ bytes: Span<UInt8>) throws(JSONError) {
        do throws(JSONError) {
            guard bytes.count <= limits.bytes - consumed else { throw error(.tooLong(limit: limits.bytes)) }
            var index = 0
            while index < bytes.count {
                if state == .string { index = takePlain(bytes, from: index) }
                guard index < bytes.count else { break }
                if try take(bytes[index]) {
                    index += 1
                    consumed += 1
                }
            }
        } catch {
            state = .failed
            throw error
        }
    }

    /// Says that the text is at its end.
    public mutating func finish() throws(JSONError) -> JSON {
        if state == .number { try endNumber() }
        guard state == .afterValue, stack.isEmpty, let result else { throw error(.expected(wanted, got: nil)) }
        return result
    }

    private func error(_ reason: JSONError.Reason) -> JSONError { JSONError(reason: reason, offset: consumed) }

    private var wanted: String {
        switch state {
        case .value: "a value"
        case .firstElement: "a value or ']'"
        case .firstName: "a name in quotes or '}'"
        case .name: "a name in quotes"
        case .colon: "':'"
        case .afterValue: stack.last.map { $0.isObject ? "',' or '}'" : "',' or ']'" } ?? "the end"
        case .string: "the string's closing quote"
        case .escape: "the rest of an escape"
        case .unicode: "four hexadecimal digits"
        case .number: "a number"
        case .literal: "\(literal)"
        case .failed: "a text without errors"
        }
    }

    // MARK: structure

    /// Takes one byte; false when it ended a number and is to be looked at again.
    private mutating func take(_ byte: UInt8) throws(JSONError) -> Bool {
        switch state {
        case .string: try takeInString(byte)
        case .escape: try takeEscape(byte)
        case .unicode: try takeHexadecimal(byte)
        case .literal: try takeLiteral(byte)
        case .number:
            guard Self.isOfNumber(byte) else {
                try endNumber()
                return false
            }
            guard text.count < Self.longestNumber else { throw error(.number("one of over \(Self.longestNumber) characters")) }
            text.append(byte)
        case .failed: throw error(.expected(wanted, got: byte))
        case _ where byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09: break
        case .value: try beginValue(byte)
        case .firstElement: if byte == UInt8(ascii: "]") { close() } else { try beginValue(byte) }
        case .firstName: if byte == UInt8(ascii: "}") { close() } else { try beginName(byte) }
        case .name: try beginName(byte)
        case .colon:
            guard byte == UInt8(ascii: ":") else { throw error(.expected(wanted, got: byte)) }
            state = .value
        case .afterValue: try takeAfterValue(byte)
        }
        return true
    }

    private mutating func beginName(_ byte: UInt8) throws(JSONError) {
        guard byte == UInt8(ascii: "\"") else { throw error(.expected(wanted, got: byte)) }
        isName = true
        state = .string
    }

    private mutating func beginValue(_ byte: UInt8) throws(JSONError) {
        switch byte {
        case UInt8(ascii: "\""):
            isName = false
            state = .string
        case UInt8(ascii: "["): try open(isObject: false)
        case UInt8(ascii: "{"): try open(isObject: true)
        case UInt8(ascii: "t"): begin("true")
        case UInt8(ascii: "f"): begin("false")
        case UInt8(ascii: "n"): begin("null")
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            text.append(byte)
            state = .number
        default: throw error(.expected(wanted, got: byte))
        }
    }

    private mutating func open(isObject: Bool) throws(JSONError) {
        guard stack.count < limits.depth else { throw error(.tooDeep(limit: limits.depth)) }
        stack.append(Frame(isObject: isObject))
        state = isObject ? .firstName : .firstElement
    }

    private mutating func close() {
        guard let frame = stack.popLast() else { return }
        add(frame.isObject ? .object(frame.object) : .array(frame.elements))
    }

    private mutating func add(_ value: JSON) {
        state = .afterValue
        let top = stack.count - 1
        if top < 0 {
            result = value
        } else if stack[top].isObject {
            stack[top].object[stack[top].name] = value
        } else {
            stack[top].elements.append(value)
        }
    }

    private mutating func takeAfterValue(_ byte: UInt8) throws(JSONError) {
        guard let frame = stack.last else { throw error(.moreAfterEnd(byte)) }
        switch byte {
        case UInt8(ascii: ","): state = frame.isObject ? .name : .value
        case UInt8(ascii: "}") where frame.isObject, UInt8(ascii: "]") where !frame.isObject: close()
        default: throw error(.expected(wanted, got: byte))
        }
    }

    // MARK: literals and numbers

    private mutating func begin(_ word: StaticString) {
        literal = word
        matched = 1
        state = .literal
    }

    private mutating func takeLiteral(_ byte: UInt8) throws(JSONError) {
        let expected = literal.withUTF8Buffer { unsafe $0[matched] }
        guard byte == expected else { throw error(.expected(wanted, got: byte)) }
        matched += 1
        guard matched == literal.utf8CodeUnitCount else { return }
        switch expected {
        case UInt8(ascii: "l"): add(.null)
        default: add(.bool(matched == 4))
        }
    }

    private static func isOfNumber(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "e"),
            UInt8(ascii: "E"):
            true
        default: false
        }
    }

    private mutating func endNumber() throws(JSONError) {
        let characters = String(decoding: text, as: UTF8.self)
        guard let isWhole = Self.isWholeNumber(text) else { throw error(.number(characters)) }
        text.removeAll(keepingCapacity: true)
        // "-0" is a double: an integer would lose its sign.
        if isWhole, characters != "-0", let value = Int64(characters) { return add(.integer(value)) }
        guard let value = Double(characters), value.isFinite else { throw error(.numberTooLarge(characters)) }
        add(.double(value))
    }

    /// Whether there is neither fraction nor exponent; nil when it is no number by RFC 8259 clause 6.
    private static func isWholeNumber(_ characters: [UInt8]) -> Bool? {
        var rest = characters[...]
        func isDigit(_ byte: UInt8?) -> Bool { byte.map { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") } ?? false }
        func dropDigits() -> Bool {
            guard isDigit(rest.first) else { return false }
            rest = rest.drop { isDigit($0) }
            return true
        }
        if rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
        if rest.first == UInt8(ascii: "0") { rest = rest.dropFirst() } else if !dropDigits() { return nil }
        if rest.isEmpty { return true }
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            guard dropDigits() else { return nil }
        }
        if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
            rest = rest.dropFirst()
            if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
            guard dropDigits() else { return nil }
        }
        return rest.isEmpty ? false : nil
    }

    // MARK: strings

    /// Takes bytes that stand for themselves; answers where the first other one is.
    private mutating func takePlain(_ bytes: Span<UInt8>, from start: Int) -> Int {
        var end = start
        while end < bytes.count, bytes[end] >= 0x20, bytes[end] != UInt8(ascii: "\""), bytes[end] != UInt8(ascii: "\\") { end += 1 }
        guard end > start else { return start }
        dropLoneSurrogate()
        text.append(span: bytes.extracting(start..<end))
        consumed += end - start
        return end
    }

    private mutating func takeInString(_ byte: UInt8) throws(JSONError) {
        switch byte {
        case UInt8(ascii: "\""): try endString()
        case UInt8(ascii: "\\"): state = .escape
        default: throw error(.controlCharacter(byte))
        }
    }

    private mutating func endString() throws(JSONError) {
        dropLoneSurrogate()
        guard let string = String(validating: text, as: UTF8.self) else { throw error(.notUTF8) }
        text.removeAll(keepingCapacity: true)
        guard isName else { return add(.string(string)) }
        stack[stack.count - 1].name = string
        state = .colon
    }

    private mutating func takeEscape(_ byte: UInt8) throws(JSONError) {
        guard byte != UInt8(ascii: "u") else {
            (unit, digits) = (0, 0)
            state = .unicode
            return
        }
        dropLoneSurrogate()
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        default: throw error(.escape(byte))
        }
        state = .string
    }

    private mutating func takeHexadecimal(_ byte: UInt8) throws(JSONError) {
        guard let value = Hex.value(of: byte) else { throw error(.expected(wanted, got: byte)) }
        unit = unit << 4 | UInt16(value)
        digits += 1
        guard digits == 4 else { return }
        state = .string
        if let high = highSurrogate, unit & 0xFC00 == 0xDC00 {
            highSurrogate = nil
            append(0x10000 + UInt32(high & 0x3FF) << 10 + UInt32(unit & 0x3FF))
        } else {
            dropLoneSurrogate()
            if unit & 0xFC00 == 0xD800 { highSurrogate = unit } else { append(UInt32(unit)) }
        }
    }

    private mutating func dropLoneSurrogate() {
        guard highSurrogate != nil else { return }
        highSurrogate = nil
        append(0xFFFD)
    }

    private mutating func append(_ code: UInt32) {
        text.append(contentsOf: UTF8.encode(Unicode.Scalar(code) ?? "\u{FFFD}") ?? UTF8.encodedReplacementCharacter)
    }
}

extension JSON {
    /// The value of a whole text.
    public init(parsing bytes: Span<UInt8>, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        var parser = JSONParser(limits: limits)
        try parser.feed(bytes)
        self = try parser.finish()
    }

    public init(parsing text: String, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        try self.init(parsing: Array(text.utf8).span, limits: limits)
    }
}
