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
            let faults = RareLogger(log.with("camera", .text(name)))
            do {
                try WorkerThread.start("waldo-camera") {
                    let isRunning = { exchange.isRunning }
                    do throws(CameraError) {
                        let (pipeline, sample) = try loop.begin(isRunning)
                        let feed = try Self.feed(name, sample, loop.description)
                        publish(sample, to: feed, faults)
                        exchange.settle(.success(feed))
                        var last = MonotonicClock.now()
                        loop.run(pipeline, isRunning, mayRest: { !feed.isWatched && MonotonicClock.now() - last < .seconds(1) }) { sample in
                            last = MonotonicClock.now()
                            publish(sample, to: feed, faults)
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

    private func publish(_ sample: GstSampleHandle, to feed: PictureFeed, _ faults: RareLogger) {
        guard var picture = sample.picture else { return faults.warning("the camera gave something that is no picture; it is left out") }
        if picture.width != feed.width || picture.height != feed.height {
            do throws(MediaError) { picture = try picture.scaled(toWidth: feed.width, height: feed.height) } catch {
                return faults.warning(
                    "a picture could not be scaled; it is left out",
                    [
                        "width": .integer(Int64(picture.width)), "height": .integer(Int64(picture.height)), "reason": .text("\(error)"),
                    ])
            }
        }
        let captured = MonotonicClock.now() - sample.age
        feed.publish(
            CapturedPicture(picture, captured: captured, unixNanoseconds: MonotonicClock.unixNanoseconds() - sample.age.nanoseconds))
    }
#endif
