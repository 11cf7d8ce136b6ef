import Wire

/// Makes the bytes of an MCAP file (https://mcap.dev/spec): messages in chunks with a checksum and an index each, and at the end a summary
/// by which readers find their way. Whole chunks leave by `take()`; a file that ends after any of them is readable up to there.
public struct MCAPWriter: Sendable {
    /// Bytes of messages after which a chunk is ended.
    public let chunkSize: Int
    /// Bytes made so far, taken or not.
    public private(set) var position: UInt64 = 0
    public private(set) var messageCount: UInt64 = 0
    private var out: [UInt8] = []
    private var chunk = OpenChunk()
    private var schemas: [MCAPSchema] = []
    private var channels: [MCAPChannel] = []
    /// Messages of each channel; the channel with the number n is at n − 1.
    private var counts: [UInt64] = []
    /// Whether the file already tells of the channel, and of the schema.
    private var toldChannels: [Bool] = []
    private var toldSchemas: [Bool] = []
    private var index: [FinishedChunk] = []
    private var times: (first: UInt64, last: UInt64)?

    private struct OpenChunk: Sendable {
        var bytes: [UInt8] = []
        var times: (first: UInt64, last: UInt64)?
        /// By channel: when, and where in the chunk.
        var places: [UInt16: [(time: UInt64, offset: UInt64)]] = [:]
    }

    private struct FinishedChunk: Sendable {
        var times: (first: UInt64, last: UInt64)
        var start: UInt64
        var length: UInt64
        var indexes: [(channel: UInt16, offset: UInt64)]
        var indexLength: UInt64
        var size: UInt64
    }

    public init(library: String = "waldo", chunkSize: Int = 1 << 20) {
        self.chunkSize = chunkSize
        append(MCAPMagic.bytes)
        writeRecord(MCAPOpcode.header) { bytes in
            bytes.append(prefixed: "")
            bytes.append(prefixed: library)
        }
    }

    // MARK: Messages

    public mutating func addSchema(name: String, encoding: String, data: [UInt8]) throws(MCAPError) -> UInt16 {
        guard schemas.count < Int(UInt16.max) else { throw .tooMany("schemas") }
        let id = UInt16(schemas.count + 1)
        schemas.append(MCAPSchema(id: id, name: name, encoding: encoding, data: data))
        toldSchemas.append(false)
        return id
    }

    public mutating func addChannel(topic: String, schema: UInt16, encoding: String) throws(MCAPError) -> UInt16 {
        guard channels.count < Int(UInt16.max) else { throw .tooMany("channels") }
        guard schema <= schemas.count else { throw .unknown("schema", id: schema) }
        let id = UInt16(channels.count + 1)
        channels.append(MCAPChannel(id: id, schema: schema, topic: topic, encoding: encoding))
        counts.append(0)
        toldChannels.append(false)
        return id
    }

    /// Times are Unix nanoseconds.
    public mutating func write(_ data: [UInt8], on channel: UInt16, logTime: UInt64, publishTime: UInt64) throws(MCAPError) {
        guard channel >= 1, channel <= channels.count else { throw .unknown("channel", id: channel) }
        let place = Int(channel) - 1
        tell(place)
        chunk.places[channel, default: []].append((logTime, UInt64(chunk.bytes.count)))
        let sequence = UInt32(truncatingIfNeeded: counts[place])
        Self.write(MCAPOpcode.message, to: &chunk.bytes) { bytes in
            bytes.append(littleEndian: channel)
            bytes.append(littleEndian: sequence)
            bytes.append(littleEndian: logTime)
            bytes.append(littleEndian: publishTime)
            bytes.append(contentsOf: data)
        }
        counts[place] += 1
        messageCount += 1
        chunk.times = Self.join(chunk.times, (logTime, logTime))
        if chunk.bytes.count >= chunkSize { endChunk() }
    }

    /// Before a channel's first message come the channel and its schema.
    private mutating func tell(_ place: Int) {
        guard !toldChannels[place] else { return }
        toldChannels[place] = true
        let channel = channels[place]
        if channel.schema > 0, !toldSchemas[Int(channel.schema) - 1] {
            toldSchemas[Int(channel.schema) - 1] = true
            Self.write(schemas[Int(channel.schema) - 1], to: &chunk.bytes)
        }
        Self.write(channel, to: &chunk.bytes)
    }

    // MARK: Chunks

    /// What came since the last chunk becomes one, and with it safe. Nothing happens when nothing came.
    public mutating func endChunk() {
        guard let span = chunk.times else { return }
        let start = position, size = chunk.bytes.count
        let checksum = CRC32.checksum(chunk.bytes.span)
        let bytes = chunk.bytes
        writeRecord(MCAPOpcode.chunk) { record in
            record.append(littleEndian: span.first)
            record.append(littleEndian: span.last)
            record.append(littleEndian: UInt64(size))
            record.append(littleEndian: checksum)
            record.append(prefixed: "")
            record.append(littleEndian: UInt64(size))
            record.append(contentsOf: bytes)
        }
        let length = position - start
        let indexes = writeMessageIndexes()
        index.append(
            FinishedChunk(
                times: span, start: start, length: length, indexes: indexes, indexLength: position - start - length, size: UInt64(size)))
        times = Self.join(times, span)
        chunk.bytes.removeAll(keepingCapacity: true)
        (chunk.times, chunk.places) = (nil, [:])
    }

    private mutating func writeMessageIndexes() -> [(channel: UInt16, offset: UInt64)] {
        var indexes: [(channel: UInt16, offset: UInt64)] = []
        for (channel, places) in chunk.places.sorted(by: { $0.key < $1.key }) {
            indexes.append((channel, position))
            writeRecord(MCAPOpcode.messageIndex) { bytes in
                bytes.append(littleEndian: channel)
                bytes.append(littleEndian: UInt32(places.count * 16))
                for place in places {
                    bytes.append(littleEndian: place.time)
                    bytes.append(littleEndian: place.offset)
                }
            }
        }
        return indexes
    }

    /// What has become safe to write since the last call, in order.
    public mutating func take() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &out)
        return taken
    }

    // MARK: The end

    /// Ends the file: summary and footer. Nothing may be written after it.
    public mutating func finish() {
        endChunk()
        // 0: no checksum of all the data; each chunk has its own.
        writeRecord(MCAPOpcode.dataEnd) { $0.append(littleEndian: UInt32(0)) }
        let summaryStart = position, summaryBytes = out.count
        var groups: [(opcode: UInt8, start: UInt64, length: UInt64)] = []
        group(MCAPOpcode.schema, &groups) { writer in
            for (schema, told) in zip(writer.schemas, writer.toldSchemas) where told { writer.append { Self.write(schema, to: &$0) } }
        }
        group(MCAPOpcode.channel, &groups) { writer in
            for (channel, told) in zip(writer.channels, writer.toldChannels) where told { writer.append { Self.write(channel, to: &$0) } }
        }
        group(MCAPOpcode.statistics, &groups) { $0.writeStatistics() }
        group(MCAPOpcode.chunkIndex, &groups) { $0.writeChunkIndexes() }
        let offsetsStart = position
        for group in groups {
            writeRecord(MCAPOpcode.summaryOffset) { bytes in
                bytes.append(group.opcode)
                bytes.append(littleEndian: group.start)
                bytes.append(littleEndian: group.length)
            }
        }
        writeFooter(summaryStart, offsetsStart, summaryBytes)
        append(MCAPMagic.bytes)
    }

    private mutating func group(
        _ opcode: UInt8, _ groups: inout [(opcode: UInt8, start: UInt64, length: UInt64)], _ write: (inout MCAPWriter) -> Void
    ) {
        let start = position
        write(&self)
        if position > start { groups.append((opcode, start, position - start)) }
    }

    private mutating func writeStatistics() {
        let (messages, schemaCount, told) = (messageCount, toldSchemas.count { $0 }, counts.enumerated().filter { toldChannels[$0.offset] })
        let (chunkCount, span) = (index.count, times ?? (0, 0))
        writeRecord(MCAPOpcode.statistics) { bytes in
            bytes.append(littleEndian: messages)
            bytes.append(littleEndian: UInt16(schemaCount))
            bytes.append(littleEndian: UInt32(told.count))
            bytes.append(littleEndian: UInt32(0))
            bytes.append(littleEndian: UInt32(0))
            bytes.append(littleEndian: UInt32(chunkCount))
            bytes.append(littleEndian: span.first)
            bytes.append(littleEndian: span.last)
            bytes.append(littleEndian: UInt32(told.count * 10))
            for (place, count) in told {
                bytes.append(littleEndian: UInt16(place + 1))
                bytes.append(littleEndian: count)
            }
        }
    }

    private mutating func writeChunkIndexes() {
        for chunk in index {
            writeRecord(MCAPOpcode.chunkIndex) { bytes in
                bytes.append(littleEndian: chunk.times.first)
                bytes.append(littleEndian: chunk.times.last)
                bytes.append(littleEndian: chunk.start)
                bytes.append(littleEndian: chunk.length)
                bytes.append(littleEndian: UInt32(chunk.indexes.count * 10))
                for index in chunk.indexes {
                    bytes.append(littleEndian: index.channel)
                    bytes.append(littleEndian: index.offset)
                }
                bytes.append(littleEndian: chunk.indexLength)
                bytes.append(prefixed: "")
                bytes.append(littleEndian: chunk.size)
                bytes.append(littleEndian: chunk.size)
            }
        }
    }

    /// The checksum covers the summary and the footer up to itself.
    private mutating func writeFooter(_ summaryStart: UInt64, _ offsetsStart: UInt64, _ summaryBytes: Int) {
        let before = position
        append { bytes in
            bytes.append(MCAPOpcode.footer)
            bytes.append(littleEndian: UInt64(20))
            bytes.append(littleEndian: before > summaryStart ? summaryStart : 0)
            bytes.append(littleEndian: before > offsetsStart ? offsetsStart : 0)
        }
        let checksum = CRC32.checksum(out.span.extracting(summaryBytes..<out.count))
        append { $0.append(littleEndian: checksum) }
    }

    // MARK: Records

    private mutating func append(_ bytes: [UInt8]) { append { $0.append(contentsOf: bytes) } }

    private mutating func append(_ write: (inout [UInt8]) -> Void) {
        let before = out.count
        write(&out)
        position += UInt64(out.count - before)
    }

    private mutating func writeRecord(_ opcode: UInt8, _ write: (inout [UInt8]) -> Void) {
        append { Self.write(opcode, to: &$0, write) }
    }

    private static func write(_ opcode: UInt8, to bytes: inout [UInt8], _ write: (inout [UInt8]) -> Void) {
        bytes.append(opcode)
        let length = bytes.count
        bytes.append(littleEndian: UInt64(0))
        write(&bytes)
        bytes.patch(littleEndian: UInt64(bytes.count - length - 8), at: length)
    }

    private static func write(_ schema: MCAPSchema, to bytes: inout [UInt8]) {
        write(MCAPOpcode.schema, to: &bytes) { bytes in
            bytes.append(littleEndian: schema.id)
            bytes.append(prefixed: schema.name)
            bytes.append(prefixed: schema.encoding)
            bytes.append(littleEndian: UInt32(schema.data.count))
            bytes.append(contentsOf: schema.data)
        }
    }

    private static func write(_ channel: MCAPChannel, to bytes: inout [UInt8]) {
        write(MCAPOpcode.channel, to: &bytes) { bytes in
            bytes.append(littleEndian: channel.id)
            bytes.append(littleEndian: channel.schema)
            bytes.append(prefixed: channel.topic)
            bytes.append(prefixed: channel.encoding)
            bytes.append(littleEndian: UInt32(0))
        }
    }

    private static func join(_ a: (first: UInt64, last: UInt64)?, _ b: (first: UInt64, last: UInt64)) -> (first: UInt64, last: UInt64) {
        a.map { (min($0.first, b.first), max($0.last, b.last)) } ?? b
    }
}
