#if GStreamer
    import GStreamer
    import Media
    public import Reactor
    import Synchronization
    import Wire

    /// A camera that is there while it is wanted: opened now to see that it works, closed while it rests, opened again when it is woken. While it
    /// is lost its feed shows that, once a second, and it is tried again every two.
    public final class LiveCamera: Sendable {
        /// Elements as gst-launch-1.0 takes them, without a sink.
        public enum Source: Sendable {
            case colour(String)
            /// 16-bit depth, shown in colours.
            case depth(String)

            var description: String {
                switch self {
                case .colour(let text), .depth(let text): text
                }
            }
        }

        private let feed: PictureFeed
        private let source: Source
        private let log: Logger
        private let isWanted = Atomic<Bool>(false)
        private let isRunning = Atomic<Bool>(true)
        private let lost = Atomic<Bool>(false)
        private let bell: Inbox<Bool>
        private let first = Lock<Result<Void, CameraError>?>(nil)

        private static let patience = Duration.seconds(10)
        private static let turn = Duration.milliseconds(100)
        /// Without a picture for so long it is lost.
        private static let silence = Duration.seconds(2)

        /// Waits for the first picture, at most ten seconds.
        public init(feed: PictureFeed, _ source: Source, log: Logger) throws(CameraError) {
            (self.feed, self.source, self.log) = (feed, source, log)
            do throws(SystemError) {
                bell = try Inbox(limit: 1, leavesOut: .newest)
                try WorkerThread.start("waldo-camera") { [self] in run() }
            } catch { throw .thread(code: error.code) }
            let deadline = MonotonicClock.now() + Self.patience + .seconds(2)
            while MonotonicClock.now() < deadline {
                if let outcome = first.withLock({ $0 }) {
                    if case .failure = outcome { stop() }
                    try outcome.get()
                    return
                }
                WorkerThread.sleep(until: MonotonicClock.now() + .milliseconds(2))
            }
            stop()
            throw .source(source.description, reason: "it does not begin")
        }

        /// It is wanted, and gives no pictures.
        public var isLost: Bool { lost.load(ordering: .relaxed) }

        public func wake() {
            isWanted.store(true, ordering: .relaxed)
            bell.put(true)
        }

        public func rest() { isWanted.store(false, ordering: .relaxed) }

        public func stop() {
            isRunning.store(false, ordering: .relaxed)
            bell.close()
        }

        // MARK: The thread

        private func run() {
            do throws(CameraError) {
                try begin()
                first.withLock { $0 = .success(()) }
            } catch {
                first.withLock { $0 = .failure(error) }
                return
            }
            while isRunning.load(ordering: .relaxed) {
                guard isWanted.load(ordering: .relaxed) else {
                    guard case .element = bell.next() else { return }
                    continue
                }
                do throws(CameraError) { try follow() } catch {
                    lost.store(true, ordering: .relaxed)
                    log.warning("the camera is lost", ["reason": .text("\(error)"), "again_in_s": 2])
                    showLoss()
                }
            }
        }

        /// One picture, to see that there are any, and to have one for whoever comes first.
        private func begin() throws(CameraError) {
            let pipeline = try open()
            let deadline = MonotonicClock.now() + Self.patience
            while isRunning.load(ordering: .relaxed), MonotonicClock.now() < deadline {
                switch pipeline.next(within: Self.turn) {
                case .sample(let sample): return try publish(sample)
                case .nothing: break
                case .ended: throw .source(source.description, reason: "the stream ended before anything came")
                case .failed(let reason): throw .source(source.description, reason: reason)
                }
            }
            throw .source(source.description, reason: "nothing, for \(Int(Self.patience.seconds)) s")
        }

        /// While it is wanted.
        private func follow() throws(CameraError) {
            let pipeline = try open()
            var last = MonotonicClock.now()
            // The first picture may take longer than the next ones.
            var patience = Self.patience
            while isRunning.load(ordering: .relaxed), isWanted.load(ordering: .relaxed) {
                switch pipeline.next(within: Self.turn) {
                case .sample(let sample):
                    (last, patience) = (MonotonicClock.now(), Self.silence)
                    try publish(sample)
                case .nothing:
                    if MonotonicClock.now() - last > patience {
                        throw .source(source.description, reason: "nothing, for \(Int(patience.seconds)) s")
                    }
                case .ended: throw .source(source.description, reason: "the stream ended")
                case .failed(let reason): throw .source(source.description, reason: reason)
                }
            }
        }

        private func open() throws(CameraError) -> GstPipeline {
            // GStreamer keeps the aspect, with black bars.
            let tail =
                switch source {
                case .colour:
                    "videoconvert ! videoscale add-borders=true ! video/x-raw,format=I420,width=\(feed.width),height=\(feed.height),pixel-aspect-ratio=1/1"
                case .depth: "videoconvert ! video/x-raw,format=GRAY16_LE"
                }
            do throws(GStreamerError) { return try GstPipeline(source.description, tail: tail, depth: 1) } catch {
                throw switch error {
                case .unavailable(let reason): .gstreamer(reason)
                case .description(let reason): .description(source.description, reason: reason)
                case .start(let reason): .source(source.description, reason: reason)
                }
            }
        }

        private func publish(_ sample: GstSampleHandle) throws(CameraError) {
            guard var picture = picture(sample) else { throw .picture(source.description, got: "something else") }
            if picture.width != feed.width || picture.height != feed.height {
                do throws(MediaError) { picture = try picture.fitted(toWidth: feed.width, height: feed.height) } catch {
                    throw .picture(source.description, got: "\(error)")
                }
            }
            let age = sample.age
            lost.store(false, ordering: .relaxed)
            feed.publish(
                CapturedPicture(
                    picture, captured: MonotonicClock.now() - age, unixNanoseconds: MonotonicClock.unixNanoseconds() - age.nanoseconds))
        }

        private func picture(_ sample: GstSampleHandle) -> Picture? {
            guard case .depth = source else { return sample.picture }
            guard let (width, height, _) = sample.format else { return nil }
            return Picture(depth: sample.bytes, width: width, height: height)
        }

        private func showLoss() {
            for _ in 0..<2 where isRunning.load(ordering: .relaxed) && isWanted.load(ordering: .relaxed) {
                feed.publish(
                    CapturedPicture(
                        .noCamera(width: feed.width, height: feed.height), captured: MonotonicClock.now(),
                        unixNanoseconds: MonotonicClock.unixNanoseconds()))
                WorkerThread.sleep(until: MonotonicClock.now() + .seconds(1))
            }
        }
    }
#endif
