import Wire

/// Reads an MCAP file that comes in pieces, cut anywhere, from its beginning: needs neither summary nor footer, so that a file whose writer
/// was killed is read up to its last whole record. What is damaged is told and left out; only what is no MCAP at all ends the reading.
public struct MCAPReader: Sendable {
    /// Bytes of the longest record that is read.
    public let limit: Int
    /// Schemas and channels by their numbers, as far as the file has told them.
    public private(set) var schemas: [UInt16: MCAPSchema] = [:]
    public private(set) var channels: [UInt16: MCAPChannel] = [:]
    /// The file was ended properly; more is not looked at.
    public private(set) var isComplete = false

    private var buffer: [UInt8] = []
    private var start = 0
    /// Of `start` in the file.
    private var offset: UInt64 = 0
    private var hasMagic = false
    /// Still to come of a record that is left out.
    private var skipping: UInt64 = 0
    /// The chunk that is being read.
    private var chunk: (bytes: [UInt8], position: Int, offset: UInt64)?
    private static let headSize = 9

    public init(limit: Int = 64 << 20) { self.limit = limit }

    /// Call `next` until it answers nil before feeding more: then no more is held than one record and what was fed.
    public mutating func feed(_ bytes: Span<UInt8>) {
        let skipped = Int(min(skipping, UInt64(bytes.count)))
        skipping -= UInt64(skipped)
        offset &+= UInt64(skipped)
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(span: bytes.extracting(skipped..<bytes.count))
    }

    /// Nil: feed more, or the file is at its end.
    public mutating func next() throws(MCAPError) -> MCAPRecord? {
        if !hasMagic {
            guard buffer.count - start >= MCAPMagic.bytes.count else {
                guard Array(buffer[start...]) == Array(MCAPMagic.bytes.prefix(buffer.count - start)) else { throw .notMCAP }
                return nil
            }
            guard buffer[start..<(start + MCAPMagic.bytes.count)].elementsEqual(MCAPMagic.bytes) else { throw .notMCAP }
            consume(MCAPMagic.bytes.count)
            hasMagic = true
        }
        while !isComplete {
            if let record = nextInChunk() { return record }
            switch nextInFile() {
            case .record(let record): return record
            case .noNews: continue
            case .needsMore: return nil
            }
        }
        return nil
    }

    private mutating func consume(_ count: Int) {
        start += count
        offset &+= UInt64(count)
    }

    // MARK: Records of the file

    private enum Step {
        case record(MCAPRecord)
        case noNews
        case needsMore
    }

    private mutating func nextInFile() -> Step {
        guard skipping == 0, buffer.count - start >= Self.headSize else { return .needsMore }
        let opcode = buffer[start]
        var length: UInt64 = 0
        for index in 0..<8 { length |= UInt64(buffer[start + 1 + index]) << UInt64(8 * index) }
        let place = offset
        guard length <= UInt64(limit) else {
            skip(length)
            return .record(.damaged(.tooLong(opcode: opcode, length: length, limit: limit), offset: place))
        }
        guard buffer.count - start - Self.headSize >= Int(length) else { return .needsMore }
        let content = (start + Self.headSize)..<(start + Self.headSize + Int(length))
        consume(Self.headSize + Int(length))
        do throws(MCAPError) {
            if opcode == MCAPOpcode.chunk {
                chunk = (try Self.chunk(buffer.span.extracting(content)), 0, place)
                return .noNews
            }
            let bytes = Array(buffer[content])
            return try read(opcode, bytes.span).map { .record($0) } ?? .noNews
        } catch { return .record(.damaged(error, offset: place)) }
    }

    private mutating func skip(_ length: UInt64) {
        consume(Self.headSize)
        let here = Int(min(length, UInt64(buffer.count - start)))
        consume(here)
        skipping = length - UInt64(here)
    }

    // MARK: Records of a chunk

    private mutating func nextInChunk() -> MCAPRecord? {
        // Taken out while it is read, so that nothing is copied.
        guard let open = chunk.take() else { return nil }
        let (bytes, place) = (open.bytes, open.offset)
        var position = open.position
        while position < bytes.count {
            var reader = ByteReader(bytes.span.extracting(position..<bytes.count))
            guard let opcode = reader.u8(), let length = reader.littleEndian(UInt64.self), length <= UInt64(reader.remaining) else {
                return .damaged(.truncated(opcode: MCAPOpcode.chunk, field: "records"), offset: place)
            }
            let from = position + Self.headSize
            position = from + Int(length)
            do throws(MCAPError) {
                guard let record = try read(opcode, bytes.span.extracting(from..<position)) else { continue }
                chunk = (bytes, position, place)
                return record
            } catch {
                chunk = (bytes, position, place)
                return .damaged(error, offset: place)
            }
        }
        return nil
    }

    private static func chunk(_ content: Span<UInt8>) throws(MCAPError) -> [UInt8] {
        var fields = Fields(content, MCAPOpcode.chunk)
        _ = try fields.number(UInt64.self, "message_start_time")
        _ = try fields.number(UInt64.self, "message_end_time")
        let size = try fields.number(UInt64.self, "uncompressed_size")
        let expected = try fields.number(UInt32.self, "uncompressed_crc")
        let compression = try fields.text("compression")
        guard compression.isEmpty else { throw .compression(compression) }
        let length = try fields.number(UInt64.self, "records length")
        guard length == size, length <= UInt64(content.count) else { throw .truncated(opcode: MCAPOpcode.chunk, field: "records") }
        let bytes = try fields.bytes(Int(length), "records")
        let got = expected == 0 ? 0 : CRC32.checksum(bytes.span)
        guard expected == got else { throw .checksum(expected: expected, got: got) }
        return bytes
    }

    // MARK: Contents

    /// Nil: nothing that a reader from the beginning needs.
    private mutating func read(_ opcode: UInt8, _ content: Span<UInt8>) throws(MCAPError) -> MCAPRecord? {
        var fields = Fields(content, opcode)
        switch opcode {
        case MCAPOpcode.header:
            let profile = try fields.text("profile")
            return .header(profile: profile, library: try fields.text("library"))
        case MCAPOpcode.schema: return try readSchema(&fields)
        case MCAPOpcode.channel: return try readChannel(&fields)
        case MCAPOpcode.message:
            var message = MCAPMessage(channel: 0, sequence: 0, logTime: 0, publishTime: 0, data: [])
            message.channel = try fields.number(UInt16.self, "channel_id")
            message.sequence = try fields.number(UInt32.self, "sequence")
            message.logTime = try fields.number(UInt64.self, "log_time")
            message.publishTime = try fields.number(UInt64.self, "publish_time")
            message.data = try fields.bytes(fields.remaining, "data")
            guard channels[message.channel] != nil else { throw .unknown("channel", id: message.channel) }
            return .message(message)
        case MCAPOpcode.dataEnd: return .dataEnd
        case MCAPOpcode.footer:
            isComplete = true
            return .footer
        default: return nil
        }
    }

    /// The summary tells what the data told before: that is no news.
    private mutating func readSchema(_ fields: inout Fields) throws(MCAPError) -> MCAPRecord? {
        let id = try fields.number(UInt16.self, "id"), name = try fields.text("name"), encoding = try fields.text("encoding")
        let length = try fields.number(UInt32.self, "data length")
        guard length <= UInt32(clamping: fields.remaining) else { throw .truncated(opcode: MCAPOpcode.schema, field: "data") }
        let schema = MCAPSchema(id: id, name: name, encoding: encoding, data: try fields.bytes(Int(length), "data"))
        guard schemas[id] != schema else { return nil }
        schemas[id] = schema
        return .schema(schema)
    }

    private mutating func readChannel(_ fields: inout Fields) throws(MCAPError) -> MCAPRecord? {
        let id = try fields.number(UInt16.self, "id"), schema = try fields.number(UInt16.self, "schema_id")
        let channel = MCAPChannel(id: id, schema: schema, topic: try fields.text("topic"), encoding: try fields.text("message_encoding"))
        guard schema == 0 || schemas[schema] != nil else { throw .unknown("schema", id: schema) }
        guard channels[id] != channel else { return nil }
        channels[id] = channel
        return .channel(channel)
    }
}

/// The fields of one record, each with its name for errors.
private struct Fields: ~Escapable {
    private var reader: ByteReader
    private let opcode: UInt8

    @_lifetime(copy content)
    init(_ content: Span<UInt8>, _ opcode: UInt8) {
        reader = ByteReader(content)
        self.opcode = opcode
    }

    var remaining: Int { reader.remaining }

    @_lifetime(self: copy self)
    mutating func number<Number: FixedWidthInteger & UnsignedInteger>(_: Number.Type, _ name: String) throws(MCAPError) -> Number {
        guard let number = reader.littleEndian(Number.self) else { throw .truncated(opcode: opcode, field: name) }
        return number
    }

    @_lifetime(self: copy self)
    mutating func bytes(_ count: Int, _ name: String) throws(MCAPError) -> [UInt8] {
        guard let bytes = reader.array(count) else { throw .truncated(opcode: opcode, field: name) }
        return bytes
    }

    @_lifetime(self: copy self)
    mutating func text(_ name: String) throws(MCAPError) -> String {
        let length = try number(UInt32.self, name)
        guard let text = String(validating: try bytes(Int(length), name), as: UTF8.self) else {
            throw .notUTF8(opcode: opcode, field: name)
        }
        return text
    }
}
