#if X264
    internal import CX264
    import RTC

    /// H.264 constrained baseline by x264 (GPL) without delay: one slice and one thread, no B-frames, key frames only when asked. Better
    /// pictures than openh264 for the same bitrate; the package trait `X264`.
    @safe public final class X264Encoder: VideoEncoder {
        public let codec = CodecKind.h264
        private let settings: VideoEncoderSettings
        private let encoder: OpaquePointer
        private var parameters: x264_param_t
        private var count: Int64 = 0

        public init(_ settings: VideoEncoderSettings) throws(MediaError) {
            try settings.check()
            self.settings = settings
            unsafe parameters = x264_param_t()
            let code = unsafe x264_param_default_preset(&parameters, "superfast", "zerolatency")
            guard code == 0 else { throw .library("x264_param_default_preset", code: Int(code)) }
            unsafe Self.configure(&parameters, settings)
            let refusal = unsafe x264_param_apply_profile(&parameters, "baseline")
            guard refusal == 0 else { throw .library("x264_param_apply_profile", code: Int(refusal)) }
            guard let encoder = unsafe waldo_x264_open(&parameters) else { throw .library("x264_encoder_open", code: -1) }
            unsafe self.encoder = encoder
        }

        deinit { unsafe x264_encoder_close(encoder) }

        private static func configure(_ parameters: inout x264_param_t, _ settings: VideoEncoderSettings) {
            unsafe parameters.i_log_level = X264_LOG_NONE
            unsafe parameters.i_width = Int32(settings.width)
            unsafe parameters.i_height = Int32(settings.height)
            unsafe parameters.i_csp = Int32(X264_CSP_I420)
            unsafe parameters.i_fps_num = UInt32(settings.rate)
            unsafe parameters.i_fps_den = 1
            unsafe parameters.b_vfr_input = 0
            unsafe parameters.i_threads = 1
            unsafe parameters.b_sliced_threads = 0
            unsafe parameters.i_keyint_max = X264_KEYINT_MAX_INFINITE
            unsafe parameters.i_scenecut_threshold = 0
            unsafe parameters.b_annexb = 1
            unsafe parameters.b_repeat_headers = 1
            unsafe parameters.b_aud = 0
            unsafe parameters.rc.i_rc_method = X264_RC_ABR
            // Nobody sees what a finer picture has: without this a scene that asks for little is given the whole bitrate, and key frames of
            // eight times the mean.
            unsafe parameters.rc.i_qp_min = 20
            unsafe limit(&parameters, settings.bitrate)
        }

        /// Constant bitrate over half a second. A key frame is then three to five times the mean frame; with a buffer of a fifth of a second it
        /// is twice, but a picture of which only a part moves gets little more than half of the bitrate.
        private static func limit(_ parameters: inout x264_param_t, _ bitrate: Int) {
            let kilobits = Int32(bitrate / 1000)
            unsafe parameters.rc.i_bitrate = kilobits
            unsafe parameters.rc.i_vbv_max_bitrate = kilobits
            unsafe parameters.rc.i_vbv_buffer_size = kilobits / 2
        }

        public func encode(_ picture: Picture, forcesKeyFrame: Bool, into frame: inout [UInt8]) throws(MediaError) -> Bool? {
            guard picture.width == settings.width, picture.height == settings.height else {
                throw .settings("picture: expected \(settings.width)x\(settings.height), got \(picture.width)x\(picture.height)")
            }
            var units: UnsafeMutablePointer<x264_nal_t>?
            var unitCount: Int32 = 0
            var output = unsafe x264_picture_t()
            let size = unsafe picture.bytes.withUnsafeBufferPointer { bytes in
                let base = unsafe UnsafeMutablePointer(mutating: bytes.baseAddress!)
                var source = unsafe x264_picture_t()
                unsafe x264_picture_init(&source)
                unsafe source.i_type = forcesKeyFrame ? X264_TYPE_IDR : X264_TYPE_AUTO
                unsafe source.i_pts = count
                unsafe source.img.i_csp = Int32(X264_CSP_I420)
                unsafe source.img.i_plane = 3
                unsafe source.img.i_stride = (Int32(picture.width), Int32(picture.width / 2), Int32(picture.width / 2), 0)
                unsafe source.img.plane = (base + picture.planes.luma, base + picture.planes.blue, base + picture.planes.red, nil)
                return unsafe x264_encoder_encode(encoder, &units, &unitCount, &source, &output)
            }
            count += 1
            guard size >= 0 else { throw .library("x264_encoder_encode", code: Int(size)) }
            guard size > 0, let units = unsafe units else { return nil }
            // The units lie end to end, start codes included.
            unsafe frame.append(contentsOf: UnsafeBufferPointer(start: units[0].p_payload, count: Int(size)))
            return unsafe output.b_keyframe != 0
        }

        public func setBitrate(_ wanted: Int) throws(MediaError) {
            let bitrate = min(max(wanted, VideoEncoderSettings.bitrates.lowerBound), VideoEncoderSettings.bitrates.upperBound)
            unsafe Self.limit(&parameters, bitrate)
            let code = unsafe x264_encoder_reconfig(encoder, &parameters)
            guard code == 0 else { throw .library("x264_encoder_reconfig", code: Int(code)) }
        }
    }
#endif
