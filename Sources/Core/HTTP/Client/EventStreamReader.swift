import Wire

/// Reads server-sent events (HTML Living Standard clause 9.2.6), however the bytes are cut.
///
///     while let event = try reader.next(bytes, &offset) { … }     // nil: all bytes are taken
///
/// What is not ended by an empty line is no event: at the end of the stream it is dropped.
public struct EventStreamReader {
    public struct Event: Sendable, Hashable {
        /// `message` where the stream names none.
        public var type: String
        public var data: String
        /// The last one that the stream said so far; for `Last-Event-ID` when coming back.
        public var id: String
    }

    /// Bytes of one event's data and of one line.
    public let limit: Int
    /// How long the server wants to be left alone before a client comes back.
    public private(set) var retry: Duration?
    public private(set) var lastEventID = ""

    private var line: [UInt8] = []
    private var data: [UInt8] = []
    private var hasData = false
    private var type = ""
    /// Counts from the next empty line on.
    private var id = ""
    private var endedWithCR = false
    /// Bytes of a mark of byte order that stood at the beginning; nil once something else was seen.
    private var mark: Int? = 0

    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    public init(limit: Int = 1 << 20) { self.limit = limit }

    public mutating func next(_ bytes: Span<UInt8>, _ offset: inout Int) throws(EventStreamError) -> Event? {
        while offset < bytes.count {
            let byte = bytes[offset]
            offset += 1
            if endedWithCR {
                endedWithCR = false
                if byte == 0x0A { continue }
            }
            if skipMark(byte) { continue }
            switch byte {
            case 0x0A, 0x0D:
                endedWithCR = byte == 0x0D
                if let event = try endLine() { return event }
            default:
                guard line.count < limit else { throw .lineTooLong(limit: limit) }
                line.append(byte)
            }
        }
        return nil
    }

    private mutating func skipMark(_ byte: UInt8) -> Bool {
        guard let seen = mark else { return false }
        if byte == Self.byteOrderMark[seen] {
            mark = seen == 2 ? nil : seen + 1
            return true
        }
        line.append(contentsOf: Self.byteOrderMark[..<seen])
        mark = nil
        return false
    }

    private mutating func endLine() throws(EventStreamError) -> Event? {
        defer { line.removeAll(keepingCapacity: line.capacity <= 4096) }
        guard !line.isEmpty else { return endEvent() }
        let colon = line.firstIndex(of: UInt8(ascii: ":"))
        var value = colon.map { line[($0 + 1)...] } ?? []
        if value.first == 0x20 { value = value.dropFirst() }
        switch String(decoding: line[..<(colon ?? line.count)], as: UTF8.self) {
        case "data":
            guard data.count + value.count < limit else { throw .eventTooLong(limit: limit) }
            if hasData { data.append(0x0A) }
            hasData = true
            data.append(contentsOf: value)
        case "event": type = String(decoding: value, as: UTF8.self)
        case "id": if !value.contains(0) { id = String(decoding: value, as: UTF8.self) }
        case "retry":
            guard (1...9).contains(value.count), value.allSatisfy(HTTPSyntax.isDigit) else { break }
            retry = Int(String(decoding: value, as: UTF8.self)).map { .milliseconds($0) }
        // Comments and what is not known.
        default: break
        }
        return nil
    }

    private mutating func endEvent() -> Event? {
        defer {
            data.removeAll(keepingCapacity: data.capacity <= 4096)
            hasData = false
            type = ""
        }
        lastEventID = id
        guard hasData else { return nil }
        return Event(type: type.isEmpty ? "message" : type, data: String(decoding: data, as: UTF8.self), id: lastEventID)
    }
}

/// Why an event stream is not read further.
public enum EventStreamError: Error, Sendable, Hashable, CustomStringConvertible {
    case lineTooLong(limit: Int)
    case eventTooLong(limit: Int)

    public var description: String {
        switch self {
        case .lineTooLong(let limit): "expected lines of at most \(limit) bytes in the event stream, got a longer one"
        case .eventTooLong(let limit): "expected events of at most \(limit) bytes in the event stream, got a longer one"
        }
    }
}
