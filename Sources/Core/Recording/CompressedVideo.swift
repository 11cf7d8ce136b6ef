import Wire

/// One encoded picture as `foxglove.CompressedVideo`, in protobuf: what Foxglove and others play.
public struct CompressedVideo: Sendable, Hashable {
    /// When the picture was taken, Unix nanoseconds.
    public var time: UInt64
    /// The camera.
    public var frame: String
    /// H.264: Annex B, parameter sets before each key frame, no B-frames.
    public var data: [UInt8]
    /// `h264`; `vp8` is not shown by Foxglove.
    public var format: String

    public init(time: UInt64, frame: String, data: [UInt8], format: String) {
        (self.time, self.frame, self.data, self.format) = (time, frame, data, format)
    }

    public static let schemaName = "foxglove.CompressedVideo"

    // MARK: Writing

    public var encoded: [UInt8] {
        var timestamp = Protobuf()
        timestamp.number(1, time / 1_000_000_000)
        timestamp.number(2, time % 1_000_000_000)
        var message = Protobuf(capacity: data.count + 64)
        message.bytes(1, timestamp.bytes)
        message.text(2, frame)
        message.bytes(3, data)
        message.text(4, format)
        return message.bytes
    }

    /// The schema that goes with it: a `FileDescriptorSet` with this message and the timestamp's (google/protobuf/descriptor.proto).
    public static let schema: [UInt8] = {
        var timestamp = Protobuf()
        timestamp.text(1, "google/protobuf/timestamp.proto")
        timestamp.text(2, "google.protobuf")
        timestamp.bytes(4, describe("Timestamp", [("seconds", 1, 3, nil), ("nanos", 2, 5, nil)]))
        timestamp.text(12, "proto3")
        var video = Protobuf()
        video.text(1, "foxglove/CompressedVideo.proto")
        video.text(2, "foxglove")
        video.text(3, "google/protobuf/timestamp.proto")
        let fields: [(String, UInt64, UInt64, String?)] = [
            ("timestamp", 1, 11, ".google.protobuf.Timestamp"), ("frame_id", 2, 9, nil), ("data", 3, 12, nil), ("format", 4, 9, nil),
        ]
        video.bytes(4, describe("CompressedVideo", fields))
        video.text(12, "proto3")
        var set = Protobuf()
        set.bytes(1, timestamp.bytes)
        set.bytes(1, video.bytes)
        return set.bytes
    }()

    /// A `DescriptorProto`: fields by name, number, type and, for messages, the type's name.
    private static func describe(_ name: String, _ fields: [(String, UInt64, UInt64, String?)]) -> [UInt8] {
        var message = Protobuf()
        message.text(1, name)
        for (name, number, type, typeName) in fields {
            var field = Protobuf()
            field.text(1, name)
            field.number(3, number)
            field.number(4, 1)  // optional
            field.number(5, type)
            if let typeName { field.text(6, typeName) }
            message.bytes(2, field.bytes)
        }
        return message.bytes
    }

    // MARK: Reading

    /// Nil: not such a message. Fields that are not known are passed over.
    public init?(_ message: Span<UInt8>) {
        self.init(time: 0, frame: "", data: [], format: "")
        var reader = ByteReader(message)
        while !reader.isAtEnd {
            guard let key = Self.varint(&reader) else { return nil }
            switch key & 7 {
            case 0: guard Self.varint(&reader) != nil else { return nil }
            case 1: guard reader.skip(8) else { return nil }
            case 5: guard reader.skip(4) else { return nil }
            case 2:
                guard let length = Self.varint(&reader), length <= UInt64(reader.remaining), let value = reader.array(Int(length)) else {
                    return nil
                }
                switch key >> 3 {
                case 1:
                    guard let time = Self.timestamp(value.span) else { return nil }
                    self.time = time
                case 2: frame = String(decoding: value, as: UTF8.self)
                case 3: data = value
                case 4: format = String(decoding: value, as: UTF8.self)
                default: break
                }
            default: return nil
            }
        }
    }

    private static func timestamp(_ message: Span<UInt8>) -> UInt64? {
        var reader = ByteReader(message)
        var time: UInt64 = 0
        while !reader.isAtEnd {
            guard let key = varint(&reader), key & 7 == 0, let value = varint(&reader) else { return nil }
            switch key >> 3 {
            case 1: time = time &+ value &* 1_000_000_000
            case 2: time = time &+ value
            default: break
            }
        }
        return time
    }

    @_lifetime(reader: copy reader)
    private static func varint(_ reader: inout ByteReader) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard let byte = reader.u8() else { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
        }
        return nil
    }
}

/// Writes protobuf's wire form (https://protobuf.dev/programming-guides/encoding): varints, and bytes behind their length.
private struct Protobuf {
    private(set) var bytes: [UInt8] = []

    init(capacity: Int = 64) { bytes.reserveCapacity(capacity) }

    mutating func number(_ field: UInt64, _ value: UInt64) {
        varint(field << 3)
        varint(value)
    }

    mutating func bytes(_ field: UInt64, _ value: [UInt8]) {
        varint(field << 3 | 2)
        varint(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    mutating func text(_ field: UInt64, _ value: String) { bytes(field, Array(value.utf8)) }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest > 0x7F {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}
