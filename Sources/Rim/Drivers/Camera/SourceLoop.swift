#if GStreamer
    import GStreamer
    import Reactor
    import Synchronization
    import Wire

    /// How a source's thread and its owner know of each other.
    final class SourceExchange<Feed: Sendable>: Sendable {
        private let wanted = Atomic<Bool>(true)
        private let outcome = Lock<Result<Feed, CameraError>?>(nil)

        var isRunning: Bool { wanted.load(ordering: .relaxed) }
        func stop() { wanted.store(false, ordering: .relaxed) }

        func settle(_ result: Result<Feed, CameraError>) { outcome.withLock { $0 = $0 ?? result } }

        /// Waits for how the beginning came out, a little longer than the thread itself does.
        func wait(_ pipeline: String) throws(CameraError) -> Feed {
            let deadline = MonotonicClock.now() + SourceLoop.patience + .seconds(5)
            while MonotonicClock.now() < deadline {
                if let outcome = outcome.withLock({ $0 }) { return try outcome.get() }
                WorkerThread.sleep(until: MonotonicClock.now() + .milliseconds(2))
            }
            stop()
            throw .source(pipeline, reason: "it does not begin")
        }
    }

    /// Keeps a pipeline running, whatever happens to its source: made anew 1, 2, 4, 8 and then every 10 seconds after it was lost.
    struct SourceLoop {
        /// `camera` or `microphone`, for the log.
        var kind: String
        var description: String
        var tail: String
        var depth: Int
        var log: Logger

        /// Without anything from it a source is lost.
        static let patience = Duration.seconds(10)
        private static let turn = Duration.milliseconds(200)
        private static let pauses = [1, 2, 4, 8, 10].map { Duration.seconds($0) }

        private func open(_ first: GstPipeline?) throws(CameraError) -> GstPipeline {
            if let first { return first }
            do throws(GStreamerError) { return try GstPipeline(description, tail: tail, depth: depth) } catch {
                throw switch error {
                case .unavailable(let reason): .gstreamer(reason)
                case .description(let reason): .description(description, reason: reason)
                case .start(let reason): .source(description, reason: reason)
                }
            }
        }

        /// The first pipeline, and the first sample that came out of it.
        func begin(_ isRunning: () -> Bool) throws(CameraError) -> (GstPipeline, GstSampleHandle) {
            let pipeline = try open(nil)
            let deadline = MonotonicClock.now() + Self.patience
            while isRunning(), MonotonicClock.now() < deadline {
                switch pipeline.next(within: Self.turn) {
                case .sample(let sample): return (pipeline, sample)
                case .nothing: break
                case .ended: throw .source(description, reason: "the stream ended before anything came")
                case .failed(let reason): throw .source(description, reason: reason)
                }
            }
            throw .source(description, reason: "nothing, for \(Int(Self.patience.seconds)) s")
        }

        /// Until it is told to end. `mayRest`: nothing is wanted just now.
        func run(_ first: GstPipeline, _ isRunning: () -> Bool, mayRest: () -> Bool, _ take: (GstSampleHandle) -> Void) {
            var pipeline: GstPipeline? = first
            var failures = 0
            while isRunning() {
                do throws(CameraError) {
                    let current = try open(pipeline.take())
                    var gave = false
                    try follow(current, isRunning, mayRest: mayRest) { sample in
                        if failures > 0 { log.info("the \(kind) is back", ["pipeline": .text(description.withoutPasswords)]) }
                        (failures, gave) = (0, true)
                        take(sample)
                    }
                    // A file begins again when it ends; what ends at once does so every second.
                    if !gave { pause(.seconds(1), isRunning) }
                } catch {
                    let pause = Self.pauses[min(failures, Self.pauses.count - 1)]
                    failures += 1
                    log.warning(
                        "the \(kind) is lost",
                        [
                            "reason": .text("\(error)".withoutPasswords), "attempt": .integer(Int64(failures)),
                            "again_in_s": .integer(Int64(pause.seconds)),
                        ])
                    self.pause(pause, isRunning)
                }
            }
        }

        /// Returns at the end of what is no live source, or when told to end.
        private func follow(
            _ pipeline: GstPipeline, _ isRunning: () -> Bool, mayRest: () -> Bool, _ take: (GstSampleHandle) -> Void
        ) throws(CameraError) {
            var last = MonotonicClock.now()
            while isRunning() {
                if mayRest() {
                    WorkerThread.sleep(until: MonotonicClock.now() + .milliseconds(20))
                    continue
                }
                switch pipeline.next(within: Self.turn) {
                case .sample(let sample):
                    last = MonotonicClock.now()
                    take(sample)
                case .nothing:
                    if MonotonicClock.now() - last > Self.patience {
                        throw .source(description, reason: "nothing, for \(Int(Self.patience.seconds)) s")
                    }
                case .ended:
                    if pipeline.isLive { throw .source(description, reason: "the stream ended") }
                    return
                case .failed(let reason): throw .source(description, reason: reason)
                }
            }
        }

        private func pause(_ duration: Duration, _ isRunning: () -> Bool) {
            let end = MonotonicClock.now() + duration
            while isRunning(), MonotonicClock.now() < end { WorkerThread.sleep(until: min(end, MonotonicClock.now() + .milliseconds(100))) }
        }
    }
#endif
