#if GStreamer
    internal import CGst
    import Media
    import RTC

    /// A video encoder of GStreamer's: an element, with properties of one's own after it as gst-launch-1.0 takes them: `x264enc speed-preset=fast`.
    public struct GStreamerEncoderDescription: Sendable, Hashable {
        public let text: String
        public let codec: CodecKind
        let element: String
        let properties: String
        let rate: EncoderRate

        /// Throws what is wrong with it: no such element, no encoder, none for H.264 or VP8, none whose bitrate we know how to set.
        public init(_ text: String) throws(MediaError) {
            let parts = text.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true).map(String.init)
            guard let element = parts.first else {
                throw .settings("encoder: expected a GStreamer element, as in `x264enc speed-preset=fast`, got nothing")
            }
            do throws(GStreamerError) { try GstPipeline.begin() } catch { throw MediaError(error, of: text) }
            codec = try Self.codec(of: element, text)
            guard let rate = EncoderRate.known[element] else {
                throw .encoder(
                    text,
                    reason: "how its bitrate is set at run time is not known; expected one of "
                        + EncoderRate.known.keys.sorted().joined(separator: ", "))
            }
            (self.text, self.element, properties, self.rate) = (text, element, parts.count > 1 ? parts[1] : "", rate)
        }

        private static func codec(of element: String, _ text: String) throws(MediaError) -> CodecKind {
            switch unsafe (waldo_gst_encodes(element, "video/x-h264"), waldo_gst_encodes(element, "video/x-vp8")) {
            case (1, _): return .h264
            case (_, 1): return .vp8
            case (-2, _):
                throw .encoder(
                    text,
                    reason: "no element \"\(element)\" is installed; `gst-inspect-1.0 \(element)` (package gstreamer1.0-tools) says more")
            case (-1, _): throw .encoder(text, reason: "expected a video encoder, and \"\(element)\" is none")
            default: throw .encoder(text, reason: "expected an encoder for H.264 or VP8, and \"\(element)\" gives neither")
            }
        }

        /// What stands between the pictures and the frames, in what form they come out.
        func pipeline(_ settings: VideoEncoderSettings) -> (description: String, tail: String) {
            let raw =
                "video/x-raw,format=I420,width=\(settings.width),height=\(settings.height),framerate=\(settings.rate)/1,colorimetry=bt601,"
                + "pixel-aspect-ratio=1/1,interlace-mode=progressive"
            // The user's properties come last: of two the later holds.
            let encoder = [element, "name=waldo-encoder", Self.withoutDelay[element] ?? "", properties].filter { !$0.isEmpty }
            let tail =
                switch codec {
                case .h264:
                    "video/x-h264,profile=(string){constrained-baseline,baseline} ! h264parse config-interval=-1"
                        + " ! video/x-h264,stream-format=byte-stream,alignment=au"
                default: "video/x-vp8"
                }
            return (
                "appsrc name=waldo-source is-live=true format=time caps=\"\(raw)\" ! videoconvert ! " + encoder.joined(separator: " "), tail
            )
        }

        /// What makes an encoder give one frame a picture at once, and key frames only when asked. Those of the hardware are left to the user.
        private static let withoutDelay = [
            "x264enc":
                "tune=zerolatency speed-preset=superfast threads=1 sliced-threads=false bframes=0 vbv-buf-capacity=500 qp-min=20 aud=false"
                + " key-int-max=1073741824 option-string=\"scenecut=0\"",
            "openh264enc": "complexity=low rate-control=bitrate gop-size=0 multi-thread=1 scene-change-detection=false"
                + " adaptive-quantization=false",
            "vp8enc":
                "deadline=1 cpu-used=-8 end-usage=cbr lag-in-frames=0 keyframe-mode=disabled threads=1 min-quantizer=2 max-quantizer=56"
                + " buffer-size=600 buffer-initial-size=300 buffer-optimal-size=400 max-intra-bitrate=450",
        ]
    }

    extension MediaError {
        init(_ error: GStreamerError, of encoder: String) {
            switch error {
            case .unavailable(let reason):
                self = .encoder(
                    encoder, reason: "GStreamer cannot be used: \(reason). `scripts/setup gstreamer` installs what it needs.")
            case .description(let reason), .start(let reason): self = .encoder(encoder, reason: "GStreamer says: \(reason)")
            }
        }
    }
#endif
