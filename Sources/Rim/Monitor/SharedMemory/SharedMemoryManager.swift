import Glibc
import Reactor
import Usage
import Wire

/// The state of a monitor in shared memory (spec teleop-monitor, sections 12 and 14): one program writes it, any other of the machine reads it.
///
///     let shared = SharedMemoryManager(namespace: "teleoperation")
///     try shared.initialize(create: false)
///     let state = try shared.readState()
///
/// Used from one thread at a time. A writer that lets go of it, or closes it, takes the objects' names away; who has them attached keeps the last
/// state and sees by `_timestamp_ms` that it grows old.
public final class SharedMemoryManager {
    /// 1 to 64 letters, digits, `_`, `-` and `.`, not beginning with a point: the objects are `<namespace>_main` and `<namespace>_telemetry`.
    public let namespace: String

    private var main: SharedObject?
    private var telemetry: SharedObject?
    private var ring: TelemetryRing?
    /// Of a writer.
    private var inodes: (main: UInt64, telemetry: UInt64)?

    public init(namespace: String = "teleoperation") { self.namespace = namespace }

    deinit { close() }

    private var mainName: String { namespace + "_main" }
    private var telemetryName: String { namespace + "_telemetry" }

    /// Makes the objects (`bufferSize`: bytes of telemetry, 4096…1 048 576), or attaches to those that a monitor has made.
    public func initialize(create: Bool, bufferSize: Int = 65_536) throws(SharedMemoryError) {
        guard MonitorConfiguration.isNamespace(namespace) else { throw .namespace(namespace) }
        close()
        if create { try make(bufferSize) } else { try attach() }
    }

    private func make(_ bufferSize: Int) throws(SharedMemoryError) {
        let creation = UInt64(clamping: MonotonicClock.unixSeconds())
        let header = MainLayout.header(creation: creation, pid: UInt64(getpid()))
        let made = try SharedOwner.create(mainName, namespace: namespace, size: MainLayout.size, header: header)
        do throws(SharedMemoryError) {
            // It says of nobody whose it is: who has the main object has this one.
            let second = try SharedOwner.create(
                telemetryName, namespace: namespace, size: TelemetryRing.headerSize + bufferSize,
                header: [UInt8](repeating: 0, count: TelemetryRing.headerSize))
            (main, telemetry) = (made.0, second.0)
            inodes = (made.inode, second.inode)
            ring = TelemetryRing(capacity: bufferSize)
        } catch {
            SharedOwner.remove(mainName, inode: made.inode)
            throw error
        }
    }

    private func attach() throws(SharedMemoryError) {
        let object = try SharedOwner.attach(mainName, size: MainLayout.size).0
        try SharedOwner.check(object, magic: MainLayout.magic, version: MainLayout.version)
        main = object
        // An older monitor has none.
        telemetry = try? SharedOwner.attach(telemetryName, size: nil).0
    }

    /// A writer's objects are unlinked.
    public func close() {
        if let inodes {
            SharedOwner.remove(mainName, inode: inodes.main)
            SharedOwner.remove(telemetryName, inode: inodes.telemetry)
        }
        (main, telemetry, ring, inodes) = (nil, nil, nil, nil)
    }

    // MARK: Writing

    /// The state, with the keys of section 12. False: it is too long even without operators, or this is no writer; the last one stays.
    @discardableResult
    public func write(state: JSONObject) -> Bool {
        guard inodes != nil, let main, let area = MainLayout.stateArea(state) else { return false }
        main.write(sequenceAt: MainLayout.stateSequenceOffset, at: MainLayout.stateOffset, area.span)
        return true
    }

    /// The metrics and the time of writing, which is now.
    public func write(metrics: [MainLayout.Metric]) {
        guard inodes != nil, let main else { return }
        let written = UInt64(clamping: MonotonicClock.unixNanoseconds() / 1_000_000)
        let area = MainLayout.metricsArea(metrics, written: written)
        main.write(sequenceAt: MainLayout.metricsSequenceOffset, at: MainLayout.metricsOffset, area.span)
    }

    /// One more item, of compact JSON, with the present time. False: longer than 1012 bytes, or this is no writer.
    @discardableResult
    public func append(telemetry data: [UInt8]) -> Bool {
        guard let telemetry, var ring else { return false }
        let isTaken = ring.append(
            TelemetryRing.Item(time: Double(MonotonicClock.unixNanoseconds()) / 1e9, data: data), to: telemetry)
        self.ring = ring
        return isTaken
    }

    // MARK: Reading

    /// The state, and `_timestamp_ms`, when metrics were last written; nil: none was written yet.
    public func readState() throws(SharedMemoryError) -> JSONObject? {
        let area = try read(MainLayout.stateSequenceOffset, MainLayout.stateOffset, MainLayout.stateAreaSize)
        guard let text = MainLayout.stateText(of: area.span), text.count > 0 else { return nil }
        var parser = JSONParser(limits: JSONLimits(depth: 16, bytes: MainLayout.longestState))
        guard (try? parser.feed(text)) != nil, case .object(var state)? = try? parser.finish() else {
            throw .foreign(name: mainName, expected: "a JSON object", got: "something else")
        }
        state["_timestamp_ms"] = .integer(Int64(clamping: try readMetrics().written))
        return state
    }

    /// The metrics by name, and when they were written, in milliseconds since 1970 (0: never).
    public func readMetrics() throws(SharedMemoryError) -> MainLayout.Metrics {
        let area = try read(MainLayout.metricsSequenceOffset, MainLayout.metricsOffset, MainLayout.metricsAreaSize)
        guard let metrics = MainLayout.metrics(of: area.span) else {
            throw .foreign(name: mainName, expected: "at most \(MainLayout.mostMetrics) metrics", got: "more")
        }
        return metrics
    }

    private func read(_ sequence: Int, _ offset: Int, _ size: Int) throws(SharedMemoryError) -> [UInt8] {
        guard let main else { throw .closed }
        guard let copy = main.read(sequenceAt: sequence, offset..<(offset + size)) else { throw .unavailable(name: mainName) }
        return copy.bytes
    }

    /// The items that are there, oldest first.
    public func readTelemetry() throws(SharedMemoryError) -> [TelemetryRing.Item] {
        guard main != nil else { throw .closed }
        guard let telemetry else { throw .absent(name: telemetryName) }
        for _ in 0..<SharedObject.tries {
            let before = Self.words(of: telemetry)
            telemetry.fence()
            let copy = telemetry.load(0..<telemetry.size)
            telemetry.fence()
            if let items = TelemetryRing.items(of: copy.span, before: before, after: Self.words(of: telemetry)) { return items }
            sched_yield()
        }
        throw .unavailable(name: telemetryName)
    }

    private static func words(of object: SharedObject) -> TelemetryRing.Words {
        TelemetryRing.Words(write: object.word(at: 0), read: object.word(at: 4), used: object.word(at: 8))
    }
}
