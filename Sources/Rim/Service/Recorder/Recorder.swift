import RTC
import Reactor
import Recording
import Synchronization
import Wire

/// Records a session as MCAP on a thread of its own: encoded video, telemetry, commands and events. From any thread; nothing waits for it.
///
/// A file grows by whole chunks, at least one a second, so that a killed process leaves one that is readable up to its last second. The
/// disk that a recording takes is bounded by its limit: it is written in parts of a quarter of that, and the oldest part goes when room is
/// needed. A full disk ends the recording, and nothing else.
public final class Recorder: Sendable {
    public struct Statistics: Sendable, Hashable {
        public var messages = 0
        /// In the files that are there now.
        public var bytes = 0
        public var files = 0
        /// Files that went to make room.
        public var removed = 0
        /// Messages and frames left out because the disk was too slow.
        public var dropped = 0
        /// Where the newest part is.
        public var path = ""
        /// Why the recording has ended before it was to; nil: it goes on, or was finished.
        public var failure: String?
    }

    /// The least that a recording may be limited to, bytes.
    public static let leastLimit = 4 << 20

    enum Item: Sendable {
        case video(EncodedFrame, camera: String)
        case json(topic: String, schema: String, bytes: [UInt8], time: UInt64)

        var size: Int {
            switch self {
            case .video(let frame, _): frame.bytes.count
            case .json(_, _, let bytes, _): bytes.count
            }
        }
    }

    private let items: Inbox<Item>
    private let ended: Inbox<Bool>
    private let queuedBytes = Atomic<Int>(0)
    private let figures = Lock(Statistics())
    /// Cameras whose frames are left out until the next key frame: those that begin, and those that lost one.
    private let cameras = Lock<[String: Bool]>([:])
    private let onEnd: (@Sendable (RecorderError) -> Void)?

    private static let longestQueue = 2048
    private static let mostQueuedBytes = 64 << 20

    /// Begins at once. `limit`: bytes that the recording's files may take together, at least `leastLimit`; nil: no bound. `onEnd` is called
    /// on the recorder's thread when the recording cannot go on.
    public init(path: String, limit: Int? = nil, onEnd: (@Sendable (RecorderError) -> Void)? = nil) throws {
        if let limit, limit < Self.leastLimit { throw RecorderError.limitTooSmall(limit, least: Self.leastLimit) }
        self.onEnd = onEnd
        items = try Inbox(limit: Self.longestQueue, leavesOut: .newest)
        ended = try Inbox(limit: 1, leavesOut: .newest)
        let descriptor = try RecordingFile.create(path)
        figures.withLock { ($0.path, $0.files) = (path, 1) }
        try WorkerThread.start("waldo-recorder") { [self] in run(path, descriptor, limit) }
    }

    // MARK: From any thread

    /// A frame as it is sent. Frames before a camera's first key frame, and from a lost one to the next key frame, are left out.
    public func recordVideo(_ frame: EncodedFrame, camera: String) {
        let isWanted = cameras.withLock { cameras in
            if frame.isKeyFrame { cameras[camera] = true }
            return cameras[camera] ?? false
        }
        guard isWanted else { return }
        if !put(.video(frame, camera: camera)) { cameras.withLock { $0[camera] = false } }
    }

    /// One message of a topic. `schema`: a name that `RecordingSchema` knows, or another; `json`: an object; `at`: Unix nanoseconds.
    public func record(topic: String, schema: String, json: [UInt8], at unixNanoseconds: Int64) {
        _ = put(.json(topic: topic, schema: schema, bytes: json, time: UInt64(clamping: unixNanoseconds)))
    }

    private func put(_ item: Item) -> Bool {
        let size = item.size
        guard queuedBytes.add(size, ordering: .relaxed).newValue <= Self.mostQueuedBytes, items.put(item) else {
            queuedBytes.subtract(size, ordering: .relaxed)
            figures.withLock { $0.dropped += 1 }
            return false
        }
        return true
    }

    public var statistics: Statistics { figures.withLock { $0 } }

    /// Writes what is still waiting and ends the file; waits for that, at most five seconds. False: it was not done by then.
    @discardableResult
    public func finish() -> Bool {
        items.close()
        if case .element = ended.next(until: MonotonicClock.now() + .seconds(5)) {
            ended.put(true)
            return true
        }
        return false
    }

    // MARK: The thread

    private func run(_ path: String, _ descriptor: Int32, _ limit: Int?) {
        do throws(RecorderError) {
            var tape = try RecordingTape(RecordingFile(path, takingOwnershipOf: descriptor), limit: limit)
            while true {
                let next = items.next(until: tape.deadline)
                if case .closed = next { break }
                if case .element(let item) = next {
                    queuedBytes.subtract(item.size, ordering: .relaxed)
                    try tape.write(item)
                }
                try tape.save(at: MonotonicClock.now())
                publish(tape.statistics)
            }
            try tape.finish()
            publish(tape.statistics)
        } catch {
            // Nothing is taken from now on.
            items.close()
            figures.withLock { $0.failure = error.description }
            onEnd?(error)
        }
        ended.put(true)
    }

    private func publish(_ statistics: Statistics) {
        figures.withLock { figures in
            let dropped = figures.dropped
            figures = statistics
            figures.dropped = dropped
        }
    }
}
