import Wire

/// Reads `multipart/form-data` (RFC 7578, RFC 2046 clause 5.1.1) from bytes that come in any pieces, without copying contents.
///
/// A boundary counts where it stands at the beginning of a line, whatever follows it (RFC 2046 clause 5.1.1); what follows must then be
/// blanks and a line end, or `--`: so no two readers can disagree about where a part ends.
public struct MultipartReader: Sendable {
    public enum Event: Sendable {
        case part(MultipartHead)
        /// Where in the bytes that were given a piece of the part's content lies.
        case data(Range<Int>)
        /// A piece of the content that came with earlier bytes and was held back, as it could have begun a boundary: this range of `delimiter`.
        case held(Range<Int>)
        case partEnd
        /// The last boundary. What still comes is thrown away.
        case end
    }

    private enum State { case preamble, content, afterDelimiter, lastDash, padding, lineFeed, head, epilogue }

    /// CR LF `--` and the boundary.
    public let delimiter: [UInt8]
    private let limits: MultipartLimits
    private var state = State.preamble
    /// How many bytes of the delimiter were just seen.
    private var matched: Int
    /// The first of them that belong to what is being read: the line end before the first boundary, and the one that ends a head, are no
    /// content and yet begin a line.
    private var unowned = 2
    private var head: HTTPHeadReader
    private var parts = 0
    private var count = 0

    /// Longest boundary, bytes.
    public static let longestBoundary = 70
    private static let mostFields = 16

    /// `contentType`: the request's field.
    public init(contentType: String, limits: MultipartLimits = MultipartLimits()) throws(MultipartError) {
        guard let type = HTTPParameters(contentType), type.value == "multipart/form-data" else {
            throw MultipartError(.contentType, "expected Content-Type: multipart/form-data; boundary=…")
        }
        guard let boundary = type["boundary"], Self.isBoundary(boundary) else {
            throw MultipartError(.boundary, "expected a boundary of 1 to \(Self.longestBoundary) characters of RFC 2046 clause 5.1.1")
        }
        delimiter = Array("\r\n--\(boundary)".utf8)
        self.limits = limits
        head = HTTPHeadReader(limits: HTTPLimits(head: limits.head, fields: Self.mostFields))
        matched = 2
    }

    private static func isBoundary(_ text: String) -> Bool {
        let others = Array("'()+_,-./:=? ".utf8)
        return (1...longestBoundary).contains(text.utf8.count) && text.utf8.last != 0x20
            && text.utf8.allSatisfy { byte in
                HTTPSyntax.isDigit(byte)
                    || HTTPSyntax.lowercased(byte) >= UInt8(ascii: "a") && HTTPSyntax.lowercased(byte) <= UInt8(ascii: "z")
                    || others.contains(byte)
            }
    }

    /// The next thing in the bytes from `offset` on, which moves over what was taken; nil: all is taken.
    public mutating func next(_ bytes: Span<UInt8>, _ offset: inout Int) throws(MultipartError) -> Event? {
        while offset < bytes.count || matched == delimiter.count {
            switch state {
            case .preamble, .content: if let event = try search(bytes, &offset) { return event }
            case .head: if let head = try readHead(bytes, &offset) { return .part(head) }
            case .epilogue: offset = bytes.count
            default:
                let byte = bytes[offset]
                offset += 1
                if try takeDelimiterEnd(byte) { return .end }
            }
        }
        return nil
    }

    /// To be called when no more bytes will come.
    public func finish() throws(MultipartError) {
        guard state == .epilogue else { throw MultipartError(.truncated, "the body ended before its last boundary") }
    }

    // MARK: contents

    /// Looks for the delimiter. It has only one CR, its first byte, so a match that fails begins again at the byte that it failed at.
    private mutating func search(_ bytes: Span<UInt8>, _ offset: inout Int) throws(MultipartError) -> Event? {
        guard matched < delimiter.count else { return found() }
        let start = offset
        // Of the match at hand these came with earlier bytes.
        var carried = matched
        while offset < bytes.count, matched < delimiter.count {
            if matched == 0 { while offset < bytes.count, bytes[offset] != 0x0D { offset += 1 } }
            guard offset < bytes.count else { break }
            if bytes[offset] == delimiter[matched] {
                matched += 1
                offset += 1
            } else if carried > 0 {
                // What was held back is content after all, and so is what followed it here.
                let held = unowned..<carried
                (matched, unowned, carried) = (0, 0, 0)
                offset = start
                if !held.isEmpty, try owns(held.count) { return .held(held) }
            } else if matched > 0 {
                matched = 0
            } else {
                offset += 1
            }
        }
        let content = start..<max(start, offset - (matched - carried))
        if carried == 0, !content.isEmpty, try owns(content.count) { return .data(content) }
        return matched == delimiter.count ? found() : nil
    }

    /// Counts what was read; whether it is content.
    private mutating func owns(_ amount: Int) throws(MultipartError) -> Bool {
        count += amount
        if state == .preamble {
            guard count <= limits.preamble else {
                throw MultipartError(.preambleTooLong, "no boundary within the first \(limits.preamble) bytes")
            }
            return false
        }
        guard count <= limits.part else { throw MultipartError(.partTooLong, "a part is longer than \(limits.part) bytes") }
        return true
    }

    private mutating func found() -> Event? {
        let endsPart = state == .content
        (state, matched, unowned) = (.afterDelimiter, 0, 0)
        return endsPart ? .partEnd : nil
    }

    // MARK: between contents

    /// True at the last boundary.
    private mutating func takeDelimiterEnd(_ byte: UInt8) throws(MultipartError) -> Bool {
        switch (state, byte) {
        case (.afterDelimiter, UInt8(ascii: "-")): state = .lastDash
        case (.lastDash, UInt8(ascii: "-")):
            state = .epilogue
            return true
        case (.afterDelimiter, 0x20), (.afterDelimiter, 0x09), (.padding, 0x20), (.padding, 0x09): state = .padding
        case (.afterDelimiter, 0x0D), (.padding, 0x0D): state = .lineFeed
        case (.lineFeed, 0x0A):
            guard parts < limits.parts else { throw MultipartError(.tooManyParts, "more than \(limits.parts) parts") }
            parts += 1
            head.expectFields()
            state = .head
        default: throw MultipartError(.delimiter, "expected a line end or -- behind a boundary, got 0x\(Hex.encode([byte]))")
        }
        return false
    }

    private mutating func readHead(_ bytes: Span<UInt8>, _ offset: inout Int) throws(MultipartError) -> MultipartHead? {
        do throws(HTTPError) {
            while let line = try head.next(bytes, &offset) {
                guard case .end = line else { continue }
                (state, matched, unowned, count) = (.content, 2, 2, 0)
                break
            }
        } catch {
            let isTooLong = error.code == .headTooLong || error.code == .tooManyFields
            throw MultipartError(isTooLong ? .headTooLong : .head, "a part's head: \(error.text)")
        }
        return state == .content ? try MultipartHead(head.fields) : nil
    }
}
