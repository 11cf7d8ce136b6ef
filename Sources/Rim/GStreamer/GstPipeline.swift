#if GStreamer
    internal import CGst
    import Wire

    /// One GStreamer pipeline that ends in a queue of samples. Lives on one thread.
    @safe package final class GstPipeline {
        package enum Arrival {
            case sample(GstSampleHandle)
            /// Not in this time.
            case nothing
            case ended
            /// GStreamer's own words.
            case failed(String)
        }

        /// Whether the source keeps a pace of its own, as cameras do and files do not.
        package let isLive: Bool
        private let pipeline: UnsafeMutablePointer<GstElement>
        private let sink: UnsafeMutablePointer<GstElement>

        /// Begins at once. `description`: a source and what follows it; `tail`: what brings that into the form that is wanted; `depth`: how many
        /// samples wait at most, the oldest are dropped.
        package init(_ description: String, tail: String, depth: Int) throws(GStreamerError) {
            try Self.begin()
            let whole = "\(description) ! \(tail) ! appsink name=waldo-sink max-buffers=\(depth) drop=true sync=false"
            let (made, refusal) = unsafe Self.text { unsafe waldo_gst_make(whole, $0, $1) }
            guard let made = unsafe made else { throw .description(refusal) }
            guard let sink = unsafe waldo_gst_element(made, "waldo-sink") else {
                unsafe waldo_gst_free(made, nil)
                throw .description("the pipeline has lost its end")
            }
            let outcome = unsafe waldo_gst_pause(made)
            isLive = outcome == 2
            unsafe (pipeline, self.sink) = (made, sink)
            // What has no pace is given one by its timestamps.
            if !isLive { unsafe waldo_gst_set(sink, "sync", "true") }
            guard outcome != 0, unsafe waldo_gst_play(made) == 1 else {
                if case .failed(let reason) = event() { throw .start(reason) }
                throw .start("it does not start")
            }
        }

        deinit { unsafe waldo_gst_free(pipeline, sink) }

        /// Loads GStreamer, the first time.
        static func begin() throws(GStreamerError) {
            let (begun, reason) = unsafe text { unsafe waldo_gst_begin($0, $1) }
            guard begun == 1 else { throw .unavailable(reason) }
        }

        package func element(_ name: String) -> GstElementHandle? {
            guard let element = unsafe waldo_gst_element(pipeline, name) else { return nil }
            return unsafe GstElementHandle(takingOwnershipOf: element)
        }

        package func next(within patience: Duration) -> Arrival {
            if let event = event() { return event }
            guard let sample = unsafe waldo_gst_pull(sink, guint64(max(patience.nanoseconds, 0))) else { return event() ?? .nothing }
            let age = unsafe isLive ? waldo_gst_age(pipeline, sample) : 0
            return unsafe .sample(GstSampleHandle(takingOwnershipOf: sample, age: Duration(nanoseconds: Int64(max(age, 0)))))
        }

        private func event() -> Arrival? {
            let (event, words) = unsafe Self.text { unsafe waldo_gst_event(pipeline, $0, $1) }
            return event == 0 ? nil : event == 1 ? .ended : .failed(words)
        }

        private static func text<Outcome>(_ call: (UnsafeMutablePointer<CChar>, Int) -> Outcome) -> (Outcome, String) {
            unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { buffer in
                unsafe buffer.initialize(repeating: 0)
                let outcome = unsafe call(buffer.baseAddress!, buffer.count)
                return (outcome, unsafe String(cString: buffer.baseAddress!))
            }
        }
    }
#endif
