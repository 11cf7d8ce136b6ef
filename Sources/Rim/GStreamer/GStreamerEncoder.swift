#if GStreamer
    import Media
    import RTC
    import Wire

    /// Any encoder that GStreamer has an element for: a picture in, its frame out before the call returns.
    public final class GStreamerEncoder: VideoEncoder {
        public var codec: CodecKind { description.codec }
        private let description: GStreamerEncoderDescription
        private let settings: VideoEncoderSettings
        private let pipeline: GstPipeline
        private let source: GstElementHandle
        private let encoder: GstElementHandle
        private var count: Int64 = 0
        /// bit/s.
        private var current: Int
        /// Longer than hardware needs to wake up.
        private static let patience = Duration.seconds(3)

        public init(_ description: GStreamerEncoderDescription, _ settings: VideoEncoderSettings) throws(MediaError) {
            try settings.check()
            (self.description, self.settings, current) = (description, settings, settings.bitrate)
            let (head, tail) = description.pipeline(settings)
            do throws(GStreamerError) { pipeline = try GstPipeline(head, tail: tail, depth: 4) } catch {
                throw MediaError(error, of: description.text)
            }
            guard let source = pipeline.element("waldo-source"), let encoder = pipeline.element("waldo-encoder") else {
                throw .encoder(description.text, reason: "the pipeline has lost its beginning, or its encoder")
            }
            (self.source, self.encoder) = (source, encoder)
            description.rate.set(settings.bitrate, before: nil, on: encoder)
        }

        public func encode(_ picture: Picture, forcesKeyFrame: Bool, into frame: inout [UInt8]) throws(MediaError) -> Bool? {
            guard picture.width == settings.width, picture.height == settings.height else {
                throw .settings("picture: expected \(settings.width)x\(settings.height), got \(picture.width)x\(picture.height)")
            }
            // The first is one anyway.
            if forcesKeyFrame, count > 0 { encoder.forceKeyFrame() }
            let length = Duration(nanoseconds: 1_000_000_000 / Int64(settings.rate))
            let time = Duration(nanoseconds: count * 1_000_000_000 / Int64(settings.rate))
            count += 1
            guard source.push(picture, at: time, for: length) else {
                if case .failed(let reason) = pipeline.next(within: .zero) { throw failure("GStreamer says: \(reason)") }
                throw failure("it takes no pictures any more")
            }
            switch pipeline.next(within: Self.patience) {
            case .sample(let sample):
                frame += sample.bytes
                return sample.isKeyFrame
            case .nothing:
                throw failure(
                    "no frame \(Int(Self.patience.seconds)) s after a picture; expected one for each, at once: "
                        + "switch off B-frames, looking ahead and leaving out by the element's properties")
            case .ended: throw failure("the stream ended")
            case .failed(let reason): throw failure("GStreamer says: \(reason)")
            }
        }

        private func failure(_ reason: String) -> MediaError { .encoder(description.text, reason: reason) }

        public func setBitrate(_ wanted: Int) throws(MediaError) {
            let bitrate = min(max(wanted, VideoEncoderSettings.bitrates.lowerBound), VideoEncoderSettings.bitrates.upperBound)
            description.rate.set(bitrate, before: current, on: encoder)
            current = bitrate
        }
    }
#endif
