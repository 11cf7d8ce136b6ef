import Wire

/// Cuts a head into lines and checks each as soon as it is whole, so that the outcome does not depend on how the bytes came.
struct HTTPHeadReader {
    let limits: HTTPLimits
    /// What came of a line that is not whole yet.
    private var partial: [UInt8] = []
    /// Bytes of the head so far, partial line included.
    private var count = 0
    private var hasStartLine = false
    private(set) var fields = HTTPFields()

    init(limits: HTTPLimits) { self.limits = limits }

    enum Line {
        /// The first line, without its end: where it lies in the bytes that were given, or nil: in `whole`.
        case start(Range<Int>?)
        /// A field was taken.
        case field
        /// The empty line.
        case end
    }

    /// A line that came in pieces, until the next is asked for.
    private(set) var whole: [UInt8] = []

    mutating func reset() {
        (partial, whole) = ([], [])
        count = 0
        hasStartLine = false
        fields = HTTPFields()
    }

    var isEmpty: Bool { count == 0 }

    /// What follows are field lines, without a first line: a chunked body's trailers.
    mutating func expectFields() {
        reset()
        hasStartLine = true
    }

    /// The next line that is whole; nil when the bytes end before. `offset` moves over what was taken.
    mutating func next(_ bytes: Span<UInt8>, _ offset: inout Int) throws(HTTPError) -> Line? {
        let start = offset
        offset = HTTPSyntax.lineFeed(bytes, from: start)
        count += offset - start
        try checkLength(partial.count + offset - start)
        guard offset < bytes.count else {
            partial.append(span: bytes.extracting(start..<offset))
            return nil
        }
        offset += 1
        count += 1
        if partial.isEmpty {
            let end = offset - 2
            guard end >= start, bytes[end] == 0x0D else { throw bareLineFeed }
            if hasStartLine { return try take(bytes.extracting(start..<end)) }
            hasStartLine = true
            return .start(start..<end)
        }
        partial.append(span: bytes.extracting(start..<offset))
        swap(&whole, &partial)
        partial = []
        guard whole.count >= 2, whole[whole.count - 2] == 0x0D else { throw bareLineFeed }
        whole.removeLast(2)
        guard hasStartLine else {
            hasStartLine = true
            return .start(nil)
        }
        var line: [UInt8] = []
        swap(&line, &whole)
        return try take(line.span)
    }

    private var bareLineFeed: HTTPError { HTTPError(.lineEnding, "expected CR LF at the end of a line, got LF alone") }

    /// Which limit is passed is said as if each byte were looked at as it came. `line`: without its LF.
    private func checkLength(_ line: Int) throws(HTTPError) {
        let (lineExcess, headExcess) = (hasStartLine ? 0 : line - limits.startLine, count - limits.head)
        if lineExcess > 0, lineExcess >= headExcess {
            throw HTTPError(.startLineTooLong, "the first line is longer than \(limits.startLine) bytes")
        }
        if headExcess > 0 { throw HTTPError(.headTooLong, "the head is longer than \(limits.head) bytes") }
    }

    /// A line without its end.
    private mutating func take(_ line: Span<UInt8>) throws(HTTPError) -> Line {
        guard line.count > 0 else { return .end }
        try takeField(line)
        return .field
    }

    private mutating func takeField(_ line: Span<UInt8>) throws(HTTPError) {
        guard !HTTPSyntax.isBlank(line[0]) else {
            throw HTTPError(.folding, "a field must stand on one line; a line began with a blank")
        }
        var colon = 0
        while colon < line.count, HTTPSyntax.isToken(line[colon]) { colon += 1 }
        guard colon > 0, colon < line.count, line[colon] == UInt8(ascii: ":") else {
            throw HTTPError(.fieldName, "expected a field name and a colon, got \(HTTPError.quote(line))")
        }
        var (first, last) = (colon + 1, line.count)
        while first < last, HTTPSyntax.isBlank(line[first]) { first += 1 }
        while last > first, HTTPSyntax.isBlank(line[last - 1]) { last -= 1 }
        if let index = HTTPSyntax.firstOutsideFieldValue(line.extracting(first..<last)) {
            let name = HTTPError.quote(line.extracting(0..<colon))
            throw HTTPError(.fieldValue, "the value of \(name) holds the control character 0x\(Hex.encode([line[first + index]]))")
        }
        guard fields.count < limits.fields else { throw HTTPError(.tooManyFields, "more than \(limits.fields) fields") }
        fields.append(line: line, name: 0..<colon, value: first..<last)
    }
}

extension Array where Element == UInt8 {
    init(copying span: Span<UInt8>) {
        self = []
        append(span: span)
    }
}

extension HTTPError {
    /// The beginning of a text of theirs, for a message: visible ASCII only.
    static func quote(_ bytes: Span<UInt8>) -> String {
        var text = "\""
        for index in 0..<min(bytes.count, 40) {
            let byte = bytes[index]
            text += byte >= 0x20 && byte < 0x7F ? String(Character(Unicode.Scalar(byte))) : "\\x" + Hex.encode([byte])
        }
        return text + (bytes.count > 40 ? "…\"" : "\"")
    }
}
