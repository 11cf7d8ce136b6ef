#if GStreamer
    import GStreamer
    import Media
    public import Reactor
    import Wire

    /// A camera that GStreamer has an element for, on a thread of its own.
    ///
    /// The feed has the size and rate of the first picture; later ones of another size are scaled to it. Each picture is dated back by the time
    /// that it spent in the pipeline. While nobody watches, one a second is taken.
    public final class CameraSource: Sendable {
        public let feed: PictureFeed
        private let exchange: SourceExchange<PictureFeed>

        /// Waits for the first picture, at most ten seconds. `pipeline`: elements as gst-launch-1.0 takes them, without a sink: `v4l2src`.
        public init(name: String, pipeline: String, log: Logger) throws(CameraError) {
            let exchange = SourceExchange<PictureFeed>()
            let loop = SourceLoop(
                kind: "camera", description: pipeline, tail: "videoconvert ! video/x-raw,format=I420", depth: 1,
                log: log.with("camera", .text(name)))
            do {
                try WorkerThread.start("waldo-camera") {
                    let isRunning = { exchange.isRunning }
                    do throws(CameraError) {
                        let (pipeline, sample) = try loop.begin(isRunning)
                        let feed = try Self.feed(name, sample, loop.description)
                        publish(sample, to: feed)
                        exchange.settle(.success(feed))
                        var last = MonotonicClock.now()
                        loop.run(pipeline, isRunning, mayRest: { !feed.isWatched && MonotonicClock.now() - last < .seconds(1) }) { sample in
                            last = MonotonicClock.now()
                            publish(sample, to: feed)
                        }
                    } catch { exchange.settle(.failure(error)) }
                }
            } catch { throw .thread(code: error.code) }
            feed = try exchange.wait(pipeline)
            self.exchange = exchange
        }

        deinit { stop() }

        /// The camera is let go within a second.
        public func stop() { exchange.stop() }

        private static func feed(_ name: String, _ sample: GstSampleHandle, _ pipeline: String) throws(CameraError) -> PictureFeed {
            guard let (width, height, rate) = sample.format else { throw .picture(pipeline, got: "something else") }
            guard (64...4096).contains(width), (64...4096).contains(height) else { throw .picture(pipeline, got: "\(width)x\(height)") }
            return PictureFeed(name: name, width: width, height: height, rate: rate)
        }
    }

    private func publish(_ sample: GstSampleHandle, to feed: PictureFeed) {
        guard var picture = sample.picture else { return }
        if picture.width != feed.width || picture.height != feed.height {
            guard let scaled = try? picture.scaled(toWidth: feed.width, height: feed.height) else { return }
            picture = scaled
        }
        let captured = MonotonicClock.now() - sample.age
        feed.publish(
            CapturedPicture(picture, captured: captured, unixNanoseconds: MonotonicClock.unixNanoseconds() - sample.age.nanoseconds))
    }
#endif
