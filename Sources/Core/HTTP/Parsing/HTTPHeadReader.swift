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
        /// The first line, without its end.
        case start([UInt8])
        /// A field was taken.
        case field
        /// The empty line.
        case end
    }

    mutating func reset() {
        partial = []
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
        while offset < bytes.count {
            let byte = bytes[offset]
            offset += 1
            count += 1
            guard byte == 0x0A else {
                try checkLength(partial.count + offset - start)
                continue
            }
            if partial.isEmpty { return try take(bytes.extracting(start..<offset)) }
            partial.append(span: bytes.extracting(start..<offset))
            var whole: [UInt8] = []
            swap(&whole, &partial)
            return try take(whole.span)
        }
        partial.append(span: bytes.extracting(start..<offset))
        return nil
    }

    private func checkLength(_ line: Int) throws(HTTPError) {
        if !hasStartLine, line > limits.startLine {
            throw HTTPError(.startLineTooLong, "the first line is longer than \(limits.startLine) bytes")
        }
        if count > limits.head { throw HTTPError(.headTooLong, "the head is longer than \(limits.head) bytes") }
    }

    /// `line` ends with LF.
    private mutating func take(_ line: Span<UInt8>) throws(HTTPError) -> Line {
        let end = line.count - 2
        guard end >= 0, line[end] == 0x0D else { throw HTTPError(.lineEnding, "expected CR LF at the end of a line, got LF alone") }
        guard hasStartLine else {
            hasStartLine = true
            return .start(Array(copying: line.extracting(0..<end)))
        }
        guard end > 0 else { return .end }
        try takeField(line, end)
        return .field
    }

    private mutating func takeField(_ line: Span<UInt8>, _ end: Int) throws(HTTPError) {
        guard !HTTPSyntax.isBlank(line[0]) else {
            throw HTTPError(.folding, "a field must stand on one line; a line began with a blank")
        }
        var colon = 0
        while colon < end, HTTPSyntax.isToken(line[colon]) { colon += 1 }
        guard colon > 0, colon < end, line[colon] == UInt8(ascii: ":") else {
            throw HTTPError(.fieldName, "expected a field name and a colon, got \(HTTPError.quote(line.extracting(0..<end)))")
        }
        var (first, last) = (colon + 1, end)
        while first < last, HTTPSyntax.isBlank(line[first]) { first += 1 }
        while last > first, HTTPSyntax.isBlank(line[last - 1]) { last -= 1 }
        for index in first..<last where !HTTPSyntax.isFieldValue(line[index]) {
            let name = HTTPError.quote(line.extracting(0..<colon))
            throw HTTPError(.fieldValue, "the value of \(name) holds the control character 0x\(Hex.encode([line[index]]))")
        }
        guard fields.count < limits.fields else { throw HTTPError(.tooManyFields, "more than \(limits.fields) fields") }
        if fields.isEmpty { fields.reserve(bytes: 512, fields: 12) }
        fields.append(line: line.extracting(0..<last), name: 0..<colon, value: first..<last)
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
