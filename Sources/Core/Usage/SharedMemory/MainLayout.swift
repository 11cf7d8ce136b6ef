import Wire

/// The object `<namespace>_main` byte by byte (spec teleop-monitor, section 12). All integers and doubles are big-endian.
public enum MainLayout {
    /// At 0: what it is, `TELE`.
    public static let magic: UInt32 = 0x5445_4C45
    /// At 4.
    public static let version: UInt32 = 1
    /// Bytes of the whole object.
    public static let size = 77_888

    /// Two u32: what it is.
    public static let magicOffset = 0, versionOffset = 4
    /// u64 each: whole seconds since 1970, the writer's pid.
    public static let creationOffset = 8, pidOffset = 16
    /// u64 each: odd while the area is written.
    public static let stateSequenceOffset = 24, metricsSequenceOffset = 32

    /// u32 length, then UTF-8.
    public static let stateOffset = 64
    /// Bytes of the JSON text.
    public static let longestState = 4084
    /// u64 milliseconds since 1970, u16 number, then 40 bytes each.
    public static let metricsOffset = 4152
    /// Metrics that there is room for.
    public static let mostMetrics = 204
    /// Bytes of a name, zero padded.
    public static let metricNameSize = 32
    /// Bytes of a metric: its name and an f64.
    public static let metricSize = 40
    /// Behind the areas: reserved.
    public static let freeOffset = 12_352, freeSize = 65_536

    /// Bytes of the areas at most, their lengths included.
    public static let stateAreaSize = 4 + longestState
    /// Bytes of the metrics area at most.
    public static let metricsAreaSize = 10 + mostMetrics * metricSize

    // MARK: Header

    /// The 64 bytes at the start, sequences 0. `creation`: whole seconds since 1970.
    public static func header(creation: UInt64, pid: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: stateOffset)
        writer.u32(magic)
        writer.u32(version)
        writer.u64(creation)
        writer.u64(pid)
        writer.zeros(stateOffset - writer.count)
        return writer.bytes
    }

    // MARK: State

    /// The area at 64. Where the text is too long, operators are left out from the end and `operators_truncated` is added; nil: it is too long
    /// even so.
    public static func stateArea(_ state: JSONObject) -> [UInt8]? {
        var text = JSON.object(state).encoded()
        if text.count > longestState {
            guard let shorter = shortened(state) else { return nil }
            text = shorter
        }
        var writer = ByteWriter(capacity: 4 + text.count)
        writer.u32(UInt32(text.count))
        writer.append(text)
        return writer.bytes
    }

    private static func shortened(_ state: JSONObject) -> [UInt8]? {
        guard let operators = state["operators"]?.array else { return nil }
        var state = state
        state["operators_truncated"] = true
        state["operators"] = []
        let bare = JSON.object(state).encoded()
        guard bare.count <= longestState else { return nil }
        // Each costs its text and a comma.
        var (left, kept) = (longestState - bare.count, [JSON]())
        for name in operators {
            left -= name.encoded().count + (kept.isEmpty ? 0 : 1)
            guard left >= 0 else { break }
            kept.append(name)
        }
        state["operators"] = .array(kept)
        return JSON.object(state).encoded()
    }

    /// The text of an area; nil: its length is none that a writer gives.
    @_lifetime(copy area)
    public static func stateText(of area: Span<UInt8>) -> Span<UInt8>? {
        guard area.count >= 4 else { return nil }
        let length = Int(area.u32(at: 0))
        guard length <= longestState, length <= area.count - 4 else { return nil }
        return area.extracting(4..<(4 + length))
    }

    // MARK: Metrics

    /// What a metrics area says.
    public struct Metrics: Sendable, Equatable {
        /// Milliseconds since 1970.
        public var written: UInt64
        /// In the order of writing.
        public var values: [Metric]

        public init(written: UInt64, values: [Metric]) { (self.written, self.values) = (written, values) }
    }

    /// A name and its latest value.
    public struct Metric: Sendable, Equatable {
        /// At most 32 bytes of UTF-8 survive.
        public var name: String
        /// In the unit that the name says.
        public var value: Double

        public init(_ name: String, _ value: Double) { (self.name, self.value) = (name, value) }
    }

    /// The area at 4152. `written`: milliseconds since 1970. Metrics behind the 204th are left out.
    public static func metricsArea(_ metrics: [Metric], written: UInt64) -> [UInt8] {
        let metrics = metrics.prefix(mostMetrics)
        var writer = ByteWriter(capacity: 10 + metrics.count * metricSize)
        writer.u64(written)
        writer.u16(UInt16(metrics.count))
        for metric in metrics {
            let name = nameBytes(metric.name)
            writer.append(name)
            writer.zeros(metricNameSize - name.count)
            writer.u64(metric.value.bitPattern)
        }
        return writer.bytes
    }

    /// Cut at a character boundary.
    static func nameBytes(_ name: String) -> [UInt8] {
        var bytes: [UInt8] = []
        for character in name {
            guard bytes.count + character.utf8.count <= metricNameSize else { break }
            bytes.append(contentsOf: character.utf8)
        }
        return bytes
    }

    /// Nil: its number is none that a writer gives.
    public static func metrics(of area: Span<UInt8>) -> Metrics? {
        var reader = ByteReader(area)
        guard let written = reader.u64(), let number = reader.u16(), number <= mostMetrics else { return nil }
        var values: [Metric] = []
        values.reserveCapacity(Int(number))
        for _ in 0..<number {
            guard let name = reader.array(metricNameSize), let bits = reader.u64() else { return nil }
            values.append(Metric(String(decoding: name.prefix { $0 != 0 }, as: UTF8.self), Double(bitPattern: bits)))
        }
        return Metrics(written: written, values: values)
    }
}
