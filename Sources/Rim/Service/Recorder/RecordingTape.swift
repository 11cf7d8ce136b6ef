import RTC
import Reactor
import Recording
import Wire

/// What the recorder's thread holds: the open part, its writer, and the channels that each part tells anew.
struct RecordingTape: ~Copyable {
    private struct Channel {
        var topic: String
        var schema: String
        var isVideo: Bool
    }

    private var parts: RecordingParts
    private var file: RecordingFile
    private var writer: MCAPWriter
    private var channels: [Channel] = []
    /// By topic and schema.
    private var numbers: [String: UInt16] = [:]
    private var schemas: [String: UInt16] = [:]
    private let limit: Int?
    private let chunkSize: Int
    /// The next message begins the next part: one that is begun before there is anything to write may stay empty.
    private var isFull = false
    private(set) var statistics = Recorder.Statistics()
    /// When what is in the open chunk is to be safe.
    private(set) var deadline: Instant?

    private static let longestChunk = Duration.seconds(1)
    private static let partsAtOnce = 4

    init(_ file: consuming RecordingFile, limit: Int?) throws(RecorderError) {
        self.limit = limit
        let path = file.path
        chunkSize = min(1 << 20, (limit ?? .max) / Self.partsAtOnce / 8)
        parts = RecordingParts(path: path)
        self.file = file
        writer = MCAPWriter(chunkSize: chunkSize)
        (statistics.path, statistics.files) = (path, 1)
        try flush()
    }

    mutating func write(_ item: Recorder.Item) throws(RecorderError) {
        if isFull { try beginPart() }
        do throws(MCAPError) {
            switch item {
            case .video(let frame, let camera):
                let time = Self.unixNanoseconds(frame)
                let message = CompressedVideo(time: time, frame: camera, data: frame.bytes, format: frame.codec.rawValue)
                let channel = try number(of: RecordingSchema.videoTopic(camera), schema: CompressedVideo.schemaName, isVideo: true)
                try writer.write(message.encoded, on: channel, logTime: time, publishTime: time)
            case .json(let topic, let schema, let bytes, let time):
                let channel = try number(of: topic, schema: schema, isVideo: false)
                try writer.write(bytes, on: channel, logTime: time, publishTime: time)
            }
        } catch { throw .format(error) }
        statistics.messages += 1
        if deadline == nil { deadline = MonotonicClock.now() + Self.longestChunk }
    }

    /// Puts finished chunks into the file, and sees whether this part is long enough.
    mutating func save(at now: Instant) throws(RecorderError) {
        if let deadline, now >= deadline { writer.endChunk() }
        guard try flush() else { return }
        deadline = nil
        // Room for one more chunk and the summary.
        isFull = limit.map { file.size + 3 * chunkSize > $0 / Self.partsAtOnce } ?? false
    }

    mutating func finish() throws(RecorderError) {
        writer.finish()
        try flush()
    }

    @discardableResult
    private mutating func flush() throws(RecorderError) -> Bool {
        let bytes = writer.take()
        guard !bytes.isEmpty else { return false }
        try file.append(bytes)
        statistics.bytes = parts.bytes + file.size
        return true
    }

    private mutating func beginPart() throws(RecorderError) {
        isFull = false
        try finish()
        parts.next(after: file.size)
        if let limit { statistics.removed += parts.makeRoom(limit / Self.partsAtOnce, under: limit) }
        file = RecordingFile(parts.current, takingOwnershipOf: try RecordingFile.create(parts.current))
        writer = MCAPWriter(chunkSize: chunkSize)
        (numbers, schemas) = ([:], [:])
        do throws(MCAPError) {
            for channel in channels { _ = try tell(channel) }
        } catch { throw .format(error) }
        (statistics.path, statistics.files) = (parts.current, parts.finished.count + 1)
        try flush()
    }

    private mutating func number(of topic: String, schema: String, isVideo: Bool) throws(MCAPError) -> UInt16 {
        if let number = numbers[topic + "\n" + schema] { return number }
        let channel = Channel(topic: topic, schema: schema, isVideo: isVideo)
        channels.append(channel)
        return try tell(channel)
    }

    private mutating func tell(_ channel: Channel) throws(MCAPError) -> UInt16 {
        let schema = if let told = schemas[channel.schema] { told } else { try tellSchema(channel) }
        let number = try writer.addChannel(topic: channel.topic, schema: schema, encoding: channel.isVideo ? "protobuf" : "json")
        numbers[channel.topic + "\n" + channel.schema] = number
        return number
    }

    private mutating func tellSchema(_ channel: Channel) throws(MCAPError) -> UInt16 {
        let schema =
            channel.isVideo
            ? try writer.addSchema(name: channel.schema, encoding: "protobuf", data: CompressedVideo.schema)
            : try writer.addSchema(name: channel.schema, encoding: "jsonschema", data: Array(RecordingSchema.text(channel.schema).utf8))
        schemas[channel.schema] = schema
        return schema
    }

    /// NTP counts from 1900 (RFC 5905 clause 6).
    private static func unixNanoseconds(_ frame: EncodedFrame) -> UInt64 {
        guard let ntp = frame.captureNTP, ntp >> 32 > 2_208_988_800 else { return UInt64(clamping: MonotonicClock.unixNanoseconds()) }
        return ((ntp >> 32) - 2_208_988_800) * 1_000_000_000 + ((ntp & 0xFFFF_FFFF) * 1_000_000_000) >> 32
    }
}
