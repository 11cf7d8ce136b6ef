import Wire

/// Finds a body's end (RFC 9112 clauses 6 and 7) and hands on its bytes without copying them.
struct HTTPBodyReader {
    enum Framing: Sendable, Hashable {
        case none
        case length(Int)
        case chunked
        /// Responses only: all until the connection ends.
        case untilClose
    }

    enum Part {
        /// Where in the bytes that were given a piece of the body lies.
        case data(Range<Int>)
        case end
    }

    private enum State {
        case length(Int), untilClose
        case size(digits: Int), sizeExtension, sizeLF, data(Int), dataCR, dataLF
        case trailer
        case end
    }

    private var state: State
    private var size: UInt64 = 0
    private var extensionBytes = 0
    private var trailers: HTTPHeadReader
    private var total = 0
    /// Bytes of the whole body.
    var limit: Int

    private static let longestExtensions = 4096

    init(_ framing: Framing, limits: HTTPLimits) {
        limit = limits.body
        trailers = HTTPHeadReader(limits: limits)
        switch framing {
        case .none: state = .end
        case .length(let length): state = .length(length)
        case .chunked: state = .size(digits: 0)
        case .untilClose: state = .untilClose
        }
    }

    /// Whether what is announced is more than the limit.
    var isRefused: Bool { if case .length(let left) = state { total + left > limit } else { false } }

    /// Whether the end of the connection is the end of the body.
    var endsWithConnection: Bool { if case .untilClose = state { true } else { false } }

    mutating func next(_ bytes: Span<UInt8>, _ offset: inout Int) throws(HTTPError) -> Part? {
        while true {
            switch state {
            case .end: return .end
            case .length(0): state = .end
            case .length(let left):
                guard !isRefused else { throw tooLong }
                guard let piece = take(left, bytes, &offset) else { return nil }
                state = .length(left - piece.count)
                return .data(piece)
            case .untilClose:
                guard let piece = take(.max, bytes, &offset) else { return nil }
                guard total <= limit else { throw tooLong }
                return .data(piece)
            case .data(0): state = .dataCR
            case .data(let left):
                guard let piece = take(left, bytes, &offset) else { return nil }
                state = .data(left - piece.count)
                return .data(piece)
            case .trailer:
                guard let line = try trailers.next(bytes, &offset) else { return nil }
                if case .end = line { state = .end }
            default:
                guard offset < bytes.count else { return nil }
                let byte = bytes[offset]
                offset += 1
                try takeFraming(byte)
            }
        }
    }

    private var tooLong: HTTPError { HTTPError(.bodyTooLong, "the body is longer than \(limit) bytes") }

    private mutating func take(_ most: Int, _ bytes: Span<UInt8>, _ offset: inout Int) -> Range<Int>? {
        let count = min(most, bytes.count - offset)
        guard count > 0 else { return nil }
        defer { offset += count }
        total += count
        return offset..<(offset + count)
    }

    /// One byte of what lies between chunks (RFC 9112 clause 7.1).
    private mutating func takeFraming(_ byte: UInt8) throws(HTTPError) {
        switch state {
        case .size(let digits):
            if let value = Hex.value(of: byte) {
                guard digits < 16, size <= UInt64.max >> 4 else { throw HTTPError(.chunkSize, "a chunk's size has too many digits") }
                size = size << 4 | UInt64(value)
                state = .size(digits: digits + 1)
            } else if digits > 0, byte == 0x0D {
                state = .sizeLF
            } else if digits > 0, byte == UInt8(ascii: ";") {
                state = .sizeExtension
            } else {
                throw HTTPError(.chunkSize, "expected a chunk's size in hexadecimal digits and CR LF, got 0x\(Hex.encode([byte]))")
            }
        case .sizeExtension:
            extensionBytes += 1
            guard extensionBytes <= Self.longestExtensions else {
                throw HTTPError(.chunkExtension, "the chunks' extensions are longer than \(Self.longestExtensions) bytes")
            }
            if byte == 0x0D {
                state = .sizeLF
            } else if !HTTPSyntax.isFieldValue(byte) {
                throw HTTPError(.chunkExtension, "a chunk's extension holds the control character 0x\(Hex.encode([byte]))")
            }
        case .sizeLF:
            guard byte == 0x0A else { throw HTTPError(.lineEnding, "expected LF after the CR of a chunk's size") }
            guard size <= UInt64(max(limit - total, 0)) else { throw tooLong }
            if size > 0 {
                state = .data(Int(size))
            } else {
                trailers.expectFields()
                state = .trailer
            }
        case .dataCR:
            guard byte == 0x0D else { throw HTTPError(.chunkEnd, "expected CR LF at the end of a chunk, got 0x\(Hex.encode([byte]))") }
            state = .dataLF
        default:
            guard byte == 0x0A else { throw HTTPError(.chunkEnd, "expected LF after the CR at the end of a chunk") }
            size = 0
            state = .size(digits: 0)
        }
    }
}
