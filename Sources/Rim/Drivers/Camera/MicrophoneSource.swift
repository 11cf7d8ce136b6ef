#if GStreamer
    import GStreamer
    import Media
    public import Reactor
    import Wire

    /// A microphone that GStreamer has an element for, on a thread of its own.
    public final class MicrophoneSource: Sendable {
        public let feed: SoundFeed
        private let exchange: SourceExchange<SoundFeed>

        /// Waits for the first sound, at most ten seconds. `pipeline`: elements as gst-launch-1.0 takes them, without a sink: `alsasrc`.
        public init(pipeline: String, log: Logger) throws(CameraError) {
            let exchange = SourceExchange<SoundFeed>()
            let loop = SourceLoop(
                kind: "microphone", description: pipeline,
                tail: "audioconvert ! audioresample ! audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved", depth: 10,
                log: log)
            do {
                try WorkerThread.start("waldo-mic") {
                    let isRunning = { exchange.isRunning }
                    do throws(CameraError) {
                        let (pipeline, sample) = try loop.begin(isRunning)
                        let feed = SoundFeed()
                        exchange.settle(.success(feed))
                        var cutter = SoundCutter()
                        cutter.add(sample.sound, age: sample.age) { feed.publish($0) }
                        loop.run(pipeline, isRunning, mayRest: { false }) { sample in
                            cutter.add(sample.sound, age: sample.age) { feed.publish($0) }
                        }
                    } catch { exchange.settle(.failure(error)) }
                }
            } catch { throw .thread(code: error.code) }
            feed = try exchange.wait(pipeline)
            self.exchange = exchange
        }

        deinit { stop() }

        /// The microphone is let go within a second.
        public func stop() { exchange.stop() }
    }

    /// Pieces of any length, cut to 20 ms.
    private struct SoundCutter {
        private var kept: [Int16] = []
        private static let block = 960

        mutating func add(_ samples: [Int16], age: Duration, _ publish: (CapturedSound) -> Void) {
            // When the first of what is kept was taken: the new samples begin `age` ago.
            var begin = MonotonicClock.now() - age - Self.length(kept.count)
            kept += samples
            var start = 0
            while kept.count - start >= Self.block {
                publish(CapturedSound(Array(kept[start..<start + Self.block]), captured: begin))
                start += Self.block
                begin += Self.length(Self.block)
            }
            kept.removeFirst(start)
        }

        private static func length(_ count: Int) -> Duration { Duration(nanoseconds: Int64(count) * 1_000_000_000 / 48_000) }
    }
#endif
